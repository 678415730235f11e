"""Manifests for Kubernetes: what KubeRay's operator refuses, and what ours promise."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import manifests
import pytest

Change = Callable[[dict[str, Any]], Any]


BASE = manifests.base()


def _of(kind: str) -> dict[str, Any]:
    (document,) = [each for each in BASE if each["kind"] == kind]
    return copy.deepcopy(dict(document))


def test_ours_are_what_the_operator_takes() -> None:
    assert [what for document in BASE for what in manifests.faults(document)] == []


@pytest.mark.parametrize(
    ("kind", "change", "what"),
    [
        ("RayCluster", lambda d: d["metadata"].update(name="a" * 54), "at most 53"),
        ("RayJob", lambda d: d["metadata"].update(name="Bnn"), "label of DNS"),
        ("RayCluster", lambda d: d["spec"].pop("rayVersion"), "2.52"),
        ("RayCluster", lambda d: d["spec"].update(rayVersion="2.52.1"), "wget"),
        ("RayCluster", lambda d: d["spec"].pop("enableInTreeAutoscaling"), "v2 needs enable"),
        (
            "RayJob",
            lambda d: d["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["template"][
                "spec"
            ].update(restartPolicy="Always"),
            "restartPolicy Never",
        ),
        (
            "RayCluster",
            lambda d: d["spec"]["headGroupSpec"].update(resources={"CPU": "0"}),
            "eith",
        ),
        (
            "RayCluster",
            lambda d: d["spec"]["headGroupSpec"]["rayStartParams"].update(labels="a=b"),
            "labels are no rayStartParams",
        ),
        ("RayCluster", lambda d: d["spec"].update(networkPolicy={}), "off by default"),
        (
            "RayCluster",
            lambda d: d["spec"].update(gcsFaultToleranceOptions={"backend": "rocksdb"}),
            "rocksdb",
        ),
        ("RayJob", lambda d: d["spec"].update(clusterSelector={"a": "b"}), "exactly one"),
        ("RayJob", lambda d: d["spec"].update(submissionMode="InteractiveMode"), "backoffLimit"),
        ("RayJob", lambda d: d["spec"].update(submissionMode="SidecarMode"), "no pod of a subm"),
        ("RayJob", lambda d: d["spec"].pop("shutdownAfterJobFinishes"), "needs shutdownAfter"),
        (
            "RayJob",
            lambda d: d["spec"].update(deletionStrategy={"deletionRules": [1]}),
            "exclude each other",
        ),
        (
            "RayJob",
            lambda d: d["spec"]["rayClusterSpec"]["authOptions"].update(enableK8sTokenAuth=True),
            "not for jobs",
        ),
    ],
)
def test_what_the_operator_refuses_is_found(kind: str, change: Change, what: str) -> None:
    document = _of(kind)
    change(document)
    assert any(what in fault for fault in manifests.faults(document))


def _pods(document: Any) -> list[Any]:
    """All pods that a document makes, at any depth."""
    if isinstance(document, list):
        return [pod for part in document for pod in _pods(part)]
    if not isinstance(document, dict):
        return []
    here = [document] if "containers" in document else []
    return here + [pod for part in document.values() for pod in _pods(part)]


def test_every_pod_is_restricted_and_limited() -> None:
    pods = [pod for document in BASE for pod in _pods(document)]
    assert len(pods) == 7
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            rights = container["securityContext"]
            assert rights == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
            assert set(container["resources"]) == {"requests", "limits"}


def test_the_cluster_of_the_job_is_the_one_that_stays() -> None:
    stays = _of("RayCluster")["spec"]
    assert stays.pop("suspend") is True
    assert _of("RayJob")["spec"]["rayClusterSpec"] == stays


def test_the_version_of_ray_is_the_pinned_one() -> None:
    pinned = Path(__file__).parents[2].joinpath("constraints.txt").read_text().splitlines()
    assert f"ray=={_of('RayCluster')['spec']['rayVersion']}" in pinned


def test_each_overlay_adds_what_it_says() -> None:
    cpu, gpu = manifests.rendered("cpu"), manifests.rendered("gpu")
    if cpu is None or gpu is None:
        pytest.skip("kubectl is not installed")
    for documents, num_gpus in ((cpu, None), (gpu, "1")):
        (cluster,) = [each for each in documents if each["kind"] == "RayCluster"]
        (job,) = [each for each in documents if each["kind"] == "RayJob"]
        for spec in (cluster["spec"], job["spec"]["rayClusterSpec"]):
            (worker,) = spec["workerGroupSpecs"][0]["template"]["spec"]["containers"]
            assert worker["resources"]["limits"].get("nvidia.com/gpu") == num_gpus
            assert worker["image"].startswith("registry.example/bnn-orchestrate:")
        assert ("--gpus-per-trial" in job["spec"]["entrypoint"]) == (num_gpus is not None)


def test_what_is_not_checked_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert manifests.main([str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert f"schemas are not checked: there is no folder {tmp_path}/kuberay" in out
    assert out.endswith("docker/kubernetes: 0 faults\n")
