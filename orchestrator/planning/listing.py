"""Lists the shipped studies with their trials, epochs and rough time."""

from dataclasses import asdict, dataclass

from orchestrator.kept import keep, kept
from orchestrator.study.shipped import config_digest

MOST_LOOKED_AT = 6
"""Most trials of a study whose cost is computed for the rough time."""
_KIND = "listing"


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """A study in the list.

    Args:
        name: The study's name.
        question: The question it answers.
        trials: Number of trials; for a search, the number that it draws.
        epochs: Epochs of all trials together; for a search, an upper bound.
        core_seconds: Rough seconds for all trials on one core.
        is_searched: Whether a searcher draws the trials.
    """

    name: str
    question: str
    trials: int
    epochs: int
    core_seconds: float
    is_searched: bool


def listing() -> list[Listed]:
    """Lists the shipped studies in the order of their names; computed once, then cached."""
    given = config_digest()
    rows = kept(_KIND, given)
    if rows is None:
        rows = [asdict(listed) for listed in _made()]
        keep(_KIND, given, rows)
    return [Listed(**row) for row in rows]


def _made() -> list[Listed]:
    # Imported here, because these modules import torch.
    from orchestrator.planning.cost import rough_seconds
    from orchestrator.planning.planning import plan
    from orchestrator.study.catalog import load_study, study_files

    found: list[Listed] = []
    for name in study_files():
        study = load_study(name, check_trials=False)
        todo, trials = plan(study), study.trials
        some = trials[:: max(1, len(trials) // MOST_LOOKED_AT)]
        per_epoch = rough_seconds(some, num_cores=1) / sum(t.train.all_epochs for t in some)
        found.append(
            Listed(
                name=name,
                question=study.question,
                trials=todo.num_cells,
                epochs=todo.epochs,
                core_seconds=per_epoch * todo.epochs,
                is_searched=study.is_searched,
            )
        )
    return found
