"""`bnn-orchestrate report`: one HTML file of a study that opens offline, with CSV and JSON."""

import argparse

from orchestrator.cli.options import (
    add_home,
    add_study,
    add_verbose,
    home_of,
    named_or_changed,
    path_of,
)
from orchestrator.process.waiting import waiting_for


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its flags."""
    parser = subparsers.add_parser(
        "report", help="write a study's results as one HTML file that opens offline, CSV and JSON"
    )
    add_study(parser)
    parser.add_argument(
        "-o",
        "--out",
        type=path_of,
        required=True,
        metavar="DIR",
        help="folder of the report; an earlier report of the same study there is replaced",
    )
    add_home(parser)
    add_verbose(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Writes the files, and records the page on the study's run."""
    home = home_of(args)
    study = named_or_changed(args)
    with waiting_for("the results to be read"):
        from orchestrator.mlflow_reader.reader import StoreError
        from orchestrator.record.delivery_lock import InUseError
        from orchestrator.results.reporting import (
            made_report,
            record_report,
            refuse_other_folder,
            write_report,
        )

        name = study if isinstance(study, str) else study.name
        refuse_other_folder(args.out, name)
        runs, files = made_report(study, home)
    write_report(files, args.out)
    if not runs.is_asked:
        print(f"note      no cell of {name} as in its file is finished: this is {runs.title}")
    print(f"report    {args.out / 'report.html'}")
    print(f"beside    {', '.join(sorted(set(files) - {'report.html'}))}")
    try:
        record_report(files, runs, home)
    except (InUseError, StoreError) as error:
        print(f"note      MLflow has no copy: {error}")
    else:
        print(f"MLflow    artifact report.html of the run {runs.run_id}")
    return 0
