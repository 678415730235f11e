"""`schema`."""

import json
from collections.abc import Callable
from typing import Any

from orchestrator.study.shipped import config_folder


def test_it_prints_the_schema_that_comes_with_the_package(cli: Callable[..., Any]) -> None:
    answer = cli("schema")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == (config_folder() / "study.schema.json").read_text("utf-8")
    assert json.loads(answer.out)["title"] == "A study of bnn-orchestrate"


def test_it_prints_the_schema_of_what_studies_extend(cli: Callable[..., Any]) -> None:
    answer = cli("schema", "--shared")
    assert json.loads(answer.out) == {"$ref": "study.schema.json#/definitions/shared"}
