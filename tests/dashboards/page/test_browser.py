"""The page in a real browser, on the store of a real sweep."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from serving import served

from dashboards.matrix import result_matrix
from dashboards.page.app import application
from orchestrator.home import Home
from orchestrator.study.spec import StudySpec
from orchestrator.vocabulary import State

AXE = Path(__file__).parents[2] / "support" / "axe" / "axe.min.js"
STUDY = """\
study: pages
question: Does the order of two layers matter on a few digits?
base:
  model: {name: mlp, widths: [64, 16, 10]}
  data: {name: digits, batch_size: 64}
  optimizer: {name: adam, lr: 0.02}
  layers: {order: [fc1, fc2], epochs_per_layer: 2}
  epochs: 4
axes:
  - {name: order, sets: layers.order, permutations: all, controls: [float, binary]}
  - {name: seed, seeds: [7, 8, 9]}
metric: {name: selected/test_error}
matrix: {rows: order, over: seed, also: [last/test_error], control: binary}
"""
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
VIEWS = ("", "/curves", "/cells", "/more")

pytestmark = pytest.mark.slow


class Visit:
    """A window, what it asked for elsewhere, and what it complained about."""

    def __init__(self, page: Any, base: str) -> None:
        self.page = page
        self.base = base
        self.elsewhere: list[str] = []
        self.complaints: list[str] = []
        page.set_default_timeout(60_000)
        page.on("request", self._hear)
        page.on("console", lambda said: self.complaints.append(said.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _hear(self, request: Any) -> None:
        if not request.url.startswith((self.base, "data:")):
            self.elsewhere.append(request.url)

    def wait_for_charts(self) -> None:
        """Waits until every chart is drawn."""
        self.page.wait_for_function(
            "() => [...document.querySelectorAll('figure.chart')].every(f => f.dataset.drawn)"
        )

    def picture(self, name: str) -> None:
        """Keeps a picture, if BNN_PICTURES names a folder."""
        if folder := os.environ.get("BNN_PICTURES"):
            self.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)

    def serious_findings(self) -> list[str]:
        """What axe-core calls serious or critical."""
        found = self.page.evaluate(
            "async (source) => { (0, eval)(source); return (await axe.run()).violations"
            ".map(v => [v.impact, v.id, v.nodes[0].html]) }",
            AXE.read_text("utf-8"),
        )
        return [
            f"{rule}: {html}" for impact, rule, html in found if impact in ("serious", "critical")
        ]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("there is no Chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def swept(make_user: Callable[[Path], Any], made_once: Callable[..., Path]) -> Home:
    """The home of a real sweep."""

    def fill(folder: Path) -> None:
        user = make_user(folder)
        done = user.runs("sweep", user.writes(STUDY, "pages.yaml"))
        assert done.code == 0, done.err

    return Home.at(make_user(made_once("pages", fill)).home, None)


@pytest.fixture(scope="module")
def base(swept: Home) -> Iterator[str]:
    with served(application(swept.tracking_uri)) as base:
        yield base


@pytest.fixture
def visit(browser: Any, base: str) -> Iterator[Visit]:
    """A window on the page of the sweep; what it calls outside is a fault, and so is any error."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    found = Visit(context.new_page(), base)
    yield found
    context.close()
    assert found.elsewhere == []
    assert found.complaints == []


def _values(visit: Visit, matrix: pd.DataFrame) -> None:
    """Holds each row of the page against the matrix."""
    for row in matrix.index:
        values = matrix.loc[row]
        line = visit.page.get_by_role("row", name=re.compile(rf"^{row}\b"))
        text = line.inner_text()
        assert f"{100 * values['mean']:.2f} ± {100 * values['std']:.2f}" in text
        for seed in ("seed 7", "seed 8", "seed 9"):
            assert f"{100 * values[seed]:.2f}" in text


