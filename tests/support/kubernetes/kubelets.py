"""Stand-ins for the kubelets of a few nodes, against a real API server: no container runs, all that is told is told."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from datetime import UTC, datetime
from typing import Any

from tests.support.kubernetes.control_plane import ControlPlane

_MERGE = "application/merge-patch+json"
_STRATEGIC = "application/strategic-merge-patch+json"
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


class Kubelets:
    """Nodes with eight GPUs each: they keep their leases and run what is bound to them until it is ended."""

    def __init__(self, plane: ControlPlane, names: list[str]) -> None:
        self._url = plane.url
        self._context = plane.context("kubelet")
        self._names = names
        self._silent: set[str] = set()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        for name in self._names:
            labels = {"kubernetes.io/hostname": name, "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}
            node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}
            self.call("POST", "/api/v1/nodes", node)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(timeout=30)

    def silence(self, name: str) -> None:
        self._silent.add(name)

    def speak(self, name: str) -> None:
        self._silent.discard(name)

    def end(self, pod: dict[str, Any], exit_code: int, reason: str = "") -> None:
        """The containers of a running pod end."""
        told = reason or ("Completed" if exit_code == 0 else "Error")
        over = {"terminated": {"exitCode": exit_code, "reason": told, "finishedAt": _now(), "startedAt": _now()}}
        phase = "Failed" if exit_code else "Succeeded"
        self._patch_pod(pod, {"phase": phase, "containerStatuses": _containers(pod, over)})

    def call(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, {"Content-Type": kind}, method=method)
        with urllib.request.urlopen(request, context=self._context, timeout=10) as answer:
            return json.load(answer)

    def _run(self) -> None:
        beats = 0
        while not self._stopped.wait(0.3):
            try:
                if beats % 5 == 0:
                    for name in set(self._names) - self._silent:
                        self._beat(name)
                for pod in self.call("GET", "/api/v1/pods?fieldSelector=spec.nodeName!%3D")["items"]:
                    self._attend(pod)
            except OSError:  # the API server is away, as tests want it at times
                pass
            beats += 1

    def _beat(self, name: str) -> None:
        self.call("PATCH", f"/api/v1/nodes/{name}/status", {"status": _status(name)}, _STRATEGIC)
        lease = {"holderIdentity": name, "leaseDurationSeconds": 10, "renewTime": _now("%Y-%m-%dT%H:%M:%S.%fZ")}
        try:
            self.call("PATCH", f"{_LEASES}/{name}", {"spec": lease}, _MERGE)
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            meta = {"name": name, "namespace": "kube-node-lease"}
            told = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": lease}
            self.call("POST", _LEASES, told)

    def _attend(self, pod: dict[str, Any]) -> None:
        if pod["spec"]["nodeName"] in self._silent:
            return
        if pod["metadata"].get("deletionTimestamp"):
            self.call("DELETE", _path(pod), {"gracePeriodSeconds": 0})
        elif pod["status"]["phase"] == "Pending":
            conditions = [{"type": kind, "status": "True", "lastTransitionTime": _now()}
                          for kind in ("Initialized", "Ready", "ContainersReady")]  # fmt: skip
            containers = _containers(pod, {"running": {"startedAt": _now()}})
            self._patch_pod(pod, {"phase": "Running", "startTime": _now(), "conditions": conditions,
                                  "containerStatuses": containers})  # fmt: skip

    def _patch_pod(self, pod: dict[str, Any], status: dict[str, Any]) -> None:
        self.call("PATCH", f"{_path(pod)}/status", {"status": status}, _STRATEGIC)


def _path(pod: dict[str, Any]) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


def _containers(pod: dict[str, Any], state: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": one["name"], "image": one["image"], "imageID": "", "ready": "running" in state, "restartCount": 0,
             "state": state} for one in pod["spec"]["containers"]]  # fmt: skip


def _status(name: str) -> dict[str, Any]:
    has = {"cpu": "224", "memory": "2000Gi", "pods": "110", "nvidia.com/gpu": "8"}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "stand-in",
             "lastHeartbeatTime": _now()}  # fmt: skip
    pressures = [{"type": f"{what}Pressure", "status": "False", "lastHeartbeatTime": _now()}
                 for what in ("Memory", "Disk", "PID")]  # fmt: skip
    return {"capacity": has, "allocatable": has, "conditions": [ready, *pressures],
            "addresses": [{"type": "Hostname", "address": name}]}  # fmt: skip


def _now(shape: str = "%Y-%m-%dT%H:%M:%SZ") -> str:
    return datetime.now(UTC).strftime(shape)
