"""JSON Schema of study files, from which editors complete keys and mark mistakes.

`configs/study.schema.json` and `configs/shared.schema.json` are written by

    python -m orchestrator.study.schema

from the tables, types and docstrings that read a study. They mark what they can see in one file:
names, keys and types. `bnn-orchestrate validate` checks the rest too.
"""

import json
from collections.abc import Mapping

from orchestrator import vocabulary
from orchestrator.study.axes import FORMS, Axis, Range
from orchestrator.study.axes import LONGEST_NAME as LONGEST_AXIS
from orchestrator.study.checkpointing import Checkpointing
from orchestrator.study.file import EXTENDS
from orchestrator.study.given import Given
from orchestrator.study.order_axes import CONTROLS, ORDER
from orchestrator.study.overrides import AS_PUBLISHED
from orchestrator.study.reading import KEYS, LONGEST_NAME, LONGEST_QUESTION, RESERVED
from orchestrator.study.schema_parts import (
    Schema,
    any_of,
    component,
    described,
    mapping_of,
    of_options,
    of_type,
    ref,
    summary_of,
    texts_of,
)
from orchestrator.study.schema_trial import definitions
from orchestrator.study.search import SCHEDULERS, SEARCHERS
from orchestrator.study.shipped import SHARED_SCHEMA, STUDY_SCHEMA, config_folder
from orchestrator.study.shown import MatrixShape, Metric
from orchestrator.study.spec import StudySpec
from orchestrator.study.together import Together

DRAFT = "http://json-schema.org/draft-07/schema#"
NAME = r"^[^\s!-,./:-@\[-^`{-~]+$"
"""Letters and digits of any alphabet, - and _."""
AXIS_NAME = r"^[^\s!-/:-@\[-^`{-~]+$"
"""Letters and digits of any alphabet, and _."""
POINT: Schema = {
    "type": "object",
    # Editors take the sign of a merge for a key.
    "propertyNames": {"anyOf": [ref("path"), {"const": "<<"}]},
    "minProperties": 1,
}
"""Key paths, and the values that they get."""
NEEDED = ("question", "base", "axes", "metric", "matrix")
"""Keys that a study has, unless the file that it extends has them."""
_FIELDS = {"study": "name", "trial": "together"}
"""Keys of a study whose fields have another name."""


def study_schema() -> Schema:
    """The schema of a study's file: a whole one, or one that extends another file."""
    whole, part = (_keys(is_part=is_part) for is_part in (False, True))
    what = "A file of configs/networks by name, or a YAML file's path: the file below this one."
    extending = {**part, EXTENDS: described({"type": "string"}, what)}
    found = definitions() | component("search", SEARCHERS) | component("scheduler", SCHEDULERS)
    found["axis"] = _axis()
    found["study"] = mapping_of(whole, needed=["study", *NEEDED])
    found["extending"] = mapping_of(extending, needed=["study", EXTENDS])
    found["shared"] = mapping_of(part)
    return {
        "$schema": DRAFT,
        "title": "A study of bnn-orchestrate",
        "if": {"required": [EXTENDS]},
        "then": ref("extending"),
        "else": ref("study"),
        "definitions": found,
    }


def shared_schema() -> Schema:
    """The schema of the files that studies extend."""
    return {"$ref": f"{STUDY_SCHEMA}#/definitions/shared"}


