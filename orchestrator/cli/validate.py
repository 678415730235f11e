"""`bnn-orchestrate validate`: checks a study and shows all faults at once."""

import argparse

from orchestrator.cli.options import add_study, add_verbose, study_of


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its flags."""
    parser = subparsers.add_parser("validate", help="check a study and all of its trials")
    add_study(parser)
    add_verbose(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints a summary if the study is valid, else raises with every fault."""
    study = study_of(args)

    from orchestrator.free_space import size_text
    from orchestrator.planning.disk import need
    from orchestrator.planning.planning import plan

    todo = plan(study)
    wanted = need(todo, is_embedded=True)
    axes = " x ".join(f"{axis.name} ({len(axis.points) or 'searched'})" for axis in study.axes)
    print(
        f"{study.title}: no fault; {todo.num_cells} trials, {todo.epochs:,} epochs; "
        f"{axes}; about {size_text(wanted.checkpoints + wanted.home)} of disk"
    )
    return 0
