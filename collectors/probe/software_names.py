"""Which libraries and packages are worth telling, and how their versions are read off names. Pure tables and functions.

A version comes from what a file is called or from the metadata beside it; nothing is imported or run.
"""

import re

# the beginning of a mapped file's name -> (layer, name)
LIBRARIES = {
    "libcuda.so": ("driver", "libcuda"),
    "libcudart.so": ("runtime", "cuda"),
    "libamdhip64.so": ("runtime", "hip"),
    "libhsa-runtime64.so": ("runtime", "rocm"),
    "libtpu.so": ("runtime", "libtpu"),
    "libnrt.so": ("runtime", "neuron-runtime"),
    "libSynapse.so": ("runtime", "synapse"),
    "libze_loader.so": ("runtime", "level-zero"),
    "libnccl.so": ("collective", "nccl"),
    "librccl.so": ("collective", "rccl"),
    "libccl.so": ("collective", "libccl"),
    "libhcl.so": ("collective", "hcl"),
    "libnvshmem_host.so": ("collective", "nvshmem"),
    "libnccl-net.so": ("collective", "nccl-net"),
    "libmpi.so": ("collective", "libmpi"),
    "libfabric.so": ("collective", "libfabric"),
    "libucp.so": ("collective", "ucx"),
    "libcudnn.so": ("library", "cudnn"),
    "libcublas.so": ("library", "cublas"),
    "libMIOpen.so": ("library", "miopen"),
    "libnvinfer.so": ("library", "tensorrt"),
    "libonnxruntime.so": ("framework", "onnxruntime"),
    "libtensorflow_framework.so": ("framework", "tensorflow"),
    "libtritonserver.so": ("server", "tritonserver"),
}
# files of the library's own that hold its version, from the folder of the mapped one; with what to read in them
BESIDE = {
    "libfabric": ("pkgconfig/libfabric.pc", r"(?m)^Version:\s*(\S+)"),
    "libmpi": ("pkgconfig/ompi.pc", r"(?m)^Version:\s*(\S+)"),
    "ucx": ("pkgconfig/ucx.pc", r"(?m)^Version:\s*(\S+)"),
    "tritonserver": ("../TRITON_VERSION", r"(\S+)"),
}
# the wheels that carry libraries, by the library's name: their files are called by the major version alone
_CARRIERS = {
    "nccl": r"nvidia-nccl-cu\d+",
    "cuda": r"nvidia-cuda-runtime(-cu\d+)?",
    "cudnn": r"nvidia-cudnn-cu\d+",
    "cublas": r"nvidia-cublas(-cu\d+)?",
    "nvshmem": r"nvidia-nvshmem-cu\d+",
    "libtpu": r"libtpu(-nightly)?",
    "tensorflow": r"tensorflow(-cpu|-gpu|-rocm|-intel)?",
    "onnxruntime": r"onnxruntime(-gpu|-rocm)?",
    "tensorrt": r"tensorrt(-cu\d+)?(-libs)?",
}
_PACKAGES = (
    ("framework", "torch jax flax tensorflow keras tf-keras lightning pytorch-lightning paddlepaddle-gpu mxnet ray"),
    ("compiler", "jaxlib triton torch-xla neuronx-cc libneuronxla torch-neuronx pytorch-triton pytorch-triton-rocm"),
    ("compiler", "jax-cuda12-plugin jax-cuda12-pjrt jax-cuda13-plugin jax-cuda13-pjrt jax-rocm60-plugin"),
    ("library", "transformers accelerate deepspeed megatron-core flash-attn transformer-engine xformers apex peft trl"),
    ("library", "bitsandbytes flashinfer-python nemo-toolkit neuronx-distributed habana-torch-plugin optimum-habana"),
    ("library", "intel-extension-for-pytorch habana-torch-dataloader"),
    ("server", "vllm sglang tensorrt-llm text-generation-server lmdeploy tgi nvidia-pytriton ai-dynamo"),
    ("runtime", "libtpu libtpu-nightly"),
)
PACKAGES = {name: layer for layer, names in _PACKAGES for name in names.split()}

_FILE = re.compile(r"(/[^\n]*)")
_VERSION = re.compile(r"\.so\.(\d[\w.]*)")
_METADATA = re.compile(r"^(.+?)-(\d[^-]*)(?:-[^/]*)?\.(?:dist|egg)-info$")
_PYTHON = re.compile(r"(?:^|/)(?:lib)?python(\d\.\d+)(?:[./]|$)")
_FOLDER = re.compile(r"^(.*/(?:site|dist)-packages)/")


def mapped_files(maps: str) -> "list[str]":
    """The files of /proc/PID/maps, each once, in the order of their names."""
    found = {path.replace(" (deleted)", "") for path in _FILE.findall(maps)}
    return sorted(path for path in found if not path.startswith(("/dev/", "/memfd:", "/SYSV", "/anon_")))


def libraries(files: "list[str]") -> "list[tuple[str, str, str]]":
    """(layer, name, path) of the mapped files that are in the table."""
    found = []
    for path in files:
        file = path.rpartition("/")[2]
        known = LIBRARIES.get(file.partition(".so")[0] + ".so") if ".so" in file else None
        if known is not None:
            # NVIDIA's forward compatibility package: a driver's library that may be newer than the driver
            name = "cuda-compat" if known[1] == "libcuda" and "/compat/" in path else known[1]
            found.append((known[0], name, path))
    return found


def package_folders(files: "list[str]") -> "list[str]":
    """The site-packages that something is mapped from."""
    found = (_FOLDER.match(path) for path in files)
    return sorted({match.group(1) for match in found if match})


def python_of(files: "list[str]") -> str:
    """ "3.11", "" where no Python is mapped."""
    for path in files:
        match = _PYTHON.search(path)
        if match:
            return match.group(1)
    return ""


def packages(names: "list[str]") -> dict:
    """Normalised name -> version, of the *.dist-info and *.egg-info in a folder."""
    found = {}
    for name in names:
        match = _METADATA.match(name)
        if match:
            found[match.group(1).lower().replace("_", "-").replace(".", "-")] = match.group(2)
    return found


def file_version(name: str, path: str) -> str:
    """What a library's file is called by, "" where it is called by nothing: libnccl.so.2.21.5 is 2.21.5."""
    match = _VERSION.search(path.rpartition("/")[2])
    version = match.group(1) if match else ""
    return _rocm_release(version) if name in ("rocm", "rccl", "miopen") else version


def _rocm_release(version: str) -> str:
    """ROCm's libraries end in the release: 1.14.60200 is of ROCm 6.2.0."""
    last = version.rpartition(".")[2]
    if len(last) in (5, 6) and last.isdigit():
        number = int(last)
        return "%d.%d.%d" % (number // 10000, number // 100 % 100, number % 100)
    return version


def carried(name: str, known: dict) -> str:
    """The version of the wheel among `known` packages that carries a library, "" where none does."""
    pattern = re.compile("(?:%s)$" % _CARRIERS[name]) if name in _CARRIERS else None
    return next((version for package, version in sorted(known.items()) if pattern and pattern.match(package)), "")
