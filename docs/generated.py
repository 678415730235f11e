"""The parts of the site that are made from code: keys of studies, commands, public names."""

import argparse
import importlib
import inspect
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
Schema = Mapping[str, Any]
START = ("docs/tutorial", "docs/how-to", "docs/concepts")
REFERENCE = (
    "configs/README",
    "docs/keys",
    "docs/commands",
    "docs/reference/trainers",
    "docs/reference/orchestrator",
    "docs/reference/dashboards",
    "docs/architecture",
    "CONTRIBUTING",
    "CHANGELOG",
)


def index(found: Sequence[str]) -> str:
    """Tables of contents: every page of docs/ is in one of them, also a new one."""
    names = [name for name in found if name.startswith("docs/")]
    published = [name for name in names if name.startswith("docs/from-")]
    results = [name for name in names if name.startswith("docs/results/")]
    known = {"docs/index", *START, *REFERENCE, *published, *results, "docs/reliability"}
    more = [name for name in names if name not in known]
    groups = {
        "Start": START,
        "Guides": [*more, "docker/README"],
        "Reference": REFERENCE,
        "Published code, as commands here": [*published, "docs/differences"],
        "Results": [*results, "docs/reliability"],
    }
    groups["Guides"] = [name for name in groups["Guides"] if name != "docs/differences"]
    return "".join(_toctree(title, names) for title, names in groups.items())


def _toctree(title: str, names: Sequence[str]) -> str:
    lines = [f":caption: {title}", ":hidden:", "", *(f"/{name}" for name in names)]
    return "\n".join(["```{toctree}", *lines, "```", "", ""])


def keys(found: Sequence[str]) -> str:
    """Every key of a study with its type, default and meaning, from the schema."""
    path = ROOT / "configs" / "study.schema.json"
    known: Mapping[str, Schema] = json.loads(path.read_text("utf-8"))["definitions"]
    study = known["extending"]
    parts = ["## A study", _table(study), "## An entry of `axes`", _table(known["axis"])]
    for key, schema in study["properties"].items():
        if "properties" in schema:
            parts += [f"## `{key}`", _table(schema)]
    parts += ["## `base`: a trial", _table(known["trial"])]
    parts += ["## `layers`", _table(known["layers"]), "## `augment`", _table(known["augment"])]
    names = dict.fromkeys(name.partition(".")[0] for name in known if "." in name)
    for kind in names:
        parts.append(f"## `{kind}`")
        for name, schema in known.items():
            if name.startswith(f"{kind}."):
                parts += [f"### `{schema['title']}`", _cell(schema.get("description", ""))]
                shown = {key: of for key, of in schema["properties"].items() if key != "name"}
                parts += [_table({"properties": shown})] if shown else []
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(schema: Schema) -> str:
    rows = ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    for key, of in schema["properties"].items():
        default = f"`{json.dumps(of['default'])}`" if "default" in of else ""
        cells = (f"`{key}`", _type(of), default, _cell(of.get("description", "")))
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _type(schema: Schema) -> str:
    """The type in a few words; a reference names the section of this page."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2].removesuffix("_part")
        return "key path" if name == "path" else f"`{name}`"
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return (
            "one of " + ", ".join(f"`{value}`" for value in values) if len(values) < 9 else "name"
        )
    for word in ("anyOf", "allOf"):
        if word in schema:
            return " or ".join(dict.fromkeys(map(_type, schema[word])))
    kind = schema.get("type", "any")
    if kind == "array" and isinstance(schema.get("items"), dict):
        return f"list of {_type(schema['items'])}"
    words = {"object": "mapping", "null": "null", "array": "list", "integer": "whole number"}
    kinds = [kind] if isinstance(kind, str) else kind
    return " or ".join(words.get(name, name) for name in kinds)


def _cell(text: str) -> str:
    """A text of a docstring in a table of Markdown."""
    text = text.replace("\\", "\\\\")
    for sign in "|*<_[":
        text = text.replace(sign, f"\\{sign}")
    return text


def commands(found: Sequence[str]) -> str:
    """The help of every command."""
    from orchestrator.cli.main import _parser

    parser = _parser()
    helps = [("bnn-orchestrate", parser), *_subcommands(parser)]
    return "\n".join(f"## `{name}`\n\n```text\n{_help(of)}```\n" for name, of in helps)


def _help(parser: argparse.ArgumentParser) -> str:
    parser.formatter_class = lambda prog: argparse.HelpFormatter(prog, width=88)
    return parser.format_help()


def _subcommands(
    parser: argparse.ArgumentParser,
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield command.prog.removeprefix("bnn-orchestrate "), command
                yield from _subcommands(command)


def public_names(package: str) -> Callable[[Sequence[str]], str]:
    """The public names of a package: docstrings; of a table its entries."""

    def text(found: Sequence[str]) -> str:
        module = importlib.import_module(package)
        parts: list[str] = []
        for name in sorted(module.__all__, key=str.lower):
            value = getattr(module, name)
            if isinstance(value, Mapping):
                parts.append(f"## `{name}`\n\n{', '.join(f'`{key}`' for key in value)}")
                continue
            kind = "class" if inspect.isclass(value) else "function"
            if inspect.isclass(value) and issubclass(value, Exception):
                kind = "exception"
            directive = f".. auto{kind}:: {package}.{name}"
            options = "\n   :members:" if kind == "class" else ""
            parts.append(f"## `{name}`\n\n```{{eval-rst}}\n{directive}{options}\n```")
        return "\n\n".join(parts) + "\n"

    return text


PAGES: Mapping[str, Callable[[Sequence[str]], str]] = {
    "docs/index": index,
    "docs/keys": keys,
    "docs/commands": commands,
    "docs/reference/trainers": public_names("trainers"),
    "docs/reference/orchestrator": public_names("orchestrator"),
    "docs/reference/dashboards": public_names("dashboards"),
}
"""What is put behind a page's own text, by the page; given the names of all pages."""
