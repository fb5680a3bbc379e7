"""What tests ask a real control plane for: work, and what its own source of jobs tells of it."""

from __future__ import annotations

import os
from typing import Any

from collectors.sources.kubernetes import Source
from tests.support import kube_objects as made
from tests.support.answers import WallClock
from tests.support.kubernetes.kubelets import Kubelets
from watchfloor.jobs.model import JobSourceSpec

PROGRAMS = os.environ.get("WATCHFLOOR_TEST_KUBERNETES", "")  # the folder of the control plane's programs
NODES = ["gpu001", "gpu002", "gpu003"]


def source_of(kubeconfig: str, **options: str) -> Source:
    told = {"kubeconfig": kubeconfig, **options}
    return Source(JobSourceSpec("lab", "kubernetes", options=told, period_seconds=1.0), None, WallClock())


def create(kubelets: Kubelets, thing: dict[str, Any]) -> dict[str, Any]:
    api = thing["apiVersion"]
    thing["metadata"] = {"name": thing["metadata"]["name"], "namespace": "lab"}
    root = f"/apis/{api}" if "/" in api else f"/api/{api}"
    return kubelets.call("POST", f"{root}/namespaces/lab/{thing['kind'].lower()}s", thing)


def batch_job(name: str, **spec: Any) -> dict[str, Any]:
    job = made.batch_job(name, **spec)
    job["spec"]["template"]["spec"]["restartPolicy"] = "Never"
    job["spec"]["completions"] = job["spec"]["parallelism"]
    del job["status"]
    return job


def deployment(name: str, replicas: int, gpus: int) -> dict[str, Any]:
    labels = {"app": name}
    spec = {"containers": made.pod("x", gpus=gpus)["spec"]["containers"]}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"replicas": replicas, "selector": {"matchLabels": labels},
                     "template": {"metadata": {"labels": labels}, "spec": spec}}}  # fmt: skip


def pods_of(kubelets: Kubelets, prefix: str) -> list[dict[str, Any]]:
    items = kubelets.call("GET", "/api/v1/namespaces/lab/pods")["items"]
    return [pod for pod in items if pod["metadata"]["name"].startswith(prefix)]
