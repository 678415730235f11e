"""Which drawn configurations of a search become trials: those that can be, each once."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ray.tune.search import BasicVariantGenerator
from ray.tune.search import Searcher as TuneSearcher

from orchestrator import vocabulary
from orchestrator.study.axes import label_of
from orchestrator.study.cells import Cell
from trainers.errors import SpecError

MOST_TRIES = 200
"""Draws in a row that may be no new trial; then a search ends with those that it has."""
MOST_TOLD = 20
"""Draws that are told to the user; a region in which no trial can be may have thousands."""


@dataclass(kw_only=True)
class Draws:
    """Decides which draws are trained.

    Args:
        trial_at: Makes the cell of a configuration; raises SpecError if it cannot be a trial.
        num_samples: Number of trials to draw.
        known: Ids of trials that are not drawn again.
        skipped: Told what was drawn, and why it is no trial.
    """

    trial_at: Callable[[Mapping[str, Any]], Cell]
    num_samples: int
    known: Collection[str] = ()
    skipped: Callable[[str, str], None] = lambda drawn, reason: None
    num_taken: int = 0
    num_tries: int = 0
    num_told: int = 0
    _drawn: set[frozenset[tuple[str, Any]]] = field(default_factory=set)
    _taken: set[str] = field(default_factory=set)

    @property
    def is_over(self) -> bool:
        """Whether all trials are drawn, or none was found for too long."""
        return self.num_taken >= self.num_samples or self.is_exhausted

    @property
    def is_exhausted(self) -> bool:
        """Whether the search gave up looking for one more trial."""
        return self.num_taken < self.num_samples and self.num_tries >= MOST_TRIES

    def takes(self, config: Mapping[str, Any]) -> bool:
        """Whether this draw is a trial that was not drawn before."""
        self.num_tries += 1
        point = frozenset(config.items())
        if point in self._drawn:
            return False
        self._drawn.add(point)
        try:
            trial = self.trial_at(config).id
        except SpecError as error:
            self._tell(config, str(error.faults[0]))
            return False
        # Numbers that differ in the seventh digit are one trial.
        if trial in self.known or trial in self._taken:
            return False
        self._taken.add(trial)
        self.num_taken, self.num_tries = self.num_taken + 1, 0
        return True

    def _tell(self, config: Mapping[str, Any], reason: str) -> None:
        if self.num_told < MOST_TOLD:
            self.num_told += 1
            drawn = ", ".join(f"{axis} {label_of(value)}" for axis, value in config.items())
            self.skipped(drawn, reason)


class RandomDraws(BasicVariantGenerator):
    """Tune's random search; draws again where a draw is no new trial.

    Tune pickles it with the experiment, without the study; nothing resumes from it.
    """

    draws: Draws | None = None
    """Decides about each draw; None: all are taken."""

    def __getstate__(self) -> dict[str, Any]:
        """Omits the study and whom to tell."""
        return {**self.__dict__, "draws": None}

    def next_trial(self) -> Any:
        """The next trial; None if there is none now."""
        while not self.is_finished():
            trial = super().next_trial()  # type: ignore[no-untyped-call]
            if trial is None or self.draws is None or self.draws.takes(trial.config):
                return trial
            self._live_trials.discard(trial.trial_id)
        return None

    def is_finished(self) -> bool:
        """Whether no more trials are drawn."""
        return (self.draws is not None and self.draws.is_over) or super().is_finished()

    def get_state(self) -> Any:
        """Tune writes this down; the study and whom to tell are left out."""
        state = super().get_state()  # type: ignore[no-untyped-call]
        return {**state, "draws": None} if isinstance(state, dict) else state


class CheckedDraws(TuneSearcher):
    """A searcher that draws again where a draw is no new trial.

    Tune pickles it with the experiment, without the searcher; nothing resumes from it.

    Args:
        drawn: The searcher that draws.
        draws: Decides about each draw.
    """

    def __init__(self, drawn: TuneSearcher, draws: Draws) -> None:
        super().__init__(metric=vocabulary.OBJECTIVE, mode="min")
        self.drawn = drawn
        self.draws = draws
        self.ids: dict[str, str] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Omits the searcher and the study."""
        return {"ids": {}}

    def set_search_properties(
        self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any
    ) -> bool:
        """Passes the space on to the searcher."""
        return bool(self.drawn.set_search_properties(metric, mode, config, **spec))

    def suggest(  # type: ignore[override]  # Tune's annotation forgets its own FINISHED
        self, trial_id: str
    ) -> dict[str, Any] | str | None:
        """The next configuration that is a new trial; FINISHED if there is none."""
        while not self.draws.is_over:
            drawn_id = f"{trial_id}-{self.draws.num_tries}"
            config = self.drawn.suggest(drawn_id)
            if not isinstance(config, dict):
                return config
            if self.draws.takes(config):
                self.ids[trial_id] = drawn_id
                return config
            # So the searcher does not wait for it, and learns nothing from it.
            self.drawn.on_trial_complete(drawn_id, error=True)
        return str(self.FINISHED)

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Passes on a trial's progress."""
        self.drawn.on_trial_result(self.ids[trial_id], result)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Passes on the end of a trial."""
        self.drawn.on_trial_complete(self.ids[trial_id], result, error)

    def save(self, checkpoint_path: str) -> None:
        """Saves nothing: a sweep resumes from the recorded results."""
