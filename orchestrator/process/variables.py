"""Environment variables that the libraries read: obeyed, set, checked or removed.

No variable may change what is recorded. So a command removes whatever MLflow, Ray, Tune, git and
torch would read and is not listed here, before it imports them. A module that imports MLflow or
Ray also sets what they need, for programs that import this package.
"""

import os
import pwd
import stat
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, MutableMapping
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType

from orchestrator.errors import OrchestratorError

TRUTHS = ("true", "false", "1", "0")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
PROXIES = ("http_proxy", "https_proxy", "all_proxy")


class VariableError(OrchestratorError):
    """An environment variable cannot be obeyed, or has a value that a library could not use."""


FOR_MLFLOW: Mapping[str, str] = MappingProxyType(
    {
        # Points must be stored when a call returns: the journal then marks them as delivered.
        "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
        # Otherwise it prints the server's address for each run, possibly with a password.
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    }
)
"""Always set before MLflow is imported."""
MLFLOW_DEFAULTS: Mapping[str, str] = MappingProxyType(
    {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        # A call must fail soon: the journal keeps results that could not be sent, and a user waits
        # for reads. By default MLflow tries for four minutes.
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
        # A database host that drops packets would be waited for as long as TCP does.
        "PGCONNECT_TIMEOUT": "10",
    }
)
"""Set before MLflow is imported, unless the user has set them."""
FOR_RAY: Mapping[str, str] = MappingProxyType(
    {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AIR_NEW_OUTPUT": "0",
        "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
        "RAY_CHDIR_TO_TRIAL_DIR": "0",
        # We handle Ctrl-C ourselves: running trials finish their epoch first.
        "TUNE_DISABLE_SIGINT_HANDLER": "1",
    }
)
"""Always set before Ray is imported: no telemetry, no output of its own, no change of folder."""

OBEYED = (
    # Where results go, and who we are there.
    "MLFLOW_TRACKING_URI",
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_TRACKING_AUTH",
    "MLFLOW_TRACKING_AWS_SIGV4",
    "MLFLOW_TRACKING_INSECURE_TLS",
    "MLFLOW_TRACKING_SERVER_CERT_PATH",
    "MLFLOW_TRACKING_CLIENT_CERT_PATH",
    "MLFLOW_MYSQL_SSL_*",
    "MLFLOW_SQLALCHEMYSTORE_*",
    # With which threads MKL works where an environment has two kinds of them.
    "MKL_THREADING_LAYER",
    "MKL_SERVICE_FORCE_INTEL",
    # Whom the pages answer to.
    "MLFLOW_SERVER_ALLOWED_HOSTS",
    "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS",
    # How a server's artifacts are reached.
    "MLFLOW_S3_*",
    "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE",
    "MLFLOW_GCS_*",
    "MLFLOW_KERBEROS_*",
    "MLFLOW_PYARROW_EXTRA_CONF",
    "MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT",
    # How long a call may take.
    "MLFLOW_HTTP_*",
    "MLFLOW_DISABLE_TELEMETRY",
    # Who may join the cluster; secrets, not settings.
    "RAY_AUTH_*",
    "RAY_USE_TLS",
    "RAY_TLS_*",
)
"""Patterns of variables of MLflow and Ray that keep the user's value."""
REMOVED = (
    "MLFLOW_*",
    "_MLFLOW_*",
    "RAY_[A-Z]*",  # those with small letters set limits and times of Ray's core
    "TUNE_*",
    "GIT_*",  # a hook's variables name another repository than ours
    # They change how torch and its libraries round, so the same trial would end with other bits.
    "ATEN_CPU_CAPABILITY",
    "DNNL_*",
    "ONEDNN_*",
    "MKL_*",
    "OMP_DYNAMIC",
    "OMP_THREAD_LIMIT",
    "NVIDIA_TF32_OVERRIDE",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
    "TORCH_CUDNN_*",
    "CUDNN_*",
    # They decide whether torch unpickles objects.
    "TORCH_FORCE_*WEIGHTS_ONLY_LOAD",
    # As errors, the libraries' own warnings would end what they warn in; and a process that waits
    # for input at its end never ends.
    "PYTHONWARNINGS",
    "PYTHONOPTIMIZE",
    "PYTHONINSPECT",
)
"""Patterns of variables that a command removes, unless they are obeyed."""


REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "MLFLOW_WORKSPACE": "results go to a server's default workspace; unset it",
    }
)
"""Variables that would change where results go, and what to do about each."""


def _is_truth(text: str) -> bool:
    return text.lower() in TRUTHS


