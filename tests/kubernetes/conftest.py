"""A control plane for the tests of this folder, with fresh nodes and an empty namespace for each of them."""

from __future__ import annotations

import urllib.error
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.kubernetes import control_plane
from tests.support.kubernetes.control_plane import ControlPlane
from tests.support.kubernetes.kubelets import Kubelets
from tests.support.kubernetes.work import NODES, PROGRAMS


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with control_plane.running(tmp_path_factory.mktemp("kubernetes"), Path(PROGRAMS).resolve()) as started:
        yield started


@pytest.fixture
def kubelets(plane: ControlPlane) -> Iterator[Kubelets]:
    """Fresh nodes and an empty namespace for each test."""
    kubelets = Kubelets(plane, NODES)
    kubelets.start()
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "lab"}}
    with suppress(urllib.error.HTTPError):  # it is there already
        kubelets.call("POST", "/api/v1/namespaces", namespace)
    yield kubelets
    for path in ("/apis/batch/v1/namespaces/lab/jobs", "/apis/apps/v1/namespaces/lab/deployments",
                 "/apis/apps/v1/namespaces/lab/replicasets", "/api/v1/namespaces/lab/pods"):  # fmt: skip
        kubelets.call("DELETE", path, {"gracePeriodSeconds": 0, "propagationPolicy": "Background"})
    kubelets.stop()
    for name in NODES:
        kubelets.call("DELETE", f"/api/v1/nodes/{name}")
