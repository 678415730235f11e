"""A result matrix as a LaTeX table for a paper; needs the package booktabs."""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Final

import pandas as pd

from dashboards.comparison import Comparison, Difference
from dashboards.matrix import lines_of
from dashboards.report import is_share, shown
from dashboards.verdicts import confidence, difference, verdict

_ESCAPED: Final[Mapping[int, str]] = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        '"': r"\textquotedbl{}",
        "±": r"$\pm$",
        "×": r"$\times$",
        "→": r"$\to$",
        "·": r"$\cdot$",
        "−": r"$-$",
        "α": r"$\alpha$",
        "β": r"$\beta$",
        "γ": r"$\gamma$",
        "λ": r"$\lambda$",
        "μ": r"$\mu$",
        "σ": r"$\sigma$",
    }
)


def escaped(text: str) -> str:
    """Text that LaTeX prints as it is; line breaks and other blanks become one blank.

    Args:
        text: Any text; a letter outside of Latin and a few Greek ones needs XeLaTeX or LuaLaTeX.
    """
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    # OT1, the default of pdflatex, has no straight double quote.
    return " ".join(plain.split()).replace('"', "''").translate(_ESCAPED)


def matrix_latex(matrix: pd.DataFrame, found: Comparison | None, *, command: str) -> str:
    r"""The matrix as a `booktabs` table; a document needs `\usepackage{booktabs}`.

    A row is bold only if it was told apart from the control. Errors and accuracies are in percent.

    Args:
        matrix: The result of `result_matrix`.
        found: What `compare` makes of it.
        command: What was typed to make it; stands in the comment of the first line.
    """
    attrs, metric = matrix.attrs, str(matrix.attrs["metric"])
    told = {one.row: one for one in found.differences} if found else {}
    known = lines_of(matrix)
    spread = any(values["n"] > 1 for values in known.values())
    lines = [
        _line(attrs, values, told.get(row), found, with_spread=spread)
        for row, values in known.items()
    ]
    table = pd.DataFrame(
        [list(line.values()) for line in lines],
        index=[escaped(str(row)) for row in matrix.index],
        columns=list(lines[0]),
    )
    bold = [bool((one := told.get(str(row))) and one.differs) for row in matrix.index]
    style = table.style.apply(_bold, rows=bold, axis=None).apply_index(_bold_index, rows=bold)
    in_unit = f"{metric}, in percent" if is_share(metric) else metric
    caption = escaped(f"{attrs['title']}: {in_unit}.{_note(matrix, found)}")
    text: str = style.to_latex(
        hrules=True,
        column_format="l" + "r" * (len(table.columns) - bool(found)) + "l" * bool(found),
        caption=(caption, escaped(str(attrs["title"]))),
        label=f"tab:{_slug(str(attrs['study']))}",
        position="htb",
        position_float="centering",
    )
    # So that a table with intervals and verdicts is no wider than a plain article.
    smaller = "\\centering\\footnotesize\\setlength{\\tabcolsep}{4pt}\n"
    text = text.replace("\\centering\n", smaller, 1)
    return f"{_comment(matrix, command)}\n{text}"


def _line(
    attrs: Mapping[Hashable, Any],
    values: Mapping[str, float],
    one: Difference | None,
    found: Comparison | None,
    *,
    with_spread: bool,
) -> dict[str, str]:
    metric = str(attrs["metric"])
    spread = "" if math.isnan(values["std"]) else f" ± {shown(values['std'], metric)}"
    best = "lowest" if attrs["better"] == "lower" else "highest"
    line = {
        "mean ± std" if with_spread else "mean": shown(values["mean"], metric) + spread,
        "n": f"{values['n']:.0f}",
        best: shown(values["best"], metric),
    }
    if found is not None:
        head = f"minus {found.control} [{confidence(found)}]"
        line[head] = "" if one is None else difference(one, metric)
        line["verdict"] = "control" if one is None else _words(one, found, metric)
    return {escaped(key): escaped(value) for key, value in line.items()}


def _words(one: Difference, found: Comparison, metric: str) -> str:
    """The verdict without the control's name, which the column beside it has."""
    return verdict(one, found, metric).replace(f" from {found.control}", "", 1)


def _note(matrix: pd.DataFrame, found: Comparison | None) -> str:
    """What the numbers are, for a reader who has the table alone."""
    over = next((name.partition(" ")[0] for name in matrix.columns if " " in str(name)), "")
    of = f" Mean and standard deviation over {over}s." if over else ""
    if found is None:
        return of
    sure = f"{confidence(found)} t intervals for all rows together (Bonferroni)"
    return (
        f"{of} Differences are paired by {over}, with {sure}; bold: told apart from the control."
    )


def _comment(matrix: pd.DataFrame, command: str) -> str:
    commits = ", ".join(matrix.attrs["commits"]) or "unknown"
    facts = [
        f"study {matrix.attrs['study']}",
        f"variant {matrix.attrs['variant']}",
        f"commit {commits}",
        command,
    ]
    return "% " + " ".join("; ".join(facts).split())


def _bold(table: pd.DataFrame, rows: Sequence[bool]) -> pd.DataFrame:
    styles = [["textbf:--rwrap;" if is_bold else ""] * len(table.columns) for is_bold in rows]
    return pd.DataFrame(styles, index=table.index, columns=table.columns)


def _bold_index(labels: "pd.Series[str]", rows: Sequence[bool]) -> list[str]:
    return ["textbf:--rwrap;" if is_bold else "" for is_bold in rows]


def _slug(name: str) -> str:
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name)
