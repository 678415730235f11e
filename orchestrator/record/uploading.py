"""Checkpoints of finished cells to MLflow: in the driver, off Tune's loop, each once."""

import json
import logging
import tempfile
from pathlib import Path

from orchestrator import vocabulary
from orchestrator.record.store import Store
from trainers.engine.checkpoint import is_whole, kept_names
from trainers.storage import names, place_at, read

log = logging.getLogger(__name__)


def upload_checkpoints(store: Store, run_id: str, order: str) -> None:
    """Gives a run the checkpoints it lacks; those that are damaged it does not get.

    Args:
        store: Where to.
        run_id: The cell's run.
        order: What `orchestrator.study.checkpointing.upload_order` returned.

    Raises:
        OSError: If the storage does not answer.
        Exception: Whatever the store's client raises when the store does not answer.
    """
    wanted = json.loads(order)
    folder = place_at(wanted["folder"])
    there = store.file_sizes(run_id, vocabulary.CHECKPOINT_ARTIFACTS)
    for name in kept_names(names(folder), wanted["which"]):
        content = read(folder / name)
        if not is_whole(name, content):
            log.warning("%s is damaged, and not uploaded", folder / name)
        # One whose upload was cut off is shorter.
        elif there.get(name) != len(content):
            with tempfile.TemporaryDirectory() as temporary:
                file = Path(temporary, name)
                file.write_bytes(content)
                store.log_file(run_id, file, vocabulary.CHECKPOINT_ARTIFACTS)
