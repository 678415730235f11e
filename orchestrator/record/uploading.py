"""Uploads checkpoints of finished cells to MLflow once, on the driver, outside Tune's loop."""

import json
import logging
import tempfile
from pathlib import Path

from orchestrator import vocabulary
from orchestrator.record.store import Store
from trainers.storage import Place, names, place_at, read

log = logging.getLogger(__name__)


def upload_checkpoints(store: Store, run_id: str, order: str) -> None:
    """Uploads the checkpoints that a run lacks; skips damaged ones.

    Args:
        store: The store with the run.
        run_id: The cell's run.
        order: The result of `orchestrator.study.checkpointing.upload_order`.

    Raises:
        OSError: If the storage does not answer.
        Exception: Any error of the store's client, for example if the store does not answer.
    """
    # Only here, so that delivering all else does not wait for torch.
    from trainers.engine.checkpoint import is_whole, kept_names

    wanted = json.loads(order)
    folder = _place(wanted["folder"], store)
    there = store.file_sizes(run_id, vocabulary.CHECKPOINT_ARTIFACTS)
    for name in kept_names(names(folder), wanted["which"]):
        content = read(folder / name)
        if not is_whole(name, content):
            log.warning("%s is damaged; not uploaded", folder / name)
        # An interrupted upload leaves a shorter file.
        elif there.get(name) != len(content):
            with tempfile.TemporaryDirectory() as temporary:
                file = Path(temporary, name)
                file.write_bytes(content)
                store.log_file(run_id, file, vocabulary.CHECKPOINT_ARTIFACTS)


def _place(recorded: str, store: Store) -> Place:
    """Where the checkpoints of an upload lie now: the home may have been moved since."""
    place = place_at(recorded)
    if isinstance(place, Path) and not names(place):
        own = store.home.checkpoints / place.name
        return own if own.is_dir() else place
    return place
