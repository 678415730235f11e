"""Checks docker/kubernetes/ without a cluster: `python docker/manifests.py [FOLDER_OF_SCHEMAS]`.

KubeRay's operator refuses some manifests that its schemas accept; `faults` has those of its rules
that ours could break (ray-operator/controllers/ray/utils/validation.go, v1.7.0). The schemas are
those of the release, where there is a folder of them.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "kubernetes"
OVERLAYS = ("cpu", "gpu")
SCHEMAS = FOLDER.parents[2] / "shared" / "schemas"
LONGEST = {"RayCluster": 53, "RayJob": 47}
"""Most characters of a name: the operator adds to it, and a label has 63."""
GATED = ("networkPolicy", "tlsOptions", "historyServerOptions")
"""Parts of a cluster that a stock operator refuses, because their features are off."""

Document = Mapping[str, Any]


def faults(document: Document) -> Iterator[str]:
    """What KubeRay's operator would refuse in a document; nothing for other kinds."""
    kind = document["kind"]
    if kind not in LONGEST:
        return
    name, spec = document["metadata"]["name"], document["spec"]
    if len(name) > LONGEST[kind] or not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name):
        yield f"name '{name}' is no label of DNS with at most {LONGEST[kind]} characters"
    if kind == "RayCluster":
        yield from _of_cluster(spec)
        return
    yield from _of_job(spec)
    if "rayClusterSpec" in spec:
        yield from _of_cluster(spec["rayClusterSpec"])


def _of_job(spec: Document) -> Iterator[str]:
    mode = spec.get("submissionMode", "K8sJobMode")
    if ("rayClusterSpec" in spec) == ("clusterSelector" in spec):
        yield "exactly one of rayClusterSpec and clusterSelector is needed"
    if "backoffLimit" in spec and ("clusterSelector" in spec or mode == "InteractiveMode"):
        yield "backoffLimit goes neither with clusterSelector nor with InteractiveMode"
    if mode == "SidecarMode":
        if {"submitterPodTemplate", "submitterConfig"} & {*spec}:
            yield "SidecarMode has no pod of a submitter"
        head = spec.get("rayClusterSpec", {}).get("headGroupSpec", {})
        if head.get("template", {}).get("spec", {}).get("restartPolicy") != "Never":
            yield "SidecarMode needs restartPolicy Never on the head"
    ends = spec.get("shutdownAfterJobFinishes", False)
    if "ttlSecondsAfterFinished" in spec and not ends:
        yield "ttlSecondsAfterFinished needs shutdownAfterJobFinishes"
    if ends and spec.get("deletionStrategy", {}).get("deletionRules"):
        yield "shutdownAfterJobFinishes and deletionRules exclude each other"
    auth = spec.get("rayClusterSpec", {}).get("authOptions", {})
    if auth.get("enableK8sTokenAuth"):
        yield "enableK8sTokenAuth is not for jobs"


def _of_cluster(spec: Document) -> Iterator[str]:
    groups = [spec["headGroupSpec"], *spec.get("workerGroupSpecs", ())]
    version = spec.get("rayVersion", "")
    if spec.get("authOptions", {}).get("mode") == "token" and _numbers(version) < (2, 52):
        yield "authOptions.mode token needs a rayVersion of 2.52 or more, written out"
    if _numbers(version) < (2, 53):
        yield "without a rayVersion of 2.53 or more probes need wget, which the image lacks"
    if spec.get("autoscalerOptions", {}).get("version") == "v2":
        if not spec.get("enableInTreeAutoscaling"):
            yield "the autoscaler v2 needs enableInTreeAutoscaling"
        policies = {group["template"]["spec"].get("restartPolicy", "Never") for group in groups}
        if policies != {"Never"}:
            yield "the autoscaler v2 needs restartPolicy Never on the head and all workers"
    for group in groups:
        given = group.get("rayStartParams", {})
        if given and group.get("resources"):
            yield "a group has either rayStartParams or resources"
        if "labels" in given:
            yield "labels are no rayStartParams; a group has a key for them"
    for key in GATED:
        if key in spec:
            yield f"{key} belongs to a feature that is off by default"
    if spec.get("gcsFaultToleranceOptions", {}).get("backend") == "rocksdb":
        yield "the backend rocksdb belongs to a feature that is off by default"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())


def base() -> list[Document]:
    """The documents of base/, as they are written."""
    return [
        document
        for path in sorted((FOLDER / "base").glob("*.yaml"))
        if path.name != "kustomization.yaml"
        for document in yaml.safe_load_all(path.read_text())
    ]


@cache
def rendered(overlay: str) -> tuple[Document, ...] | None:
    """The documents of an overlay; None: kubectl, which lays it over, is not installed.

    Raises:
        CalledProcessError: If kubectl refuses the overlay.
    """
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        return None
    command = [kubectl, "kustomize", str(FOLDER / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return tuple(yaml.safe_load_all(done.stdout))


def schema_faults(document: Document, schemas: Path) -> Iterator[str]:
    """What the release's schema of a kind refuses; nothing for kinds without one."""
    from jsonschema import Draft7Validator

    path = schemas / "kuberay" / f"{document['kind'].lower()}-v1.schema.json"
    if path.exists():
        for error in Draft7Validator(json.loads(path.read_text())).iter_errors(document):
            yield f"{'.'.join(map(str, error.absolute_path))}: {error.message}"


def main(arguments: Sequence[str]) -> int:
    """Checks all overlays; says what was not checked, and why."""
    schemas = Path(arguments[0]) if arguments else SCHEMAS
    missing = "there is no jsonschema" if find_spec("jsonschema") is None else ""
    if not (schemas / "kuberay").is_dir():
        missing = f"there is no folder {schemas}/kuberay"
    notes = [f"schemas are not checked: {missing}"] if missing else []
    found: list[str] = []
    for overlay in OVERLAYS:
        documents = rendered(overlay)
        if documents is None:
            notes.append(f"{overlay}/ is checked without its own lines: there is no kubectl")
            documents = tuple(base())
        for document in documents:
            where = f"docker/kubernetes/{overlay}: {document['kind']}"
            said = [*faults(document), *(() if missing else schema_faults(document, schemas))]
            found += [f"{where}: {what}" for what in said]
    sys.stdout.write("".join(f"{line}\n" for line in [*notes, *found]))
    sys.stdout.write(f"docker/kubernetes: {len(found)} faults\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
