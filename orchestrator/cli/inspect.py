"""`bnn-orchestrate inspect`: shows the content of an exported file, layer by layer."""

import argparse
import re

from orchestrator.cli.cells import beside_floats
from orchestrator.cli.options import add_verbose, exported_file
from orchestrator.process.waiting import waiting_for


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its flags."""
    parser = subparsers.add_parser("inspect", help="show the content of an exported file")
    parser.add_argument("file", type=exported_file, metavar="FILE")
    add_verbose(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints layers, bits, bytes, the compression ratio, and what the file says of itself."""
    import yaml
    from rich.markup import escape
    from rich.table import Table

    from orchestrator.cli.console import make_console
    from orchestrator.cli.tables import print_table

    with waiting_for("the file to be read"):
        from trainers.export.load import read_packed

        file = read_packed(args.file)
    console = make_console()
    options = ", ".join(f"{key} {value}" for key, value in file.recipe.to_mapping().items())
    console.print(
        f"{args.file}: {file.format}, version {file.version}; {options}",
        markup=False,
        soft_wrap=True,
    )
    table = Table(box=None)
    table.add_column("layer", overflow="fold")
    table.add_column("weight")
    table.add_column("stored as")
    for column in ("weights", "bits each", "bytes"):
        table.add_column(column, justify="right")
    for layer in file.layers:
        table.add_row(
            escape(layer.name),
            " × ".join(str(size) for size in layer.shape),
            layer.code,
            f"{layer.num_weights:,}",
            f"{layer.bits_a_weight:.3g}",
            f"{layer.num_bytes:,}",
        )
    rest = file.payload - sum(layer.num_bytes for layer in file.layers)
    table.add_row("everything else", "", "", "", "", f"{rest:,}")
    print_table(console, table)
    for spec in file.activations:
        layers = "all" if spec.layers == "all" else ", ".join(spec.layers)
        asked = spec.binarizer.to_mapping()
        named = ", ".join(f"{key} {value}" for key, value in asked.items())
        console.print(
            f"binary inputs: {named}; of {layers}", markup=False, highlight=False, soft_wrap=True
        )
    console.print(
        f"{file.payload:,} bytes of tensors, {file.num_bytes:,} with the header; "
        f"{beside_floats(file.num_bytes, file.float_bytes)}",
        highlight=False,
        soft_wrap=True,
    )
    if file.metadata:
        text = yaml.safe_dump(
            dict(file.metadata),
            sort_keys=False,
            allow_unicode=True,
            # Short lists and mappings in one line each, as in a study's file.
            default_flow_style=None,
            width=100,
        )
        # Commands count epochs from 1; a file keeps the number that MLflow has.
        text = re.sub(r"^(epoch: \d+)$", r"\1  # counted from 0", text, flags=re.MULTILINE)
        console.print(text, markup=False, highlight=False, soft_wrap=True, end="")
    return 0
