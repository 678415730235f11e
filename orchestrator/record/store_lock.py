"""One home at a time for a study, and for a trial, on a store: homes do not see others' leases."""

import json
import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from orchestrator import vocabulary
from orchestrator.home import masked
from orchestrator.record.delivery_lock import InUseError
from orchestrator.record.store import Store, StudyIds

log = logging.getLogger(__name__)

HOLD_S = 120.0
"""Seconds after which a hold that was not renewed is over."""
RENEW_S = 30.0
TRIALS_A_TAG = 250
"""Ids of 16 characters and a space each: MLflow's own tables hold 8,000, others' 5,000."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """What the run of a study says of a process that sweeps it.

    Args:
        holder: Ids of the home and of the process in it, a point between.
        name: Who sweeps, for people.
        until: When it is over, in seconds since the epoch.
        trials: Ids of what is trained.
    """

    holder: str
    name: str
    until: float
    trials: frozenset[str] = frozenset()

    @property
    def home(self) -> str:
        """Id of the home."""
        return self.holder.partition(".")[0]

    @property
    def key(self) -> str:
        """The tag that says who sweeps, and until when."""
        return vocabulary.HELD.format(holder=self.holder)

    @property
    def text(self) -> str:
        """What that tag says."""
        return json.dumps({"name": self.name, "until": self.until})

    @property
    def parts(self) -> dict[str, str]:
        """The tags that say what is trained."""
        ids = sorted(self.trials)
        starts = range(0, len(ids), TRIALS_A_TAG)
        return {
            vocabulary.HELD_TRIALS.format(holder=self.holder, part=number): " ".join(
                ids[start : start + TRIALS_A_TAG]
            )
            for number, start in enumerate(starts)
        }


def marks(tags: Mapping[str, str]) -> list[Mark]:
    """The marks among the tags of a run."""
    prefix = vocabulary.HELD.format(holder="")
    found = []
    for key, text in tags.items():
        holder = key.removeprefix(prefix)
        if holder != key and holder.count(".") == 1:
            trials = " ".join(tags[part] for part in tags if part.startswith(f"{key}."))
            found.append(Mark(holder=holder, trials=frozenset(trials.split()), **json.loads(text)))
    return found


class StudyHold:
    """Says on the run of a study from which home it is being swept, and what is trained.

    Each process has a mark of its own, so that of two which come at once at least one sees the
    other. Those of one home keep apart by leases.

    Args:
        store: The store.
        ids: Of the study.
        home: Id of the home, the same after a restart.
        holder: Id of this process.
        name: Who sweeps, for people.
        lives: Whether a process of this home is still there, by its id.
        trials: Ids of what is to be trained; of a search nobody knows them before.
        clock: Seconds since the epoch; the clocks of two machines may differ by some seconds.
    """

    def __init__(
        self,
        store: Store,
        ids: StudyIds,
        *,
        home: str,
        holder: str,
        name: str,
        lives: Callable[[str], bool],
        trials: Collection[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store, self.ids, self.clock = store, ids, clock
        self.home, self.holder, self.name = home, f"{home}.{holder}", name
        self.lives = lives
        self.trials = frozenset(trials)
        self._renewed_at = 0.0

    def take(self) -> None:
        """Marks the study.

        Raises:
            InUseError: If it is being swept from another home, or some of its trials are.
        """
        mark = self._mark()
        # Last who it is, so that nobody meets half of it.
        self.store.set_tags(self.ids.run, {**mark.parts, mark.key: mark.text})
        for ids, tags in self.store.parents().items():
            for other in marks(tags):
                if self._is_over(other):
                    # Left by a process that was killed.
                    self._end(ids, other)
                elif other.home != self.home and (why := self._conflict(ids, tags, other)):
                    self.release()
                    raise InUseError(f"{why} (or {HOLD_S:.0f} s, if it was killed)")

    def _is_over(self, mark: Mark) -> bool:
        """Whether a mark was left behind; of those of this home that is known at once."""
        process = mark.holder.partition(".")[2]
        is_dead = mark.home == self.home and not self.lives(process)
        return is_dead or mark.until < self.clock()

    def _conflict(self, ids: StudyIds, tags: Mapping[str, str], other: Mark) -> str:
        """Why this sweep cannot run beside another home's; empty if it can."""
        if ids == self.ids:
            what = f"this study is being swept from another home, by {other.name}"
            return f"{what}; use that home, or wait for its end"
        num_shared = len(self.trials & other.trials)
        if not num_shared:
            return ""
        study = tags.get(vocabulary.STUDY, "")
        what = f"trials of this study ({num_shared:,}) are being trained for the study '{study}'"
        way = "use that home, or wait for its end, and their results are taken"
        return f"{what} from another home, by {other.name}; {way}"

    @contextmanager
    def renewed_by(self, renewed: "list[StudyHold]") -> Iterator[None]:
        """Takes the hold for a block, however that ends.

        Args:
            renewed: Holds that somebody renews; this one is among them meanwhile.

        Raises:
            InUseError: If another home is at it.
        """
        self.take()
        renewed.append(self)
        try:
            yield
        finally:
            renewed.remove(self)
            try:
                self.release()
            # It ends by itself a little later.
            except Exception as error:
                log.warning("the study is still marked as being swept: %s", masked(str(error)))

    def renew(self) -> None:
        """Renews the mark, if it is time."""
        if self.clock() - self._renewed_at >= RENEW_S:
            mark = self._mark()
            self.store.set_tags(self.ids.run, {mark.key: mark.text})

    def release(self) -> None:
        """Takes the mark away."""
        self._end(self.ids, self._mark())

    def _mark(self) -> Mark:
        self._renewed_at = self.clock()
        return Mark(
            holder=self.holder,
            name=self.name,
            until=self._renewed_at + HOLD_S,
            trials=self.trials,
        )

    def _end(self, ids: StudyIds, mark: Mark) -> None:
        self.store.delete_tags(ids.run, [mark.key, *mark.parts])
