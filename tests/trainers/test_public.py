"""What `import trainers` offers, and what it needs."""

import subprocess
import sys
import textwrap

import trainers

FOREIGN = ("ray", "mlflow", "yaml", "pandas", "rich", "sklearn", "optuna", "orchestrator")
PURE = textwrap.dedent(
    f"""
    import sys

    class Hiding:
        # As if the foreign packages were not installed; torch looks for some, and may.
        def __init__(self, finder):
            self.finder = finder

        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] in {FOREIGN!r}:
                return None
            return self.finder.find_spec(name, path, target)

    if sys.argv[1] == "hidden":
        sys.meta_path[:] = [Hiding(finder) for finder in sys.meta_path]
    import trainers
    import trainers.training

    for name in trainers.__all__:
        getattr(trainers, name)
    loaded = {{name.split(".")[0] for name in sys.modules}}
    sys.exit(",".join(sorted(loaded & set({FOREIGN!r}))) or 0)
    """
)


def _import_in_another_process(mode: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", PURE, mode]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_import_works_where_only_torch_and_torchvision_are_installed() -> None:
    done = _import_in_another_process("hidden")
    assert done.returncode == 0, done.stderr


def test_import_does_not_load_what_only_the_orchestrator_needs() -> None:
    done = _import_in_another_process("installed")
    assert done.returncode == 0, done.stderr


def test_every_public_name_exists_once() -> None:
    assert len(set(trainers.__all__)) == len(trainers.__all__)
    assert all(hasattr(trainers, name) for name in trainers.__all__)
