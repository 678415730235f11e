"""The one folder in which results live, and the store inside it."""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

DEFAULT_HOME = "bnn-runs"


@dataclass(frozen=True, slots=True)
class Home:
    """Where a sweep keeps what it makes.

    Args:
        root: The folder; absolute.
        tracking_uri: MLflow's store.
    """

    root: Path
    tracking_uri: str

    @classmethod
    def at(cls, root: Path | str | None = None, tracking_uri: str | None = None) -> "Home":
        """The home that options and environment name.

        Args:
            root: The folder; None: BNN_HOME, else ./bnn-runs.
            tracking_uri: MLflow's store; None: MLFLOW_TRACKING_URI, else SQLite in the home.
        """
        path = Path(root or os.environ.get("BNN_HOME") or DEFAULT_HOME).expanduser().absolute()
        uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
        return cls(path, uri or _embedded(path))

    @property
    def shown_uri(self) -> str:
        """MLflow's store for people and files: without the password it may hold."""
        return masked(self.tracking_uri)

    @property
    def database(self) -> Path | None:
        """The file of an SQLite store; None for a server."""
        prefix = "sqlite:///"
        is_file = self.tracking_uri.startswith(prefix)
        return Path(self.tracking_uri.removeprefix(prefix)) if is_file else None

    @property
    def owns_store(self) -> bool:
        """Whether the store lies in the home, and no other home uses it."""
        return self.tracking_uri == _embedded(self.root)

    @property
    def artifacts(self) -> Path:
        """Artifacts of an SQLite store."""
        return self.root / "artifacts"

    @property
    def journal(self) -> Path:
        """Results on their way to MLflow; each store has its own."""
        if self.owns_store:
            return self.root / "journal.db"
        digest = hashlib.sha256(self.tracking_uri.encode()).hexdigest()[:8]
        return self.root / f"journal-{digest}.db"

    @property
    def checkpoints(self) -> Path:
        """One folder a trial, named by its id."""
        return self.root / "checkpoints"

    @property
    def logs(self) -> Path:
        """One folder a study, one file a cell."""
        return self.root / "logs"

    @property
    def ray(self) -> Path:
        """What Ray Tune writes during a sweep."""
        return self.root / "ray"

    def data_folder(self, named: Path | str | None = None) -> Path:
        """Where data sets lie: as named, else in BNN_DATA_DIR, else in the home."""
        folder = named or os.environ.get("BNN_DATA_DIR") or self.root / "data"
        return Path(folder).expanduser().absolute()


def masked(text: str) -> str:
    """The text with the user and password of every address in it covered."""
    return re.sub(r"(\w://)[^\s/@]+@", r"\1***@", text)


def _embedded(root: Path) -> str:
    return f"sqlite:///{root / 'mlflow.db'}"
