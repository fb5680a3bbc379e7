"""Objects of Kubernetes for tests, as its API gives them: pods with accelerators, their owners, nodes, events."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]
MADE = "2026-11-22T19:36:21Z"


def meta(name: str, uid: str = "", owner: Object | None = None, **more: Any) -> Object:
    owners = {"ownerReferences": [reference(owner)]} if owner else {}
    return {"name": name, "namespace": "lab", "uid": uid or f"uid-{name}", "creationTimestamp": MADE, **owners, **more}


def reference(owner: Object) -> Object:
    told = owner["metadata"]
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": told["name"],
        "uid": told["uid"],
        "controller": True,
    }


def thing(kind: str, name: str, api_version: str = "apps/v1", owner: Object | None = None) -> Object:
    return {"apiVersion": api_version, "kind": kind, "metadata": meta(name, owner=owner)}


def pod(
    name: str,
    owner: Object | None = None,
    *,
    gpus: int = 8,
    node: str = "gpu001",
    phase: str = "Running",
    resource: str = "nvidia.com/gpu",
    **more: Any,
) -> Object:
    """`more` are further parts of its status; a container runs, waits or has ended as `state` says."""
    state = more.pop("state", {"running": {"startedAt": "2026-11-22T19:36:23Z"}} if phase == "Running" else None)
    restarts, last = more.pop("restarts", 0), more.pop("last", {})
    container = {
        "name": "w",
        "image": "registry.local/train:1",
        "command": ["python", "train.py", "--api-key", "hunter2"],
        "env": [{"name": "DB_PASSWORD", "value": "hunter2"}, *more.pop("env", [])],
        "resources": {"limits": {resource: str(gpus), "cpu": "1500m", "memory": "2Gi"}} if gpus else {},
    }
    status = {"phase": phase, **more.pop("status", {})}
    if state:
        status["containerStatuses"] = [{"name": "w", "ready": "running" in state, "restartCount": restarts,
                                        "state": state, "lastState": last}]  # fmt: skip
    spec = {"containers": [container], **({"nodeName": node} if node else {}), **more.pop("spec", {})}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": meta(name, owner=owner, **more),
        "spec": spec,
        "status": status,
    }


def waiting(message: str = "0/8 nodes are available: 8 Insufficient nvidia.com/gpu.") -> Object:
    """The status of a pod that no node has room for."""
    unplaced = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return {"conditions": [unplaced]}


def ended(exit_code: int, reason: str = "", at: str = "2026-11-22T19:40:00Z") -> Object:
    told = reason or ("Completed" if exit_code == 0 else "Error")
    return {"terminated": {"exitCode": exit_code, "reason": told, "startedAt": "2026-11-22T19:36:23Z",
                           "finishedAt": at}}  # fmt: skip


def batch_job(name: str, owner: Object | None = None, *, parallelism: int = 1, **more: Any) -> Object:
    conditions = [{"type": kind, "status": "True", "lastTransitionTime": "2026-11-22T20:00:00Z", "reason": reason}
                  for kind, reason in more.pop("conditions", {}).items()]  # fmt: skip
    template = {"metadata": {}, "spec": {"containers": pod("template")["spec"]["containers"]}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": meta(name, owner=owner, labels=more.pop("labels", {})),
        "spec": {"parallelism": parallelism, "template": template, **more},
        "status": {"startTime": MADE, "conditions": conditions},
    }


def node(name: str, *, ready: str = "True", gpus: int = 8, **spec: Any) -> Object:
    condition = {"type": "Ready", "status": ready, "lastTransitionTime": MADE}
    condition |= {"reason": "KubeletReady"} if ready == "True" else {
        "reason": "NodeStatusUnknown", "message": "Kubelet stopped posting node status."}  # fmt: skip
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "uid": f"uid-{name}"},
        "spec": spec,
        "status": {"allocatable": {"nvidia.com/gpu": str(gpus), "cpu": "224"}, "conditions": [condition],
                   "addresses": [{"type": "Hostname", "address": f"host-{name}"}]},
    }  # fmt: skip


def warning(about: Object, reason: str, message: str) -> Object:
    told = about["metadata"]
    involved = {"kind": about["kind"], "name": told["name"], "namespace": "lab", "uid": told["uid"]}
    return {"apiVersion": "v1", "kind": "Event", "metadata": meta(f"{told['name']}.{reason}"), "type": "Warning",
            "involvedObject": involved, "reason": reason, "message": message, "lastTimestamp": MADE}  # fmt: skip
