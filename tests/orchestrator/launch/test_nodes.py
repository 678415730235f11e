"""How an embedded Ray starts; Ray itself is not started."""

import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ray._private import node, services
from ray.tune.execution import class_cache

from orchestrator.launch import forking, nodes


@pytest.mark.parametrize("kind", [nodes.ForkingNode, nodes.LeanNode])
def test_a_node_starts_workers_by_the_script_that_asks_for_forks(
    kind: type[node.Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    params = _Params()
    monkeypatch.setattr(node.Node, "__init__", lambda *arguments: None)
    kind(params)
    assert params.told["setup_worker_path"] == forking.WORKER_SCRIPT


class _Params:
    """What a node of Ray is made with, as far as it is changed before."""

    def __init__(self) -> None:
        self.told: dict[str, Any] = {}

    def update(self, **options: Any) -> None:
        self.told |= options


def test_the_agents_of_an_embedded_ray_idle_and_end_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(
        services, "start_ray_process", lambda command, *_, **__: commands.append(command)
    )
    started = services.start_ray_process
    monkeypatch.setattr(
        node.Node,
        "start_raylet",
        lambda self: services.start_ray_process(
            ["raylet", *(f"{agent}python agent.py" for agent in nodes._AGENTS)], 1
        ),
    )
    waited: list[tuple[str, str]] = []
    monkeypatch.setattr(services, "wait_for_node", lambda *names: waited.append(names))
    lean = object.__new__(nodes.LeanNode)
    parts = {"_session_dir": str(tmp_path), "_node_id": "ab" * 28, "_gcs_address": "here:1"}
    vars(lean).update(parts, _plasma_store_socket_name="store")
    lean.start_raylet()
    assert services.start_ray_process is started
    assert waited == [("here:1", "store")]
    [[program, *agents]] = commands
    assert program == "raylet"
    assert agents == [agent + nodes._IDLE for agent in nodes._AGENTS]
    assert {path.read_text() for path in tmp_path.iterdir()} == {"-1"}
    idle = shlex.split(nodes._IDLE)
    with subprocess.Popen(idle, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        with pytest.raises(subprocess.TimeoutExpired, match=r"timed out"):
            process.wait(0.3)
        process.communicate(timeout=10)


def test_workers_that_train_need_no_environment_of_their_own() -> None:
    def asked_for() -> dict[str, str]:
        kind = type("Trainable", (), {})
        remote = class_cache._ActorClassCache().get(kind)
        env: dict[str, str] = (remote._default_options["runtime_env"] or {}).get("env_vars", {})
        return env

    usual = asked_for()
    assert usual
    with nodes.same_environment():
        assert asked_for() == {}
    assert asked_for() == usual
