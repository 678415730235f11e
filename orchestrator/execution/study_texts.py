"""The files with which a study's run starts in MLflow: plan, environment, the study itself."""

import json

from orchestrator import vocabulary
from orchestrator.environment import environment
from orchestrator.fingerprint.code import Code
from orchestrator.planning.planning import Plan
from orchestrator.record.conflicts import plan_content


def study_texts(todo: Plan, *, slots: int, processes: int, code: Code) -> dict[str, str]:
    """The files by name.

    Args:
        todo: The plan.
        slots: Trials at once.
        processes: Processes of each trial.
        code: That of this process.
    """
    planned = {**plan_content(todo), "slots": slots, "processes": processes}
    made_with = {**environment(), "sources": code.units(*trained_by(todo))}
    texts = {
        vocabulary.PLAN_ARTIFACT: json.dumps(planned, indent=1),
        vocabulary.ENVIRONMENT_ARTIFACT: json.dumps(made_with, indent=1),
    }
    if todo.study.text:
        texts[vocabulary.STUDY_ARTIFACT] = todo.study.text
    return texts


def trained_by(todo: Plan) -> list[dict[str, object]]:
    """The trials to train as mappings; of a search, whose trials are not drawn yet, its base."""
    specs = [cell.train for cell in todo.todo] or [todo.study.base]
    return [spec.to_mapping() for spec in specs]
