"""The pages as a browser asks for them, without one."""

import html
import logging
import re
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.message import Message

import pytest
from serving import served

from dashboards.page.app import application
from dashboards.page.watched import Watched
from orchestrator.home import Home
from orchestrator.record.entries import Point
from orchestrator.record.store import Store
from orchestrator.study.spec import StudySpec
from orchestrator.vocabulary import State

TOKEN = "only-for-friends"


@dataclass(frozen=True)
class Answer:
    code: int
    text: str
    headers: Message


Ask = Callable[..., Answer]


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: object, **kwargs: object) -> None:
        return None


def _asked(base: str, path: str, *, method: str = "GET", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(base + path, method=method, headers=named)
    try:
        with urllib.request.build_opener(_Stay).open(request, timeout=60) as response:
            return Answer(response.status, response.read().decode(), response.headers)
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.read().decode(), error.headers)


@pytest.fixture
def ask(home: Home) -> Iterator[Ask]:
    """Asks the page on the home of this test."""
    with served(application(home.tracking_uri)) as base:
        yield lambda path, **options: _asked(base, path, **options)


@pytest.fixture
def ask_guarded(home: Home) -> Iterator[Ask]:
    """The same page, with a token."""
    app = application(home.tracking_uri, token=TOKEN, cookie="mine", names=["gpu01.lab.org"])
    with served(app) as base:
        yield lambda path, **options: _asked(base, path, **options)


def test_a_store_without_studies_says_how_to_begin(ask: Ask) -> None:
    answer = ask("/")
    assert answer.code == 200
    assert "There are no studies yet" in answer.text


def test_the_first_columns_of_the_studies_say_how_far_they_are(
    ask: Ask, study: StudySpec, record: Callable[..., dict[str, str]]
) -> None:
    record(study, {"forward 1": 0.25})
    [head] = re.findall(r"<thead>.*?</thead>", ask("/").text)
    heads = re.findall(r"<th [^>]*>(.*?)</th>", head)
    assert heads[:3] == ["study", "state", "finished cells"]
    assert heads.index("question") > heads.index("failed")


def test_a_database_that_is_not_there_is_not_made(home: Home) -> None:
    assert home.database is not None
    home.database.unlink()
    with served(application(home.tracking_uri)) as base:
        assert "There are no studies yet" in _asked(base, "/").text
    assert not home.database.exists()


def test_what_is_not_there_is_named(
    ask: Ask, study: StudySpec, record: Callable[..., dict[str, str]]
) -> None:
    record(study, {"forward 1": 0.25})
    for path, what in (
        ("/study/other", "no study &#39;other&#39;"),
        ("/study/tiny?variant=nothing", "no variant nothing"),
        ("/study/tiny/cells/nothing", "no cell nothing"),
        ("/static/nothing.js", "no such file"),
    ):
        answer = ask(path)
        assert (answer.code, what in answer.text) == (404, True), path


def test_a_word_in_an_address_that_means_nothing_is_named(
    ask: Ask, study: StudySpec, record: Callable[..., dict[str, str]]
) -> None:
    record(study, {"forward 1": 0.25, "reverse 1": 0.5})
    for path, what in (
        ("curves?metric=zzz", "there is no chart of the metric 'zzz'; known: "),
        ("cells?state=foo", "there is no state 'foo'; known: running, failed"),
        ("more?show=zzz", "the study has no view 'zzz'; known: positions, pairs"),
    ):
        assert what in html.unescape(ask(f"/study/tiny/{path}").text), path


def test_of_failed_cells_alone_the_reason_is_shown_and_no_matrix(
    ask: Ask,
    study: StudySpec,
    record: Callable[..., dict[str, str]],
    fail: Callable[[Mapping[str, str]], None],
) -> None:
    runs = record(study, {"forward 1": 0.25, "reverse 1": 0.5}, state=State.RUNNING)
    fail(runs)
    matrix = ask("/study/tiny").text
    assert "All cells failed: see why under Cells" in matrix
    assert "appears here by itself" not in matrix
    cells = ask("/study/tiny/cells?state=failed").text
    assert "the loss is not finite" in cells
    assert "2 in all" in cells
    assert "the whole traceback" in ask(f"/study/tiny/cells/{runs['forward 1']}").text
    more = ask("/study/tiny/more").text
    assert "All cells failed" in more
    assert "Only its matrix can be shown" not in more


def test_a_number_of_an_epoch_says_that_it_is_counted_from_0(
    ask: Ask, study: StudySpec, store: Store, record: Callable[..., dict[str, str]]
) -> None:
    runs = record(study, {"forward 1": 0.25})
    store.log_points(runs["forward 1"], [Point("selected/epoch", 1, 41.0, 1000)])
    text = ask(f"/study/tiny/cells/{runs['forward 1']}").text
    assert "selected/epoch, counted from 0" in text