def _is_number(low: float, high: float, kind: Callable[[str], float]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            return low <= kind(text) <= high
        except ValueError:
            return False

    return check


CHECKED: Mapping[str, tuple[str, Callable[[str], bool]]] = MappingProxyType(
    {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": (
            "a whole number from 0 to 9",
            _is_number(0, 9, int),
        ),
        "MLFLOW_HTTP_REQUEST_TIMEOUT": (
            "a whole number of seconds, 1 or more",
            _is_number(1, 10**6, int),
        ),
        "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": (
            "a whole number from 0 to 119",
            _is_number(0, 119, int),
        ),
        "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": (
            "a number, 0 or more",
            _is_number(0, 10**6, float),
        ),
        "PGCONNECT_TIMEOUT": ("a whole number of seconds", _is_number(0, 10**6, int)),
        **dict.fromkeys(
            (
                "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER",
                "MLFLOW_HTTP_TCP_KEEPALIVE",
                "MLFLOW_TRACKING_INSECURE_TLS",
                "MLFLOW_TRACKING_AWS_SIGV4",
                "MLFLOW_S3_IGNORE_TLS",
                "MLFLOW_DISABLE_TELEMETRY",
            ),
            ("true or false", _is_truth),
        ),
    }
)
"""Obeyed variables whose value is checked: what is expected, and the check."""


OURS: Mapping[str, str] = MappingProxyType({**FOR_MLFLOW, **MLFLOW_DEFAULTS, **FOR_RAY})
"""What this program sets itself; whoever settles afterwards leaves it."""


def settle(environment: MutableMapping[str, str], *, joins_cluster: bool = False) -> None:
    """Makes an environment safe for the libraries; for a command, before it imports them.

    Args:
        environment: The variables; changed.
        joins_cluster: Keep Ray's variables, which say who this process is to its cluster.

    Raises:
        VariableError: If a variable cannot be obeyed, or has a value that cannot be used.
    """
    if sys.flags.optimize > 1:
        what = "Python runs without docstrings (PYTHONOPTIMIZE=2, or -OO)"
        raise VariableError(f"{what}, which Ray and MLflow need; unset it")
    for name, what in REFUSED.items():
        if environment.get(name):
            raise VariableError(f"the environment variable {name} is set, but {what}")
    for name, (expected, is_right) in CHECKED.items():
        text = environment.get(name)
        if text == "":
            del environment[name]
        elif text is not None and not is_right(text):
            what = f"the environment variable {name} is '{text}'; expected {expected}"
            raise VariableError(f"{what}. Set it anew, or unset it")
    if "PYTHONWARNINGS" in environment:
        warnings.resetwarnings()
        warnings.simplefilter("ignore")
    for name in list(environment):
        is_kept = joins_cluster and name.startswith("RAY_")
        if not is_kept and is_removed(name) and OURS.get(name) != environment[name]:
            del environment[name]
    reach_loopback(environment)
    if not environment.get("HOME"):
        environment.pop("HOME", None)
        if not _has_home_folder():
            environment["HOME"] = str(_home_in_temporary_folder())


def is_removed(name: str) -> bool:
    """Whether a command removes a variable of this name."""
    return _matches(name, REMOVED) and not _matches(name, OBEYED)


def for_git(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment for a git command on our own folder."""
    return {name: text for name, text in environment.items() if not name.startswith("GIT_")}


def reach_loopback(environment: MutableMapping[str, str]) -> None:
    """Adds loopback to the hosts that no proxy is asked for: no proxy reaches this machine."""
    if not any(name.lower() in PROXIES for name in environment):
        return
    # Libraries read the first name that is set, so both get the hosts of both.
    names = ("no_proxy", "NO_PROXY")
    given = ",".join(environment.get(name, "") for name in names).split(",")
    hosts = list(dict.fromkeys([host.strip() for host in given if host.strip()] + [*LOOPBACK]))
    for name in names:
        environment[name] = "*" if "*" in hosts else ",".join(hosts)


def _has_home_folder() -> bool:
    """Whether the system knows a home folder of this user; in containers many have no name."""
    try:
        return os.path.isabs(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return False


def _home_in_temporary_folder() -> Path:
    """A folder of this user alone, for libraries that cannot do without a home folder."""
    folder = Path(tempfile.gettempdir(), f"bnn-orchestrate-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    # Whoever else made it could plant files there.
    is_ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
    if is_ours and not status.st_mode & 0o077:
        return folder
    return Path(tempfile.mkdtemp(prefix=f"{folder.name}-"))


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
