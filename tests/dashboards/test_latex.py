"""A matrix as a LaTeX table."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from dashboards.comparison import compare
from dashboards.latex import escaped, matrix_latex
from dashboards.matrix import matrix_of
from dashboards.runs import StudyRuns
from orchestrator.study.spec import StudySpec

MakeRuns = Callable[..., StudyRuns]

needs_latex = pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="pdflatex is not installed"
)

VALUES = {
    "float 1": 0.05, "float 2": 0.052, "float 10": 0.051,
    "forward 1": 0.30, "forward 2": 0.301, "forward 10": 0.303,
    "reverse 1": 0.05, "reverse 2": 0.06, "reverse 10": 0.02,
}  # fmt: skip


@pytest.fixture
def table(make_study: Callable[..., StudySpec], make_runs: MakeRuns) -> str:
    study = make_study(matrix={"rows": "order", "over": "seed", "control": "float"})
    matrix = matrix_of(make_runs(VALUES, study))
    matrix.attrs["commits"] = ["abc123"]
    return matrix_latex(
        matrix, compare(matrix), command="bnn-orchestrate matrix tiny --set a_b=50%"
    )


def _line(table: str, row: str) -> str:
    return next(line for line in table.splitlines() if row in line.partition("&")[0])


def test_the_first_line_says_where_the_table_is_from(table: str) -> None:
    first = table.splitlines()[0]
    assert first.startswith("% study tiny; variant ")
    assert first.endswith("; commit abc123; bnn-orchestrate matrix tiny --set a_b=50%")


def test_bold_is_only_what_is_told_apart(table: str) -> None:
    assert _line(table, "forward").startswith(r"\textbf{forward} & \textbf{30.13 $\pm$ 0.15} & ")
    assert r"\textbf{differs}" in _line(table, "forward")
    assert "textbf" not in _line(table, "reverse") + _line(table, "float")
    assert "cannot be told apart" in _line(table, "reverse")
    assert _line(table, "float").rstrip().endswith(r"& control \\")


def test_without_a_control_there_is_no_verdict(make_runs: MakeRuns) -> None:
    text = matrix_latex(matrix_of(make_runs(VALUES)), None, command="x")
    assert "verdict" not in text
    assert "textbf" not in text
    assert "commit unknown" in text


def test_what_latex_would_read_as_a_command_is_escaped() -> None:
    assert escaped(r"50% of a_b & c#1 {x}") == r"50\% of a\_b \& c\#1 \{x\}"
    assert escaped("a\\b ~^ <|>") == (
        r"a\textbackslash{}b \textasciitilde{}\textasciicircum{} "
        r"\textless{}\textbar{}\textgreater{}"
    )
    assert escaped("two\nlines ± 3×3") == r"two lines $\pm$ 3$\times$3"


def _compiled(text: str, folder: Path) -> str:
    """Makes a plain article of a table; returns what LaTeX says."""
    document = rf"\documentclass{{article}}\usepackage{{booktabs}}\begin{{document}}{text}"
    document = document.replace("{document}", "{document}\n") + r"\end{document}"
    (folder / "paper.tex").write_text(document, encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=folder,
        capture_output=True,
        timeout=100,
        check=False,
    )
    said = done.stdout.decode(errors="replace")
    assert done.returncode == 0, said[-2000:]
    assert (folder / "paper.pdf").stat().st_size > 1000
    return said


@needs_latex
def test_a_table_with_verdicts_is_no_wider_than_a_plain_article(
    tmp_path: Path, table: str
) -> None:
    assert "Overfull" not in _compiled(table, tmp_path)


@needs_latex
def test_the_table_compiles(
    tmp_path: Path, make_study: Callable[..., StudySpec], make_runs: MakeRuns
) -> None:
    odd = '50% of a_b & c#1 {x} \\y ~^$ <|> "é" · 3×3 → λ'
    axis = {"name": "odd", "sets": "model.widths", "values": {odd: [64, 4, 10], "b": [64, 5, 10]}}
    study = make_study(
        axes=[axis, {"name": "seed", "seeds": [1, 2, 3]}],
        matrix={"rows": "odd", "over": "seed", "control": odd},
    )
    values = {f"{row} {seed}": 0.1 * seed for row in (odd, "b") for seed in (1, 2, 3)}
    matrix = matrix_of(make_runs(values, study))
    text = matrix_latex(matrix, compare(matrix), command="bnn-orchestrate matrix")
    _compiled(text, tmp_path)
