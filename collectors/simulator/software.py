"""The software of simulated nodes: what is installed, and what the programs of jobs have mapped. Pure data.

Three nodes differ from their fellows, as happens: an adapter with old firmware, a fabric manager that was left behind
by an upgrade of the driver, and a job of which one node has another NCCL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from collectors.simulator.hardware import Shape

OLD_FIRMWARE, OLD_FABRIC_MANAGER, OTHER_NCCL = "h100-03", "h100-06", "b200-02"
CLOSED_SHAPES = ("rtx",)  # where only root may look into others' processes
ADAPTER = "MT_0000000838"

_VENV = "/opt/venv/lib/python3.12/site-packages"
_IMAGE = "/usr/local/lib/python3.12/dist-packages"
_CONDA = "/opt/conda/lib/python3.11/site-packages"
_LIB = {"x86_64": "/usr/lib/x86_64-linux-gnu", "aarch64": "/usr/lib/aarch64-linux-gnu"}
_CUDA_WHEELS = (
    "nvidia_cuda_runtime_cu12-12.8.90", "nvidia_cudnn_cu12-9.10.2.21", "nvidia_cublas_cu12-12.8.4.1",
)  # fmt: skip
_CUDA_FILES = (
    "nvidia/nccl/lib/libnccl.so.2", "nvidia/cuda_runtime/lib/libcudart.so.12", "nvidia/cudnn/lib/libcudnn.so.9",
    "nvidia/cublas/lib/libcublas.so.12", "torch/lib/libtorch_cuda.so", "numpy/_core/_multiarray_umath.so",
)  # fmt: skip
_ROCM = "/opt/rocm-6.4.1/lib"
_ROCM_FILES = (
    f"{_ROCM}/libhsa-runtime64.so.1.15.60401", f"{_ROCM}/libamdhip64.so.6.4.43483", f"{_ROCM}/librccl.so.1.0.60401",
    f"{_ROCM}/libMIOpen.so.1.0.60401",
)  # fmt: skip
_NCCL = {"x86_64": "2.27.3", "aarch64": "2.29.3"}


@dataclass(frozen=True, slots=True)
class Environment:
    """Where a program's packages lie, which ones there are (name-version), and which files it has mapped."""

    site: str
    packages: tuple[str, ...]
    files: tuple[str, ...]  # relative ones lie in `site`
    image: str = ""  # of its container

    @property
    def mapped(self) -> tuple[str, ...]:
        return tuple(file if file.startswith("/") else f"{self.site}/{file}" for file in self.files)


def environment(shape: Shape, node: str, kind: str) -> Environment:
    """What a job of this kind runs with on a node."""
    if kind == "notebook":
        return Environment(_CONDA, ("torch-2.4.1", "transformers-4.44.0"), ("torch/_C.cpython-311.so",))
    if kind in _OTHERS:
        return _OTHERS[kind]
    return _BY_VENDOR[shape.vendor](shape, node, kind == "inference")


def _nvidia(shape: Shape, node: str, serving: bool) -> Environment:
    nccl = "2.26.2" if node == OTHER_NCCL else _NCCL[shape.machine]
    packages = ("torch-2.8.0+cu128", f"nvidia_nccl_cu12-{nccl}", *_CUDA_WHEELS, "triton-3.4.0", "transformers-4.55.0")
    files = (*_CUDA_FILES, f"{_LIB[shape.machine]}/libcuda.so.{shape.driver}")
    if serving:
        return Environment(_IMAGE, (*packages, "vllm-0.10.1"), files, "docker.io/vllm/vllm-openai:v0.10.1")
    return Environment(_VENV, (*packages, "megatron_core-0.13.1", "flash_attn-2.8.3"), files)


def _amd(shape: Shape, node: str, serving: bool) -> Environment:
    packages = ("torch-2.6.0+rocm6.4.1", "pytorch_triton_rocm-3.2.0", "transformers-4.55.0")
    files = (*_ROCM_FILES, "torch/lib/libtorch_hip.so")
    if serving:
        return Environment(_IMAGE, (*packages, "vllm-0.10.1"), files, "docker.io/rocm/vllm:rocm6.4.1_vllm_0.10.1")
    return Environment(_VENV, (*packages, "deepspeed-0.17.4"), files)


