"""The home: the folder that holds all results, and the address of its MLflow store."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from orchestrator.masking import masked, remember

DEFAULT_HOME = "bnn-runs"


@dataclass(frozen=True, slots=True)
class Home:
    """The folder and the MLflow store of all results.

    Args:
        root: The folder; absolute.
        tracking_uri: MLflow's store.
    """

    root: Path
    tracking_uri: str

    def __post_init__(self) -> None:
        """Makes the secrets of the store's address known, so that they are masked."""
        remember(self.tracking_uri)

    @classmethod
    def at(cls, root: Path | str | None = None, tracking_uri: str | None = None) -> "Home":
        """The home from arguments and environment variables.

        Args:
            root: The folder; None: BNN_HOME, else ./bnn-runs.
            tracking_uri: MLflow's store; None: MLFLOW_TRACKING_URI, else SQLite in the home.
        """
        path = Path(root or os.environ.get("BNN_HOME") or DEFAULT_HOME).expanduser().absolute()
        uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
        return cls(path, uri or _embedded(path))

    @property
    def shown_uri(self) -> str:
        """MLflow's store without its password, for display and files."""
        return masked(self.tracking_uri)

    @property
    def database(self) -> Path | None:
        """The file of an SQLite store; None for a server."""
        prefix = "sqlite:///"
        is_file = self.tracking_uri.startswith(prefix)
        return Path(self.tracking_uri.removeprefix(prefix)) if is_file else None

    @property
    def owns_store(self) -> bool:
        """Whether the store is in the home, so that no other home uses it."""
        return self.tracking_uri == _embedded(self.root)

    @property
    def artifacts(self) -> Path:
        """The folder for artifacts of an SQLite store."""
        return self.root / "artifacts"

    @property
    def journal(self) -> Path:
        """The journal's file, with results for MLflow; each store has its own."""
        if self.owns_store:
            return self.root / "journal.db"
        digest = hashlib.sha256(self.tracking_uri.encode()).hexdigest()[:8]
        return self.root / f"journal-{digest}.db"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints, with one folder for each trial, named by its id."""
        return self.root / "checkpoints"

    @property
    def logs(self) -> Path:
        """The folder of logs, with one folder for each study and one file for each cell."""
        return self.root / "logs"

    @property
    def ray(self) -> Path:
        """The folder that Ray Tune writes to during a sweep."""
        return self.root / "ray"

    def data_folder(self, named: Path | str | None = None) -> Path:
        """The folder of data sets: the named one, else BNN_DATA_DIR, else in the home."""
        folder = named or os.environ.get("BNN_DATA_DIR") or self.root / "data"
        return Path(folder).expanduser().absolute()


def _embedded(root: Path) -> str:
    return f"sqlite:///{root / 'mlflow.db'}"
