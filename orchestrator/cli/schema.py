"""`bnn-orchestrate schema`: prints the JSON Schema of study files, for editors."""

import argparse

from orchestrator.cli.options import add_verbose


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its flags."""
    parser = subparsers.add_parser(
        "schema",
        help="print the JSON Schema of study files, for editors",
        description="Print the JSON Schema of study files. Write it beside your studies: "
        "%(prog)s > study.schema.json. An editor that knows YAML language server "
        "then completes keys and marks mistakes in a study whose first line is "
        "# yaml-language-server: $schema=study.schema.json",
    )
    parser.add_argument(
        "--shared",
        action="store_true",
        help="print the schema of files that studies extend; it looks for study.schema.json "
        "beside its own file",
    )
    add_verbose(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints the schema that comes with this version."""
    from orchestrator.study.shipped import SHARED_SCHEMA, STUDY_SCHEMA, config_folder

    file = SHARED_SCHEMA if args.shared else STUDY_SCHEMA
    print((config_folder() / file).read_text(encoding="utf-8"), end="")
    return 0
