"""How an embedded Ray starts: with workers that are forks, and without what nobody needs."""

import contextlib
import importlib
import shlex
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from ray import _raylet
from ray._private import node, services

from orchestrator.launch.forking import WORKER_SCRIPT

_AGENTS = ("--dashboard_agent_command=", "--runtime_env_agent_command=")
# Its standard input ends with the raylet.
_IDLE = shlex.join([sys.executable, "-I", "-S", "-c", "input()"])
# It has no types.
_CORE: Any = _raylet
_AGENT_PORTS = (
    _CORE.METRICS_AGENT_PORT_NAME,
    _CORE.METRICS_EXPORT_PORT_NAME,
    _CORE.DASHBOARD_AGENT_LISTEN_PORT_NAME,
    _CORE.RUNTIME_ENV_AGENT_PORT_NAME,
)


class ForkingNode(node.Node):
    """Ray on this machine, with workers that are forks."""

    def __init__(self, ray_params: Any, **options: Any) -> None:
        ray_params.update(setup_worker_path=WORKER_SCRIPT)
        super().__init__(ray_params, **options)


class LeanNode(ForkingNode):
    """The same without the processes that follow logs, add machines and serve pages.

    An embedded Ray has no use for them, nor for the agents that report to that page and that set
    environments of workers up. Each takes as long to start as a worker before its first import,
    and Ray has no option against them.
    """

    def __init__(self, ray_params: Any, **options: Any) -> None:
        ray_params.update(include_log_monitor=False, no_monitor=True)
        super().__init__(ray_params, **options)

    def start_api_server(self, **options: Any) -> None:
        """Starts nothing."""

    def start_raylet(self, *arguments: Any, **options: Any) -> None:
        """Starts the raylet with idle processes as its agents, which it cannot do without.

        The raylet waits for the ports of its agents; -1 is how one says that it serves none.
        """
        folder = self.get_session_dir_path()  # type: ignore[no-untyped-call]
        for name in _AGENT_PORTS:
            _CORE.persist_port(folder, self.node_id, name, -1)
        usual = services.start_ray_process

        def idle(part: str) -> str:
            return next((agent + _IDLE for agent in _AGENTS if part.startswith(agent)), part)

        def start(command: Sequence[str], *others: Any, **more: Any) -> Any:
            return usual([idle(part) for part in command], *others, **more)

        services.start_ray_process = start
        try:
            super().start_raylet(*arguments, **options)
        finally:
            services.start_ray_process = usual
        # Ray itself looks for it after a tenth of a second, and then once a second.
        services.wait_for_node(self.gcs_address, self.plasma_store_socket_name)


@contextlib.contextmanager
def starting(kind: type[node.Node]) -> Iterator[None]:
    """Within this context Ray starts as this kind of node."""
    names, usual = vars(node), node.Node
    names["Node"] = kind
    try:
        yield
    finally:
        names["Node"] = usual


@contextlib.contextmanager
def same_environment() -> Iterator[None]:
    """Within this context Tune's workers have the environment of all others.

    Tune asks for some variables that an embedded Ray inherits anyway. To set them takes an agent,
    and workers of their own.
    """
    cache: Any = importlib.import_module("ray.tune.execution.class_cache")
    usual = cache.DEFAULT_ENV_VARS, cache.ENV_VARS_TO_PROPAGATE
    cache.DEFAULT_ENV_VARS, cache.ENV_VARS_TO_PROPAGATE = {}, set()
    try:
        yield
    finally:
        cache.DEFAULT_ENV_VARS, cache.ENV_VARS_TO_PROPAGATE = usual
