"""The software of the synthetic fleet: one node that missed an upgrade, one adapter with old firmware, one user's pods
that may not be looked into.
"""

from __future__ import annotations

from watchfloor.model import Missing
from watchfloor.report import Software

_SITE = "/opt/venv/lib/python3.12/site-packages"
_IMAGE_FROM = "/run/containerd/io.containerd.runtime.v2.task/k8s.io/ID/config.json"
_HOST = (
    ("os", "kernel", "6.8.0-45-generic", "uname"),
    ("os", "distribution", "Ubuntu 24.04.2 LTS", "/etc/os-release"),
    ("scheduler", "slurm", "24.05.3", "dpkg-query: slurm-smd-slurmd"),
    ("container", "nvidia-container-toolkit", "1.17.4", "dpkg-query: nvidia-container-toolkit"),
)
_TRAINING = (
    ("collective", "nccl", "2.21.5", f"{_SITE}/nvidia/nccl/lib/libnccl.so.2"),
    ("runtime", "cuda", "12.4.127", f"{_SITE}/nvidia/cuda_runtime/lib/libcudart.so.12"),
    ("library", "cudnn", "9.1.0.70", f"{_SITE}/nvidia/cudnn/lib/libcudnn.so.9"),
    ("library", "transformers", "4.48.2", _SITE),
    ("framework", "torch", "2.6.0+cu124", _SITE),
    ("compiler", "triton", "3.2.0", _SITE),
)
_SERVING = (
    ("server", "vllm", "0.8.1", "/usr/local/lib/python3.12/dist-packages"),
    ("framework", "torch", "2.6.0", "/usr/local/lib/python3.12/dist-packages"),
    ("container", "image", "vllm/vllm-openai:v0.8.1", _IMAGE_FROM),
)


def software(name: str, accelerators: int, nvlinks: bool, busy: bool) -> list[Software]:
    """Sorted, as a probe tells it."""
    rows = [Software(layer, thing, version, where=where) for layer, thing, version, where in _HOST]
    if accelerators:
        driver = "570.86.15" if name == "dgx-06" else "570.124.06"
        rows.append(Software("driver", "nvidia", driver, where="/proc/driver/nvidia/version: open kernel module"))
        rows.append(Software("network", "mlx5_core", "24.10-0.7.0", where="/sys/module/mlx5_core/version"))
        rows.append(_adapter("28.39.1002"))
    if nvlinks:
        rows.append(Software("driver", "nvidia-fabricmanager", "570.124.06", where="dpkg-query: nvidia-fabricmanager"))
    if name == "dgx-02":
        rows.append(_adapter("28.36.1010"))
    return sorted([*rows, *(_running(name, nvlinks) if busy else ())])


def _adapter(version: str) -> Software:
    return Software("firmware", "nic MT_0000000838", version, where="/sys/class/infiniband/*/fw_ver")


def _running(name: str, nvlinks: bool) -> list[Software]:
    if name == "l40-04":
        words = "/proc/PID/maps: Permission denied; it takes a probe that runs as root or as maria"
        return [Software("library", "processes", "", where=words, user="maria", missing=Missing.NOT_PERMITTED)]
    rows = _TRAINING if nvlinks else _SERVING
    changed = {"nccl": "2.20.5"} if name == "dgx-05" else {}
    return [Software(layer, thing, changed.get(thing, version), where=where, user="maria")
            for layer, thing, version, where in rows]  # fmt: skip
