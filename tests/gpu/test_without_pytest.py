"""The stand-in for pytest finds the same tests, and takes the same numbers for near."""

import math
import subprocess
import sys
from pathlib import Path

import pytest
import without_pytest

GOLDEN = Path(__file__).resolve().parents[1] / "trainers" / "golden"

COUNT = """\
import sys
from pathlib import Path
sys.path[:0] = sys.argv[1:3]
import without_pytest
without_pytest.install()
files = sorted(Path(sys.argv[3]).glob("test_*.py"))
print(sum(len(without_pytest.cases(path)) for path in files))
"""


@pytest.mark.slow
def test_it_finds_as_many_stored_numbers_as_pytest() -> None:
    root = GOLDEN.parents[2]
    here = [sys.executable, "-c", COUNT, str(root), str(root / "tests" / "gpu"), str(GOLDEN)]
    ours = subprocess.run(here, check=True, capture_output=True, text=True).stdout
    there = [sys.executable, "-m", "pytest", "--collect-only", "-qq", str(GOLDEN)]
    lines = subprocess.run(there, check=True, capture_output=True, text=True, cwd=root).stdout
    counts = [line.rpartition(": ")[2] for line in lines.splitlines() if ".py: " in line]
    assert int(ours) == sum(map(int, counts)) > 100


@pytest.mark.parametrize(
    ("expected", "actual", "options"),
    [
        (1.0, 1.0 + 5e-7, {}),
        (1.0, 1.0 + 5e-6, {}),
        (0.0, 1e-13, {}),
        (0.0, 1e-11, {}),
        (100.0, 100.5, {"rel": 1e-2}),
        (100.0, 100.5, {"abs": 0.1}),
        (100.0, 100.5, {"abs": 1.0}),
        ([1, 2.0], [1, 2.0000001], {}),
        ([1, 2.0], [1, 2.1], {}),
        ([1, 2.0], [1], {}),
        ({"a": 1.0}, {"a": 1.0}, {}),
        ({"a": 1.0}, {"b": 1.0}, {}),
        (math.nan, math.nan, {}),
    ],
)
def test_near_is_what_pytest_takes_for_near(
    expected: object, actual: object, options: dict
) -> None:
    ours = without_pytest._approx(expected, **options)
    assert (actual == ours) == (actual == pytest.approx(expected, **options))


def test_parameters_multiply_and_fixtures_are_made_once(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("")
    path = tmp_path / "test_it.py"
    path.write_text(
        "import pytest\n"
        "made = []\n"
        "@pytest.fixture(scope='session')\n"
        "def base():\n    made.append(1)\n    return 1\n"
        "@pytest.fixture\n"
        "def next(base):\n    return base + 1\n"
        "@pytest.mark.slow\n"
        "@pytest.mark.parametrize('a', [1, 2])\n"
        "@pytest.mark.parametrize(('b', 'c'), [(3, 4), pytest.param(5, 6, id='x')], ids=str)\n"
        "def test_sum(a, b, c, base, next):\n    assert (base, next, len(made)) == (1, 2, 1)\n"
        "    assert a + b + c != 13\n"
        "@pytest.mark.skipif(True, reason='no')\n"
        "def test_never():\n    raise RuntimeError\n"
        "def test_refusal():\n"
        "    with pytest.raises(ValueError, match='no$'):\n        raise ValueError('oh no')\n"
    )
    code = (
        "import sys; from pathlib import Path; import without_pytest as w; w.install()\n"
        "for case in w.cases(Path(sys.argv[1])):\n"
        "    try: case.run(); print('passed')\n"
        "    except w.Skipped: print('skipped')\n"
        "    except AssertionError: print('failed')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        cwd=Path(without_pytest.__file__).parent,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["passed"] * 3 + ["failed", "skipped", "passed"]