def _intel(shape: Shape, node: str, serving: bool) -> Environment:
    packages = ("torch-2.8.0+xpu", "intel_extension_for_pytorch-2.8.10", "transformers-4.55.0")
    files = ("/usr/lib/x86_64-linux-gnu/libze_loader.so.1.22.4", "/opt/intel/oneapi/ccl/2021.15/lib/libccl.so.1.0")
    return Environment(_VENV, packages, (*files, "torch/lib/libtorch_xpu.so"))


_BY_VENDOR = {"nvidia": _nvidia, "amd": _amd, "intel": _intel}
_OTHERS: Mapping[str, Environment] = {
    "maxtext": Environment(
        _VENV,
        ("jax-0.6.2", "jaxlib-0.6.2", "libtpu-0.0.17", "flax-0.10.6"),
        ("jaxlib/xla_extension.so", "libtpu/libtpu.so"),
    ),
    "neuronx": Environment(
        "/opt/aws_neuronx_venv/lib/python3.10/site-packages",
        ("torch-2.7.0", "torch_neuronx-2.7.0.2.8.6734", "neuronx_cc-2.19.8089.0", "torch_xla-2.7.0"),
        ("/opt/aws/neuron/lib/libnrt.so.2.26.42.0", "torch/lib/libtorch.so"),
    ),
    "optimum": Environment(
        _IMAGE,
        ("torch-2.6.0", "habana_torch_plugin-1.21.3.57", "optimum_habana-1.18.0", "transformers-4.49.0"),
        ("/usr/lib/habanalabs/libSynapse.so", "torch/lib/libtorch.so"),
    ),
}  # fmt: skip


def packages(shape: Shape, node: str) -> Mapping[str, str]:
    """What the package manager says is installed: name -> version."""
    found = {"slurm-smd-slurmd": "24.05.3-1", "containerd.io": "1.7.27-1"}
    if shape.name == "l40s":
        found = {"kubelet": "1.31.9-1.1", "containerd.io": "1.7.27-1"}
    vendors = {
        "nvidia": {"nvidia-container-toolkit": "1.17.8-1", "datacenter-gpu-manager-4-core": "1:4.2.3-1"},
        "amd": {"amdgpu-dkms": "1:6.12.12.60401-2164967.24.04"},
        "aws": {
            "aws-neuronx-runtime-lib": f"{shape.runtime}-7a3f8b1c2",
            "aws-neuronx-collectives": "2.27.34.0-ec8cd5e",
        },
    }  # fmt: skip
    found.update(vendors.get(shape.vendor, {}))
    if shape.name in ("h100", "b200", "a100"):
        driver = "570.86.15" if node == OLD_FABRIC_MANAGER else shape.driver
        found[f"nvidia-fabricmanager-{driver.partition('.')[0]}"] = f"{driver}-1"
    if shape.name == "gb200":
        found["nvidia-imex"] = f"{shape.driver}-1"
    return found


def firmware(node: str, port: int) -> str:
    """Of an RDMA adapter."""
    return "28.36.1010" if node == OLD_FIRMWARE and port == 5 else "28.43.2026"


# what the boards of computers say of themselves: product and firmware
PRODUCTS: Mapping[str, tuple[str, str]] = {
    "h100": ("DGXH100", "1.06.07"), "b200": ("DGXB200", "1.4.0"), "gb200": ("GB200 NVL", "02.04.06"),
    "a100": ("DGXA100", "1.29"), "l40s": ("PowerEdge R760xa", "2.5.4"), "rtx": ("Precision 7875", "1.8.0"),
    "mi300x": ("AS-8125GS-TNMR2", "3.5"), "tpu": ("Google Compute Engine", "Google"),
    "trn2": ("trn2.48xlarge", "1.0"), "gaudi3": ("AS-822GA-NGR3", "1.1b"), "max1550": ("PowerEdge XE9640", "2.5.4"),
    "login": ("PowerEdge R7515", "2.19.0"),
}  # fmt: skip
