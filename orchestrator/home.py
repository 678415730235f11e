"""The home: the folder that holds all results, and the address of its MLflow store."""

import hashlib
import os
import re
import unicodedata
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import OrchestratorError
from orchestrator.masking import remember, shown_address

DEFAULT_HOME = "bnn-runs"
DATABASE = "mlflow.db"
MOST_BYTES = 450
"""The longest path of a home: SQLite opens paths of 512 bytes, with the names of its files."""
MOST_QUOTED = 1200
"""The same for the path as part of an address: MLflow takes 2,048, with a study's folder."""
_SQLITE = re.compile(r"sqlite(?:\+pysqlite)?:///(?P<path>[^?]+)(?:\?(?P<query>.*))?", re.DOTALL)
_SERVERLESS = frozenset({"databricks", "databricks-uc", "uc"})
"""Names of stores that MLflow knows without an address."""
_EXAMPLES = "write sqlite:////folder/mlflow.db, http://host:5000, or leave --tracking-uri out"


class HomeError(OrchestratorError):
    """The home's folder, or the address of its store, cannot be used; nothing was written."""


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
        if self.database is None:
            remember(self.tracking_uri)

    @classmethod
    def at(cls, root: Path | str | None = None, tracking_uri: str | None = None) -> "Home":
        """The home from arguments and environment variables.

        Args:
            root: The folder; None: BNN_HOME, else ./bnn-runs.
            tracking_uri: MLflow's store; None: MLFLOW_TRACKING_URI, else SQLite in the home.

        Raises:
            HomeError: If the folder's path or the store's address cannot be used.
        """
        path = home_folder(root)
        uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
        return cls(path, store_address(uri) if uri else sqlite_address(path / DATABASE))

    @property
    def shown_uri(self) -> str:
        """MLflow's store without its password, for display and files."""
        return shown_address(self.tracking_uri)

    @property
    def database(self) -> Path | None:
        """The file of an SQLite store; None for a server."""
        return database_of(self.tracking_uri)

    @property
    def owns_store(self) -> bool:
        """Whether the store is in the home, so that no other home uses it."""
        database = self.database
        # A link may give one place two names.
        return database is not None and is_same_place(database, self.root / DATABASE)

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
        return data_folder(self.root, named)


def data_folder(home: Path, named: Path | str | None = None) -> Path:
    """The folder of data sets: the named one, else BNN_DATA_DIR, else in the home."""
    folder = named or os.environ.get("BNN_DATA_DIR") or home / "data"
    return _absolute(_expanded(Path(folder), "the folder of data sets"))


def sqlite_address(file: Path, query: str = "") -> str:
    """MLflow's address of an SQLite file.

    SQLAlchemy decodes percent signs and ends the path at a question mark, so these are quoted.
    The driver is named then, because of an address that begins with `sqlite:///` MLflow makes the
    folder, and does not decode it for that.

    Args:
        file: The file; absolute.
        query: Options of the connection, such as `timeout=5`.
    """
    text = str(file)
    quoted = text.replace("%", "%25").replace("?", "%3F")
    scheme = "sqlite" if quoted == text else "sqlite+pysqlite"
    return f"{scheme}:///{quoted}{'?' if query else ''}{query}"


def database_of(tracking_uri: str) -> Path | None:
    """The file of an SQLite store, as SQLAlchemy finds it; None for other stores."""
    parts = _SQLITE.fullmatch(tracking_uri)
    return Path(urllib.parse.unquote(parts["path"])) if parts else None


def store_address(tracking_uri: str) -> str:
    """The address of a store, the same from every working folder.

    Raises:
        HomeError: If results would not last there, or not be found again.
    """
    if tracking_uri in _SERVERLESS:
        return tracking_uri
    scheme, mark, _ = tracking_uri.partition(":")
    if not mark or "/" in scheme or scheme.lower() == "file":
        what = f"{shown_address(tracking_uri)} is a folder, and MLflow keeps no results in folders"
        raise HomeError(f"{what}; {_EXAMPLES}")
    if not scheme.lower().startswith("sqlite"):
        return tracking_uri
    parts, file = _SQLITE.fullmatch(tracking_uri), database_of(tracking_uri)
    query = (parts and parts["query"]) or ""
    if file is None or file.name == ":memory:" or "uri" in urllib.parse.parse_qs(query):
        what = f"{tracking_uri} does not name a file for MLflow's database"
        raise HomeError(f"{what}; {_EXAMPLES}")
    file = _absolute(_expanded(file, "MLflow's database"))
    _refuse_odd(file, "MLflow's database")
    return sqlite_address(file, query)


def home_folder(named: Path | str | None = None) -> Path:
    """The folder of a home, absolute: the named one, else BNN_HOME, else ./bnn-runs.

    Raises:
        HomeError: If there can be no such folder, or its path cannot be used.
    """
    text = str(named or os.environ.get("BNN_HOME") or DEFAULT_HOME)
    if "://" in text:
        what = f"the home '{shown_address(text)}' is an address, not a folder"
        raise HomeError(f"{what}; --tracking-uri takes MLflow's, --storage that of checkpoints")
    folder = _absolute(_expanded(Path(text), "the home"))
    _refuse_odd(folder, "the home")
    try:
        _refuse_no_folder(folder)
    except OSError as error:
        raise HomeError(f"the home {folder} cannot be used: {error.strerror}") from error
    return folder


def _refuse_no_folder(folder: Path) -> None:
    """Refuses a home where there cannot be a folder.

    Raises:
        HomeError: Naming what is in its place, or on the way to it.
        OSError: If that cannot be seen.
    """
    for place in (folder, *folder.parents):
        if place.is_dir():
            return
        if place.is_symlink() or place.exists():
            what = "a link to nowhere" if not place.exists() else "a file"
            raise HomeError(f"the home {folder}: {place} is {what}, not a folder")


def _expanded(path: Path, what: str) -> Path:
    """The path with a leading tilde replaced by a user's folder."""
    try:
        return path.expanduser()
    except RuntimeError as error:
        why = f"nobody here is called '{path.parts[0]}', or has no folder"
        raise HomeError(f"{what} '{path}': {why}; write the whole path") from error


def _absolute(path: Path) -> Path:
    try:
        return path.absolute()
    except OSError as error:
        what = f"the folder that you are in is gone, so '{path}' lies nowhere"
        raise HomeError(f"{what}; go to another folder, or write the whole path") from error


def _refuse_odd(folder: Path, what: str) -> None:
    """Refuses what SQLite, MLflow or a terminal cannot hold.

    Raises:
        HomeError: Naming the folder, with what is odd about it escaped.
    """
    text = str(folder)
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in text):
        shown = text.encode("unicode_escape").decode()
        why = "has a line break, a control character, or bytes that are not UTF-8, in its path"
        raise HomeError(f"{what} {shown} {why}; use another folder, or rename that one")
    num_bytes = len(text.encode())
    if num_bytes > MOST_BYTES or len(urllib.parse.quote(text)) > MOST_QUOTED:
        why = f"has a path of {num_bytes} bytes; SQLite and MLflow open paths of {MOST_BYTES}"
        raise HomeError(f"{what} {text} {why}; use a shorter one")


def is_same_place(one: Path, other: Path) -> bool:
    """Whether two paths lead to one place, by links or not, whether it exists or not."""
    return os.path.realpath(one) == os.path.realpath(other)