def _keys(*, is_part: bool) -> dict[str, Schema]:
    """Every key of a study but `extends`; in a part other files may hold what is missing."""
    metric: Schema = {"enum": list(vocabulary.METRICS)}
    keys: dict[str, Schema] = {
        "study": {
            "type": "string",
            "pattern": NAME,
            "maxLength": LONGEST_NAME,
            "not": {"enum": list(RESERVED)},
        },
        "question": {"type": "string", "maxLength": LONGEST_QUESTION},
        "base": ref("trial", is_part=is_part),
        "axes": {"type": "array", "items": ref("axis"), "minItems": 1},
        "metric": of_options(Metric, {"name": metric}, is_part=is_part),
        "matrix": of_options(
            MatrixShape, {"also": {"type": "array", "items": metric}}, is_part=is_part
        ),
        "search": ref("search", is_part=is_part),
        "scheduler": ref("scheduler", is_part=is_part),
        "retries": {"type": "integer", "minimum": 0},
        "checkpoint": of_options(Checkpointing),
        "trial": of_options(Together),
        "given": _given(),
        AS_PUBLISHED: _as_published(),
    }
    texts = texts_of(StudySpec)
    return {key: described(keys[key], texts.get(_FIELDS.get(key, key), "")) for key in KEYS}


def _axis() -> Schema:
    """An axis: exactly one of the forms, and for some of them what the axis sets."""
    texts = texts_of(Axis)
    points = {"type": "object", "minProperties": 1}
    values = {"anyOf": [{"type": "array", "minItems": 1}, points]}
    order: Schema = {"anyOf": [{"type": ["string", "integer"]}, of_type(tuple[int, ...])]}
    numbers = {"type": "array", "items": {"type": "integer"}}
    forms: dict[str, Schema] = {
        "values": described(values, "These values, or labels and their values."),
        "permutations": described(
            any_of({"const": "all"}, {"type": "array", "items": order}),
            "Orders of the layers: all, or by name or layer numbers, such as [forward, 132].",
        ),
        "single_layers": described(
            any_of({"const": "all"}, {**numbers, "minItems": 1}),
            "Each layer alone, by number: binary from the first epoch.",
        ),
        "seeds": described({**numbers, "minItems": 1, "uniqueItems": True}, "Values of the seed."),
        "range": described(of_options(Range), summary_of(Range)),
        "choices": described(values, "Searched among these values, or labels and their values."),
    }
    assert tuple(forms) == FORMS
    controls = {"type": "array", "items": {"enum": list(CONTROLS)}}
    keys = {
        "name": {"type": "string", "pattern": AXIS_NAME, "maxLength": LONGEST_AXIS},
        "sets": described(ref("path"), "The key path in base that the values set."),
        **forms,
        "controls": described(controls, "Rows beside the orders: never binary, binary at once."),
    }
    keys["name"] = described(keys["name"], texts["name"])
    of_order = {"required": ["sets"], "properties": {"sets": {"const": ORDER}}}
    of_points = {"type": "object", "additionalProperties": POINT}
    return {
        **mapping_of(keys, needed=["name"]),
        "oneOf": [{"required": [form]} for form in forms],
        "anyOf": [
            {"required": ["sets"]},
            {"properties": dict.fromkeys(("values", "choices"), of_points)},
        ],
        "dependencies": {
            "range": ["sets"],
            **dict.fromkeys(("permutations", "single_layers", "controls"), of_order),
        },
    }


def _given() -> Schema:
    texts = texts_of(Given)
    inner = {"orders": of_type(tuple[int, ...]), "rows": POINT}
    keys = {
        key: described({"type": "object", "additionalProperties": schema}, texts[key])
        for key, schema in inner.items()
    }
    return described(mapping_of(keys), summary_of(Given))


def _as_published() -> Schema:
    others = "|".join(key for key in KEYS if key not in ("base", AS_PUBLISHED))
    paths = {"pattern": rf"^(base(\..+)?|({others})(\.[^.]+)*)$"}
    what = "Key paths and values that --as-published changes, before any --set."
    return described({"type": "object", "propertyNames": paths, "minProperties": 1}, what)


def texts() -> Mapping[str, str]:
    """The text of each file, by its name in the folder of configurations."""
    made = {STUDY_SCHEMA: study_schema(), SHARED_SCHEMA: shared_schema()}
    return {
        name: json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
        for name, schema in made.items()
    }


if __name__ == "__main__":
    for file, text in texts().items():
        (config_folder() / file).write_text(text, encoding="utf-8")
