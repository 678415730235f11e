"""Lets only one home at a time sweep a study or train a trial in a shared store.

Homes do not see each other's leases, so each marks the study's MLflow run.
"""

import json
import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from orchestrator import vocabulary
from orchestrator.masking import masked
from orchestrator.process.waiting import waiting_for
from orchestrator.record.delivery_lock import InUseError
from orchestrator.record.heartbeat import beating
from orchestrator.record.store import Store, StudyIds

log = logging.getLogger(__name__)

HOLD_S = 120.0
"""Seconds after which a mark expires unless it is renewed."""
RENEW_S = 30.0
TRIALS_A_TAG = 250
"""Ids in one tag, with 16 characters and a space each: a tag holds 8,000, or 5,000 elsewhere."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """A process that sweeps a study, as marked on the study's run.

    Args:
        holder: Ids of the home and of its process, separated by a point.
        name: The process as text for the user.
        until: When the mark expires, in seconds since the epoch.
        trials: Ids of the trials that it trains.
    """

    holder: str
    name: str
    until: float
    trials: frozenset[str] = frozenset()

    @property
    def home(self) -> str:
        """The home's id."""
        return self.holder.partition(".")[0]

    @property
    def key(self) -> str:
        """The name of the tag with the process and the expiry."""
        return vocabulary.HELD.format(holder=self.holder)

    @property
    def text(self) -> str:
        """The value of that tag."""
        return json.dumps({"name": self.name, "until": self.until})

    @property
    def parts(self) -> dict[str, str]:
        """The tags with the ids of the trials."""
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
            try:
                said = json.loads(text)
                name, until = str(said["name"]), float(said["until"])
            except (ValueError, TypeError, KeyError):
                # Somebody changed it; whoever it is of renews it soon.
                log.info("the tag %s is no mark: %s", key, text)
                continue
            mark = Mark(holder=holder, name=name, until=until, trials=frozenset(trials.split()))
            found.append(mark)
    return found


class StudyHold:
    """Marks on a study's run which home sweeps it, and which trials it trains.

    Each process writes its own mark before it reads the others, so if two start at once, at least
    one sees the other. Inside a home, leases keep processes apart.

    Args:
        store: The store.
        ids: The study's ids in MLflow.
        home: The home's id, which survives restarts.
        holder: The id of this process.
        name: This process as text for the user.
        lives: Says whether the process with this id, of this home, is alive.
        trials: Ids of the trials to train; empty for a search, which does not know them yet.
        clock: Seconds since the epoch; clocks of two machines may differ by a few seconds.
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
        self._is_released = False

    def take(self) -> None:
        """Marks the study.

        Raises:
            InUseError: If another home sweeps the study or trains some of its trials.
        """
        with waiting_for("MLflow to say who else trains"):
            self._take()

    def _take(self) -> None:
        self._is_released = False
        mark = self._mark()
        # The tag that makes the mark visible comes last, so that no one reads half a mark.
        self.store.set_tags(self.ids.run, {**mark.parts, mark.key: mark.text})
        for ids, tags in self.store.parents().items():
            for other in marks(tags):
                if self._is_over(other):
                    # Left over from a process that was killed.
                    self._end(ids, other)
                elif other.home != self.home and (why := self._conflict(ids, tags, other)):
                    self.release()
                    raise InUseError(f"{why} (or {HOLD_S:.0f} s, if it was killed)")

    def _is_over(self, mark: Mark) -> bool:
        """Whether a mark has expired, or belongs to a dead process of this home."""
        process = mark.holder.partition(".")[2]
        is_dead = mark.home == self.home and not self.lives(process)
        return is_dead or mark.until < self.clock()

    def _conflict(self, ids: StudyIds, tags: Mapping[str, str], other: Mark) -> str:
        """Why this sweep cannot run at the same time as another home's; empty if it can."""
        if ids == self.ids:
            what = f"this study is being swept from another home, by {other.name}"
            return f"{what}; use that home, or wait for its end"
        num_shared = len(self.trials & other.trials)
        if not num_shared:
            return ""
        study = tags.get(vocabulary.STUDY, "")
        what = f"trials of this study ({num_shared:,}) are being trained for the study '{study}'"
        way = "use that home, or wait for its end; their results are then copied"
        return f"{what} from another home, by {other.name}; {way}"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Marks the study for the duration of a block, and renews the mark meanwhile.

        Raises:
            InUseError: If another home sweeps the study or trains some of its trials.
        """
        self.take()
        try:
            with beating("the mark on the study", self.renew, every_s=RENEW_S):
                yield
        finally:
            try:
                self.release()
            # The mark expires by itself a little later.
            except Exception as error:
                log.warning("the study is still marked as being swept: %s", masked(str(error)))

    def renew(self) -> None:
        """Renews the mark, unless it was removed."""
        mark = self._mark()
        if not self._is_released:
            self.store.set_tags(self.ids.run, {mark.key: mark.text})
        # A slow server may have set it after it was removed.
        if self._is_released:
            self._end(self.ids, mark)

    def release(self) -> None:
        """Removes the mark."""
        self._is_released = True
        self._end(self.ids, self._mark())

    def _mark(self) -> Mark:
        return Mark(
            holder=self.holder,
            name=self.name,
            until=self.clock() + HOLD_S,
            trials=self.trials,
        )

    def _end(self, ids: StudyIds, mark: Mark) -> None:
        self.store.delete_tags(ids.run, [mark.key, *mark.parts])
