"""What Python reads in a source."""

import ast
import textwrap

import pytest

from orchestrator.fingerprint.syntax import bound_names, imported, names_in, plain

SOURCE = '''
class Half:
    """Halves."""

    factor: float = 0.5
    """What it multiplies by."""

    def of(self, value: float, *, times: int = 1) -> float:
        return value * self.factor ** times  # again and again
'''


def _text(source: str) -> str:
    return plain(ast.parse(textwrap.dedent(source)))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"""Halves."""', '"""Divides by two.\n\n    Or more.\n    """'),
        ('"""What it multiplies by."""', ""),
        ("  # again and again", ""),
        (
            "return value * self.factor ** times",
            "return (\n            value * self.factor**times\n        )",
        ),
        ("0.5", "5e-1"),
    ],
)
def test_comments_docstrings_and_layout_do_not_count(before: str, after: str) -> None:
    assert before in SOURCE
    assert _text(SOURCE.replace(before, after)) == _text(SOURCE)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("0.5", "0.25"),
        ("times: int = 1", "times: int = 2"),
        ("times: int = 1", "times: float = 1"),
        ("times: int = 1", "times: int = True"),
        ("value * self", "value / self"),
        ("* self.factor ** times", "* (self.factor * times)"),
        ("of(self", "by(self"),
    ],
)
def test_all_else_does(before: str, after: str) -> None:
    assert before in SOURCE
    assert _text(SOURCE.replace(before, after)) != _text(SOURCE)


def test_a_text_with_a_use_counts() -> None:
    assert _text("say = 'yes'") != _text("say = 'no'")


def test_the_text_is_the_same_in_every_version_of_python() -> None:
    # `ast.dump` writes type_params=[] here from Python 3.12 on, and returns=None up to 3.12.
    assert _text("def f():\n    return 1") == (
        "Module(body=[FunctionDef(name='f',args=arguments(),"
        "body=[Return(value=Constant(value=1,),),],),],)"
    )


def test_names_and_imports_are_found() -> None:
    [function] = ast.parse("def f(x: Tensor) -> float:\n    return nn.relu(x) + BOUND").body
    assert names_in([function]) == {"Tensor", "float", "nn", "x", "BOUND"}
    [first, second, third] = ast.parse(
        "import torch.nn\nfrom torch import nn, optim as o\na: int = 1"
    ).body
    assert imported(first) == [("torch.nn", "torch.nn")]
    assert imported(second) == [("nn", "torch.nn"), ("o", "torch.optim")]
    assert imported(third) == []
    assert bound_names(third) == ["a"]
