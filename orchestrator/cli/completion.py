"""`bnn-orchestrate completion`: prints a script with which a shell completes what is typed."""

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from orchestrator.cli.options import add_verbose

SHELLS = ("bash", "zsh", "fish")
Completion = dict[str, Any]
"""What shtab takes: an expression for each shell, and functions that it needs before."""


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its flags."""
    parser = subparsers.add_parser(
        "completion",
        help="print a script that completes commands, flags and studies in your shell",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Print a script that completes commands, flags and names of studies.\n\n"
        "  bash: %(prog)s bash > ~/.local/share/bash-completion/completions/bnn-orchestrate\n"
        '  zsh:  %(prog)s zsh > "${fpath[1]}/_bnn-orchestrate"\n'
        "  fish: %(prog)s fish > ~/.config/fish/completions/bnn-orchestrate.fish\n\n"
        "Then open a new shell. Print it anew after an update.",
    )
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))
    add_verbose(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints the script."""
    import shtab

    # Only here, because the whole parser has this command too.
    from orchestrator.cli.main import _parser

    parser = _parser()
    kinds = _kinds()
    for action in _actions(parser):
        if isinstance(action.metavar, str) and action.metavar in kinds and not action.choices:
            action.complete = kinds[action.metavar]()  # type: ignore[attr-defined]
    print(shtab.complete(parser, shell=args.shell))
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """The flags and arguments of a parser and of all its commands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                # Else shells show it in place of the short help.
                command.description = None
                yield from _actions(command)


def _kinds() -> Mapping[str, Callable[[], Completion]]:
    """What completes an argument, by the word that stands for it in the help."""
    import shtab

    from orchestrator.cli.matrix import VIEW_NAMES
    from orchestrator.study.catalog import study_files
    from orchestrator.vocabulary import SUMMARIES

    studies = sorted(study_files())
    heads = [name.removesuffix("-full") for name in studies if name.endswith("-full")]
    networks = [head for head in heads if {f"{head}-lr", f"{head}-sensitivity"} <= {*studies}]
    return {
        "DIR": lambda: shtab.DIRECTORY,
        "FILE": lambda: shtab.FILE,
        "METRIC": lambda: named("metrics", SUMMARIES, files=False),
        "NETWORK": lambda: named("networks", networks, files=False),
        "STUDY": lambda: named("studies", studies),
        "STUDY|NETWORK": lambda: named("both", [*studies, *networks]),
        "VIEW": lambda: named("views", VIEW_NAMES, files=False),
    }


def named(what: str, names: Iterable[str], *, files: bool = True) -> Completion:
    """Completes names, and also YAML files.

    Args:
        what: Part of the name of the shell's function.
        names: Letters, digits, -, _ and / alone.
        files: Also complete YAML files.
    """
    function, listed = f"_bnn_orchestrate_{what}", " ".join(names)
    bash = f'compgen -W "{listed}" -- "$1"'
    zsh, fish = f"'names:name:({listed})'", f"printf '%s\\n' {listed}"
    if files:
        bash += '\n  compgen -f -X \'!*.y*ml\' -- "$1"\n  compgen -d -- "$1"'
        zsh += " 'files:file:_files -g \"*.(yaml|yml)\"'"
        fish += "\n  __fish_complete_suffix .yaml .yml"
    return {
        "bash": function,
        "zsh": function,
        "fish": f"({function})",
        "preamble": {
            "bash": f"{function}() {{\n  {bash}\n}}",
            "zsh": f"{function}() {{\n  _alternative {zsh}\n}}",
            "fish": f"function {function}\n  {fish}\nend",
        },
    }