def test_every_view_of_a_study_that_just_begins_is_there(
    ask: Ask, study: StudySpec, record: Callable[..., dict[str, str]]
) -> None:
    record(study, {"forward 1": 0.25}, state=State.RUNNING)
    for end in ("", "/curves", "/cells", "/more"):
        answer = ask(f"/study/tiny{end}")
        assert answer.code == 200, end
        assert "0 of 1 cells finished" in answer.text
        assert "1 running" in answer.text


def test_what_has_not_changed_is_not_sent_again(
    ask: Ask, study: StudySpec, record: Callable[..., dict[str, str]]
) -> None:
    record(study, {"forward 1": 0.25})
    whole = ask("/study/tiny").text
    poll = whole.partition('hx-get="')[2].partition('"')[0].replace("&amp;", "&")
    assert ask(poll, hx_request="true").code == 204
    changed = ask(poll + "0", hx_request="true")
    assert changed.code == 200
    assert "<html" not in changed.text
    assert "25.00" in changed.text


def test_text_of_the_store_is_never_markup(
    ask: Ask, make_study: Callable[..., StudySpec], record: Callable[..., dict[str, str]]
) -> None:
    question = "<script>alert(1)</script>"
    record(make_study(question=question), {"forward 1": 0.25})
    for path in ("/", "/study/tiny"):
        text = ask(path).text
        assert question not in text
        assert "&lt;script&gt;alert(1)" in text


def test_the_page_only_shows(ask: Ask) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert ask("/", method=method).code == 405
    assert ask("/", method="HEAD").code == 200


def test_a_browser_that_was_told_another_name_is_refused(ask: Ask) -> None:
    assert ask("/", host="evil.example").code == 400
    assert ask("/", host="localhost:1234").code == 200


def test_every_answer_forbids_code_and_files_from_elsewhere(ask: Ask) -> None:
    for path in ("/", "/study/other", "/static/charts.js"):
        policy = ask(path).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy


def test_without_the_token_nothing_is_shown(ask_guarded: Ask) -> None:
    for path in ("/", "/study/tiny", "/static/page.css"):
        assert ask_guarded(path).code == 401
        assert ask_guarded(path, cookie="mine=wrong").code == 401
    wrong = ask_guarded("/?token=only-for-friendz")
    assert wrong.code == 403
    assert TOKEN not in wrong.text


def test_the_token_is_kept_in_a_cookie_and_leaves_the_address(ask_guarded: Ask) -> None:
    first = ask_guarded(f"/study/tiny?metric=a%2Fb&token={TOKEN}")
    assert first.code == 303
    assert first.headers["location"] == "/study/tiny?metric=a%2Fb"
    cookie = first.headers["set-cookie"]
    assert TOKEN not in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    kept = cookie.partition(";")[0]
    assert ask_guarded("/", cookie=kept).code == 200
    assert ask_guarded("/", cookie=kept, host="gpu01.lab.org:5050").code == 200


def test_a_redirect_stays_on_this_page(ask_guarded: Ask) -> None:
    answer = ask_guarded(f"//evil.example/?token={TOKEN}")
    assert answer.headers["location"].startswith("/evil.example")


def test_the_token_is_in_no_log(ask_guarded: Ask, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        ask_guarded(f"/?token={TOKEN}")
        ask_guarded(f"/nowhere?token={TOKEN}")
    assert TOKEN not in caplog.text


def test_a_store_that_does_not_answer_is_named() -> None:
    with served(application("http://me:secret-word@127.0.0.1:9")) as base:
        answer = _asked(base, "/")
    assert answer.code == 503
    assert "127.0.0.1:9" in answer.text
    assert "secret-word" not in answer.text


def test_a_study_without_an_overview_appears_when_all_its_cells_are_read(
    ask: Ask,
    study: StudySpec,
    record: Callable[..., dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record(study, {f"{row} {seed}": 0.25 for row in ("forward", "reverse") for seed in (1, 2)})
    has_page, is_seen, hear = threading.Event(), threading.Event(), Watched._hear

    def held(watched: Watched, num: int, total: int) -> None:
        hear(watched, num, total)
        has_page.set()
        assert is_seen.wait(60)

    monkeypatch.setattr(Watched, "_hear", held)
    monkeypatch.setattr("dashboards.page.watched.PATIENCE_S", 0.0)
    monkeypatch.setattr("orchestrator.mlflow_reader.reader.LARGEST_PAGE", 2)
    assert "being read" in ask("/").text
    assert has_page.wait(60)
    page = ask("/study/tiny")
    assert page.code == 200
    assert '<p class="status" role="status">2 cells read</p>' in page.text
    assert "2 cells read" in ask("/").text
    poll = html.unescape(page.text.partition('hx-get="')[2].partition('"')[0])
    assert ask(poll).code == 204
    is_seen.set()
    while (now := ask(poll, hx_request="true")).code == 204 or "cells read" in now.text:
        time.sleep(0.5)
    assert "4 of 4 cells finished" in now.text
    assert "<html" not in now.text
