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

AXE = Path(__file__).parents[2] / "support" / "axe" / "axe.min.js"
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
        page.set_default_timeout(120_000)
        page.on("request", self._hear)
        page.on("console", lambda said: self.complaints.append(said.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _hear(self, request: Any) -> None:
        if not request.url.startswith((self.base, "data:")):
            self.elsewhere.append(request.url)

    def wait_for_charts(self) -> None:
        """Waits until every chart is drawn, also of a page that has only begun to arrive."""
        self.page.wait_for_function(
            "() => document.readyState === 'complete' && "
            "[...document.querySelectorAll('figure.chart')].every(f => f.dataset.drawn)"
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
def swept_home(swept: Any) -> Home:
    """The home of a real sweep, for looking at only."""
    return Home.at(swept.home)


@pytest.fixture(scope="module")
def base(swept_home: Home) -> Iterator[str]:
    with served(application(swept_home.tracking_uri)) as base:
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
    singles = [column for column in matrix.columns if column.startswith("seed ")]
    table = visit.page.locator(".matrix").first
    for row in matrix.index:
        values = matrix.loc[row]
        text = table.get_by_role("row", name=re.compile(rf"^{row}\b")).inner_text()
        spread = "" if values["n"] < 2 else f" ± {100 * values['std']:.2f}"
        assert f"{100 * values['mean']:.2f}{spread}" in text
        for single in singles if spread else ():
            assert f"{100 * values[single]:.2f}" in text


def test_every_view_is_clicked_and_shows_what_the_matrix_has(
    visit: Visit, swept_home: Home
) -> None:
    page, store = visit.page, swept_home.tracking_uri
    page.goto(visit.base)
    page.get_by_role("link", name="small").click()
    page.get_by_role("heading", name="Matrix").wait_for()
    assert "3 of 3 cells finished" in page.get_by_role("status").inner_text()
    _values(visit, result_matrix("small", store))
    visit.wait_for_charts()
    assert page.locator("#seeds svg").count() == 1
    visit.picture("matrix")

    page.get_by_label("Metric").select_option("last/validation_error")
    page.wait_for_url("**metric=last**", wait_until="commit")
    _values(visit, result_matrix("small", store, metric="last/validation_error"))

    page.get_by_role("link", name="Curves").click()
    page.get_by_role("heading", name="Learning curves").wait_for()
    visit.wait_for_charts()
    assert page.locator("figure.chart").count() == 3
    assert "fc2" in (page.locator("#curve-2 svg").text_content() or "")
    page.locator("#curve-2 summary").click()
    assert page.locator("#curve-2 tbody tr").count() == 4
    visit.picture("curves")

    page.get_by_role("link", name="Cells").click()
    page.get_by_role("link", name="finished", exact=True).click()
    page.get_by_role("link", name="forward · seed 7").click()
    page.get_by_role("heading", name="forward · seed 7").wait_for()
    assert "finished" in page.locator("dl").inner_text()
    visit.wait_for_charts()
    visit.picture("cell")

    page.get_by_role("link", name="More").click()
    page.get_by_role("link", name="Which layer should turn binary").click()
    page.locator("#positions").wait_for()
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
    for path in ("/", *(f"/study/small{end}" for end in VIEWS)):
        visit.page.goto(base + path)
        visit.wait_for_charts()
        assert visit.serious_findings() == [], path
        assert visit.page.evaluate("document.documentElement.scrollWidth") == 390, path
        visit.picture(f"phone-dark-{path.rpartition('/')[2] or 'studies'}")
    context.close()


def test_the_keyboard_reaches_the_content_first(visit: Visit) -> None:
    page = visit.page
    page.goto(f"{visit.base}/study/small")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    focused = page.evaluate("document.activeElement.textContent")
    assert focused == "Matrix"


def test_results_appear_by_themselves_and_the_focus_stays(
    browser: Any,
    home: Home,
    make_study: Callable[..., StudySpec],
    record: Callable[..., dict[str, str]],
) -> None:
    controls = {"name": "order", "sets": "layers.order", "permutations": "all"}
    study = make_study(
        axes=[controls | {"controls": ["float", "binary"]}, {"name": "seed", "seeds": [1, 2, 10]}],
        matrix={"rows": "order", "over": "seed", "control": "binary"},
    )
    record(study, {"binary 1": 0.25, "binary 2": 0.26, "binary 10": 0.24, "reverse 1": 0.5})
    context = browser.new_context()
    with served(application(home.tracking_uri)) as base:
        visit = Visit(context.new_page(), base)
        page = visit.page
        page.goto(f"{base}/study/tiny")
        reverse = page.get_by_role("row", name=re.compile("^reverse"))
        assert "no verdict: 1 of 3 seeds" in reverse.inner_text()
        page.get_by_label("Metric").focus()
        record(study, {"reverse 2": 0.52, "reverse 10": 0.49})
        page.get_by_text("differs from binary").wait_for()
        _values(visit, result_matrix(study, home.tracking_uri))
        assert "6 of 6 cells finished" in page.get_by_role("status").inner_text()
        assert page.evaluate("document.activeElement.id") == "metric"
        visit.wait_for_charts()
        visit.picture("live")
        assert visit.complaints == []
        context.close()


def test_the_report_opens_without_a_network(
    browser: Any, swept_home: Home, tmp_path: Path
) -> None:
    from orchestrator.results.reporting import made_report, write_report

    write_report(made_report("small", swept_home)[1], tmp_path / "report")
    context = browser.new_context(offline=True)
    file = (tmp_path / "report" / "report.html").as_uri()
    visit = Visit(context.new_page(), file)
    visit.page.goto(file)
    visit.wait_for_charts()
    assert visit.page.locator("figure.chart svg").count() == 6
    _values(visit, result_matrix("small", swept_home.tracking_uri))
    assert "bnn-orchestrate sweep ./study.yaml --seeds 7" in visit.page.inner_text("pre")
    assert visit.page.locator("dd", has_text=re.compile("^[0-9a-f]{64}$")).count() == 1
    visit.picture("report")
    assert visit.elsewhere == []
    assert visit.complaints == []
    context.close()
