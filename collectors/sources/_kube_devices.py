"""Accelerators in the words of Kubernetes: which resources are some, how many a pod asks for, which it was given. Pure.

The kubelet alone knows which devices a container has, and its pod-resources API is not reachable from elsewhere. What
is told is what device plugins and schedulers leave in annotations and environment; else the count alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from collectors.sources._kube_objects import Container, Meta, PodSpec, Quantity, Resources, number

# resources that count accelerators or their instances; shares of one (memory, millicores, monitoring) do not
_ACCELERATORS = re.compile(
    r"nvidia\.com/(gpu|gpu\.shared|mig-[\w.+-]+)|amd\.com/(gpu|[a-z]{3}_nps\d)|google\.com/tpu|habana\.ai/gaudi"
    r"|aws\.amazon\.com/neuron(core|device)?|gpu\.intel\.com/(i915|xe)"
)
# one kind of board under several names: the first that is told counts
_NEURON = ("aws.amazon.com/neuron", "aws.amazon.com/neurondevice", "aws.amazon.com/neuroncore")
_KIND_LABELS = (
    "nvidia.com/gpu.product",
    "cloud.google.com/gke-accelerator",
    "cloud.google.com/gke-tpu-accelerator",
    "amd.com/gpu.product-name",
    "eks.amazonaws.com/instance-gpu-name",
    "karpenter.k8s.aws/instance-gpu-name",
)
# they count the node's devices; CUDA_VISIBLE_DEVICES and the like count those of the container
_VARIABLES = ("NVIDIA_VISIBLE_DEVICES", "AMD_VISIBLE_DEVICES", "HABANA_VISIBLE_DEVICES")
_UUID = re.compile(r"\b(?:GPU|MIG)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_INDICES = re.compile(r"\d{1,3}(?:,\d{1,3})*")


def accelerators(resources: Mapping[str, Quantity]) -> dict[str, int]:
    """Resource -> how many, of those that are accelerators and more than none."""
    found = {}
    for name, quantity in resources.items():
        count = number(quantity) if _ACCELERATORS.fullmatch(name) else None
        if count:
            found[name] = int(count)
    for extra in [name for name in _NEURON if name in found][1:]:
        del found[extra]
    return found


def asked(spec: PodSpec) -> dict[str, float]:
    """What a pod asks for: all its containers together, or its greediest init container where that is more."""
    steady: dict[str, float] = {}
    for container in spec.containers or ():
        _add(steady, container.resources)
    first: dict[str, float] = {}
    for container in spec.init_containers or ():
        if container.restart_policy == "Always":  # it stays, beside the others
            _add(steady, container.resources)
        else:
            for name, amount in _amounts(container.resources):
                first[name] = max(first.get(name, 0.0), amount)
    whole = {name: max(amount, first.get(name, 0.0)) for name, amount in {**first, **steady}.items()}
    return {**whole, **dict(_amounts(spec.resources))}


def kind_asked_for(spec: PodSpec, resources: Iterable[str]) -> str:
    """ "NVIDIA-H100-80GB-HBM3" of the node selector, or the profile of a MIG instance."""
    wanted = spec.node_selector or {}
    for label in _KIND_LABELS:
        if wanted.get(label):
            return wanted[label]
    profiles = [name.partition("/")[2] for name in resources if "/mig-" in name]
    return profiles[0] if len(profiles) == 1 else ""


def devices(spec: PodSpec, meta: Meta) -> tuple[tuple[str, ...], tuple[int, ...] | None]:
    """UUIDs and indices that environment or annotations tell."""
    uuids: list[str] = []
    indices: list[int] = []
    for text in _told(spec.containers or ()):
        uuids += _UUID.findall(text)
        if _INDICES.fullmatch(text):
            indices += map(int, text.split(","))
    for key, text in (meta.annotations or {}).items():
        if "gpu" in key or "device" in key:
            uuids += _UUID.findall(text)
    return tuple(dict.fromkeys(uuids)), tuple(sorted(set(indices))) or None


def _told(containers: Iterable[Container]) -> Iterable[str]:
    for container in containers:
        named = {variable.name: variable.value for variable in container.env or ()}
        yield next((value for name in _VARIABLES if (value := named.get(name))), "")


def _add(sums: dict[str, float], resources: Resources | None) -> None:
    for name, amount in _amounts(resources):
        sums[name] = sums.get(name, 0.0) + amount


def _amounts(resources: Resources | None) -> Iterable[tuple[str, float]]:
    for name, quantity in (resources.asked if resources else {}).items():
        amount = number(quantity)
        if amount is not None:
            yield name, amount
