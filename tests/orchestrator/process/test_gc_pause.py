"""When garbage is looked for, and among what."""

import gc
import subprocess
import sys
import textwrap

import pytest

from orchestrator.process.gc_pause import uncollected


def test_collection_is_off_within_the_block_alone() -> None:
    assert gc.isenabled()
    with uncollected():
        assert not gc.isenabled()
        with uncollected():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_an_error_turns_it_on_again() -> None:
    with pytest.raises(KeyError, match="missing"), uncollected():
        raise KeyError("missing")
    assert gc.isenabled()


def test_what_was_there_before_is_not_looked_at_within_the_block() -> None:
    code = """
        import gc
        from orchestrator.process.gc_pause import set_aside

        with set_aside():
            print(gc.get_freeze_count() > 1000, any(gc.get_objects(2)))
        print(gc.get_freeze_count())
        gc.freeze()
        with set_aside():
            pass
        print(gc.get_freeze_count() > 1000)
        """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    # What somebody else has set aside stays so.
    assert done.stdout.splitlines() == ["True False", "0", "True"]


@pytest.mark.parametrize("module", ["json", "triton"])
def test_no_garbage_is_looked_for_at_the_end_but_where_somebody_complains(module: str) -> None:
    code = """
        import atexit, gc, sys, types
        from orchestrator.process.gc_pause import not_at_exit

        atexit.register(lambda: print(gc.get_freeze_count() > 0))
        not_at_exit()
        # Called last, registered first.
        atexit.register(lambda: print(gc.get_freeze_count() > 0))
        sys.modules[sys.argv[1]] = types.ModuleType(sys.argv[1])
        """
    command = [sys.executable, "-c", textwrap.dedent(code), module]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["False", str(module != "triton")]


def test_every_command_ends_without_looking_for_garbage() -> None:
    code = """
        import atexit, gc
        from orchestrator.cli.main import main

        atexit.register(lambda: print(gc.get_freeze_count() > 0))
        main(["--version-that-is-none"])
        """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    # Called last, because it was registered first: after the command's own.
    assert done.stdout == "True\n"