def test_every_view_is_clicked_and_shows_what_the_matrix_has(visit: Visit, swept: Home) -> None:
    page = visit.page
    page.goto(visit.base)
    page.get_by_role("link", name="pages").click()
    page.get_by_role("heading", name="Matrix").wait_for()
    assert "12 of 12 cells finished" in page.get_by_role("status").inner_text()
    _values(visit, result_matrix("pages", swept.tracking_uri))
    visit.wait_for_charts()
    assert page.locator("#seeds svg").count() == 1
    visit.picture("matrix")

    page.get_by_label("Metric").select_option("last/validation_error")
    page.wait_for_url("**metric=last**")
    other = result_matrix("pages", swept.tracking_uri, metric="last/validation_error")
    _values(visit, other)

    page.get_by_role("link", name="Curves").click()
    page.get_by_role("heading", name="Learning curves").wait_for()
    visit.wait_for_charts()
    assert page.locator("figure.chart").count() == 4
    assert "fc2" in (page.locator("#curve-3 svg").text_content() or "")
    page.locator("#curve-3 summary").click()
    assert page.locator("#curve-3 tbody tr").count() == 4
    visit.picture("curves")

    page.get_by_role("link", name="Cells").click()
    page.get_by_role("link", name="finished", exact=True).click()
    page.get_by_role("link", name="forward · seed 8").click()
    page.get_by_role("heading", name="forward · seed 8").wait_for()
    assert "finished" in page.locator("dl").inner_text()
    visit.wait_for_charts()
    visit.picture("cell")

    page.get_by_role("link", name="More").click()
    page.get_by_role("link", name="Which layer should turn binary").click()
    visit.wait_for_charts()
    assert page.locator("#positions svg").count() == 1
    visit.picture("more")
    page.go_back()
    assert page.url.endswith("/more")


def test_no_view_has_a_serious_finding_and_all_fit_a_phone(browser: Any, base: str) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 800}, color_scheme="dark", bypass_csp=True
    )
    visit = Visit(context.new_page(), base)
    for path in ("/", *(f"/study/pages{end}" for end in VIEWS)):
        visit.page.goto(base + path)
        visit.wait_for_charts()
        assert visit.serious_findings() == [], path
        assert visit.page.evaluate("document.documentElement.scrollWidth") == 390, path
        visit.picture(f"phone-dark-{path.rpartition('/')[2] or 'studies'}")
    context.close()


def test_the_keyboard_reaches_the_content_first(visit: Visit) -> None:
    page = visit.page
    page.goto(f"{visit.base}/study/pages")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    focused = page.evaluate("document.activeElement.textContent")
    assert focused == "Matrix"


def test_a_result_appears_by_itself_and_the_focus_stays(
    browser: Any,
    home: Home,
    study: StudySpec,
    record: Callable[..., dict[str, str]],
) -> None:
    record(study, {"forward 1": 0.25})
    context = browser.new_context()
    with served(application(home.tracking_uri)) as base:
        visit = Visit(context.new_page(), base)
        visit.page.goto(f"{base}/study/tiny")
        visit.page.get_by_label("Metric").focus()
        assert visit.page.get_by_role("row", name=re.compile("^reverse")).count() == 0
        record(study, {"reverse 1": 0.5}, state=State.FINISHED)
        visit.page.get_by_role("row", name=re.compile("^reverse")).wait_for()
        assert "2 of 2 cells finished" in visit.page.get_by_role("status").inner_text()
        assert visit.page.evaluate("document.activeElement.id") == "metric"
        assert visit.complaints == []
        context.close()


def test_the_report_opens_without_a_network(
    browser: Any, swept: Home, make_user: Callable[[Path], Any], tmp_path: Path
) -> None:
    from orchestrator.results.reporting import made_report, write_report

    write_report(made_report("pages", swept)[1], tmp_path / "report")
    context = browser.new_context(offline=True)
    file = (tmp_path / "report" / "report.html").as_uri()
    visit = Visit(context.new_page(), file)
    visit.page.goto(file)
    visit.wait_for_charts()
    assert visit.page.locator("figure.chart svg").count() == 6
    _values(visit, result_matrix("pages", swept.tracking_uri))
    assert "bnn-orchestrate sweep pages --seeds 7,8,9" in visit.page.inner_text("pre")
    assert visit.page.locator("dd", has_text=re.compile("^[0-9a-f]{64}$")).count() == 1
    visit.picture("report")
    assert visit.elsewhere == []
    assert visit.complaints == []
    context.close()
