"""`bnn-orchestrate report`: one HTML file that opens offline, with CSV and JSON."""

import argparse
from typing import TYPE_CHECKING

from orchestrator.cli.commands import command
from orchestrator.cli.options import (
    add_changes,
    add_home,
    add_verbose,
    home_of,
    named_or_changed,
    path_of,
)
from orchestrator.cli.outputs import explained, require_writable_folder
from orchestrator.process.waiting import waiting_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dashboards.runs import StudyRuns


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its flags."""
    parser = subparsers.add_parser(
        "report",
        help="write results as one HTML file that opens offline, with CSV, JSON and LaTeX",
        description="Writes the results of a study, or of the three stages of a network's "
        "protocol and their matrix, as one HTML file that opens offline, with CSV, JSON and LaTeX "
        "beside it. Stages that are not recorded yet are named.",
    )
    parser.add_argument(
        "study",
        metavar="STUDY|NETWORK",
        help="a study's name, or a path to a YAML file, or a network such as vgg5",
    )
    add_changes(parser)
    parser.add_argument(
        "-o",
        "--out",
        type=path_of,
        required=True,
        metavar="DIR",
        help="folder of the report; an earlier report of the same there is replaced",
    )
    add_home(parser)
    add_verbose(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Writes the files, and records the page in MLflow."""
    require_writable_folder(args.out)
    return _network(args) if _is_network(args.study) else _study(args)


def _is_network(name: str) -> bool:
    from orchestrator.study.catalog import study_files

    if name in study_files():
        # Known without the stages, whose files take torch to read.
        return False
    with waiting_for("the network to be looked up"):
        from orchestrator.protocol.stages import is_network

        return is_network(name)


def _study(args: argparse.Namespace) -> int:
    home = home_of(args)
    study = named_or_changed(args)
    with waiting_for("the results to be read"):
        from orchestrator.results.reporting import made_report, refuse_other_folder, write_report

        name = study if isinstance(study, str) else study.name
        refuse_other_folder(args.out, name)
        runs, files = made_report(study, home)
    with explained(args.out, "folder"):
        write_report(files, args.out)
    if not runs.is_asked:
        print(f"note      no cell of {name} as in its file is finished: this is {runs.title}")
    _tell(args, files, runs, "report.html")
    return 0


def _network(args: argparse.Namespace) -> int:
    from orchestrator.study.variant import Variant

    home, network = home_of(args), args.study
    with waiting_for("the results to be read"):
        from orchestrator.protocol.report import (
            ARTIFACT,
            network_report,
            protocol_words,
            write_network_report,
        )
        from orchestrator.protocol.stages import Changes, name_of
        from orchestrator.results.reporting import refuse_other_folder

        seeds = None if args.seeds is None else tuple(args.seeds)
        changes = Changes(variant=Variant.from_args(args), seeds=seeds)
        refuse_other_folder(args.out, name_of(network), "network")
        way = command(args, *protocol_words(network, changes))
        report = network_report(network, changes, home, command=way)
    with explained(args.out, "folder"):
        write_network_report(report, args.out)
    if report.missing is not None:
        missing = report.missing
        print(f"note      without {missing.named}: {missing.reason}\nnext      {way}")
    _tell(args, report.files, report.last, ARTIFACT)
    return 0


def _tell(
    args: argparse.Namespace, files: "Mapping[str, str]", runs: "StudyRuns", artifact: str
) -> None:
    """Prints where the report is, and records the page on a run."""
    from orchestrator.mlflow_reader.reader import StoreError
    from orchestrator.record.delivery_lock import InUseError
    from orchestrator.results.reporting import record_report

    print(f"report    {args.out / 'report.html'}")
    print(f"beside    {', '.join(sorted(set(files) - {'report.html'}))}")
    try:
        record_report(files, runs, home_of(args), artifact)
    except (InUseError, StoreError) as error:
        print(f"note      MLflow has no copy: {error}")
    else:
        print(f"MLflow    artifact {artifact} of the run {runs.run_id}")
