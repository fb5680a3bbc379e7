"""What the package manager and the daemons' own binaries say of their versions: asked seldom, each within seconds.

One question to the package manager tells of all packages; a daemon's binary is asked only where that told nothing.
"""

import re

from .software_node import row

TIMEOUT_SECONDS = 4.0
# (name, layer, packages as the package managers' patterns)
_PACKAGES = (
    (
        "nvidia-fabricmanager",
        "driver",
        ("nvidia-fabricmanager", "nvidia-fabricmanager-[0-9]*"),
    ),
    ("nvidia-imex", "driver", ("nvidia-imex", "nvidia-imex-[0-9]*")),
    ("dcgm", "driver", ("datacenter-gpu-manager", "datacenter-gpu-manager-4-core")),
    ("amdgpu-release", "driver", ("amdgpu-dkms",)),
    ("neuron-runtime", "runtime", ("aws-neuronx-runtime-lib",)),
    ("neuron-collectives", "collective", ("aws-neuronx-collectives",)),
    ("ofed", "network", ("mlnx-ofed-kernel-utils", "mlnx-ofa_kernel", "doca-ofed")),
    ("nvidia-container-toolkit", "container", ("nvidia-container-toolkit",)),
    ("containerd", "container", ("containerd", "containerd.io")),
    ("docker", "container", ("docker-ce", "docker.io")),
    ("cri-o", "container", ("cri-o",)),
    ("slurm", "scheduler", ("slurmd", "slurm-smd-slurmd", "slurm-slurmd", "slurm-wlm")),
    ("kubelet", "scheduler", ("kubelet",)),
)
_MANAGERS = (
    ("dpkg-query", ("-W", "-f", "${Package} ${Version} ${db:Status-Status}\\n")),
    ("rpm", ("-qa", "--qf", "%{NAME} %{VERSION} installed\\n")),
)
# (name, layer, command, what to find in its output)
_BINARIES = (
    ("nvidia-fabricmanager", "driver", ("nv-fabricmanager", "--version"), r"(\d+\.\d+[\d.]*)"),
    ("slurm", "scheduler", ("slurmd", "-V"), r"slurm\S* (\S+)"),
    ("kubelet", "scheduler", ("kubelet", "--version"), r"v(\d\S*)"),
    ("containerd", "container", ("containerd", "--version"), r"\sv?(\d+\.\d+\S*)"),
    ("ofed", "network", ("ofed_info", "-s"), r"-(\d[\d.]*-[\d.]+)"),
)


def rows(world) -> "list[dict]":
    found = _packages(world)
    told = {one["name"] for one in found}
    return found + [one for one in _binaries(world, told) if one is not None]


def _packages(world) -> "list[dict]":
    patterns = [pattern for _, _, patterns in _PACKAGES for pattern in patterns]
    for program, options in _MANAGERS:
        if world.which(program) is None:
            continue
        try:
            _, out, _ = world.run([program, *options, *patterns], TIMEOUT_SECONDS)
        except OSError:  # it is busy, or broken: the binaries tell some of it
            continue
        found = parse_packages(out, program)
        if found:
            return found
    return []


def _binaries(world, told: "set[str]") -> list:
    return [
        _asked(world, name, layer, command, pattern)
        for name, layer, command, pattern in _BINARIES
        if name not in told and world.which(command[0]) is not None
    ]


def _asked(world, name: str, layer: str, command: "tuple[str, ...]", pattern: str) -> "dict | None":
    try:
        _, out, error = world.run(list(command), TIMEOUT_SECONDS)
    except OSError:
        return None
    match = re.search(pattern, out or error)
    return row(layer, name, match.group(1), " ".join(command)) if match else None


def parse_packages(out: str, program: str) -> "list[dict]":
    """Rows of `package version status` lines; one that is not installed any more is left out."""
    found = {}
    for line in out.splitlines():
        words = line.split()
        if len(words) == 3 and words[2] == "installed":
            found[words[0]] = words[1]
    rows = []
    for name, layer, patterns in _PACKAGES:
        for package, version in sorted(found.items()):
            if any(_fits(package, pattern) for pattern in patterns):
                rows.append(row(layer, name, upstream(name, version), "%s: %s" % (program, package)))
                break
    return rows


def _fits(package: str, pattern: str) -> bool:
    head, bracket, _ = pattern.partition("[")
    return package == pattern or bool(bracket and re.match(re.escape(head) + r"\d+(-server)?$", package))


def upstream(name: str, version: str) -> str:
    """A package's version without epoch and packaging: 1:570.124.06-0ubuntu1 is 570.124.06.

    AMD's driver package ends in the ROCm release that it was made for: 1:6.8.5.60200-2009582 is of 6.2.0.
    """
    plain = re.split(r"[-+~]", version.rpartition(":")[2])[0]
    if name == "amdgpu-release":
        last = plain.rpartition(".")[2]
        if not (last.isdigit() and len(last) == 5):
            return plain
        return "%d.%d.%d" % (int(last) // 10000, int(last) // 100 % 100, int(last) % 100)
    return plain
