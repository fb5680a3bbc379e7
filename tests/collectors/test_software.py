"""The software sampler: drivers, firmware, packages, and what processes have mapped, in containers and out of them."""

from __future__ import annotations

import _ctypes
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from collectors.probe import software_names as names
from collectors.probe.cells import NOT_PERMITTED_CODE, Absent, Board
from collectors.probe.containers import image_of
from collectors.probe.software import Sampler
from collectors.probe.software_holders import Holders
from collectors.probe.software_node import parse_installed
from collectors.probe.software_processes import Processes
from collectors.probe.software_programs import parse_packages, upstream
from collectors.probe.world import World
from tests.support.golden import same_as_golden
from tests.support.patience import PATIENCE_SECONDS
from tests.support.worlds import FileWorld
from watchfloor.report import Software

GOLDEN = Path(__file__).parent / "golden"
CONTAINER = "ab" * 32
SITE = "/opt/venv/lib/python3.12/site-packages"
NVIDIA = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.124.06  Release Build  (dvs-builder@U22)\n"
MAPS = "".join(
    f"7f00{number:08x}-7f01{number:08x} r-xp 00000000 fd:01 {number}    {path}\n"
    for number, path in enumerate(
        (
            "/opt/venv/bin/python3.12",
            "/usr/lib/x86_64-linux-gnu/libcuda.so.570.124.06",
            f"{SITE}/nvidia/nccl/lib/libnccl.so.2",
            f"{SITE}/nvidia/cuda_runtime/lib/libcudart.so.12",
            f"{SITE}/nvidia/cudnn/lib/libcudnn.so.9",
            f"{SITE}/torch/lib/libtorch_cuda.so",
            "/opt/amazon/efa/lib/libfabric.so.1.28.0",
            "/usr/lib/libmpi.so.40.30.6 (deleted)",
            "/opt/plugin/libnccl-net.so",
            "/dev/nvidia0",
        )
    )
)
WHEELS = (
    "torch-2.6.0+cu124", "nvidia_nccl_cu12-2.21.5", "nvidia_cuda_runtime_cu12-12.4.127",
    "nvidia_cudnn_cu12-9.1.0.70", "transformers-4.48.2", "numpy-2.2.1",
)  # fmt: skip


class Node(FileWorld):
    """Files, links and programs by name; processes 100 and up belong to alice."""

    def __init__(
        self, files: Mapping[str, str | OSError], links: Mapping[str, str], programs: Mapping[str, str] = {}
    ) -> None:
        super().__init__(files)
        self.links, self.programs = dict(links), dict(programs)
        self.asked: list[str] = []

    def read(self, path: str, keep: bool = False) -> str:
        self.asked.append(path)
        return super().read(path, keep)

    def readlink(self, path: str) -> str:
        if path not in self.links:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return self.links[path]

    def uname(self) -> os.uname_result:
        return os.uname_result(("Linux", "n1", "6.8.0-52-generic", "#1", "x86_64"))

    def which(self, program: str) -> str | None:
        return f"/usr/bin/{program}" if program in self.programs else None

    def run(self, argv: list[str], timeout_seconds: float) -> tuple[int, str, str]:
        self.asked.append(argv[0])
        return 0, self.programs[argv[0]], ""


def stat(pid: int, start: int = 500) -> str:
    return f"{pid} (python) S 1 " + " ".join(["0"] * 17) + f" {start} 0 100 0\n"


def process(pid: int, container: str = "") -> dict[str, str | OSError]:
    """The files of one process that trains."""
    inside = f"/proc/{pid}/root"
    wheels = {f"{inside}{SITE}/{wheel}.dist-info/METADATA": "" for wheel in WHEELS}
    return {
        f"/proc/{pid}/stat": stat(pid),
        f"/proc/{pid}/cgroup": f"0::/kubepods.slice/cri-containerd-{container}.scope\n" if container else "0::/job_1\n",
        f"/proc/{pid}/cmdline": "/opt/venv/bin/python\0train.py\0",
        f"/proc/{pid}/environ": "HOME=/home/alice\0HF_TOKEN=secret\0NVIDIA_PYTORCH_VERSION=25.01\0",
        f"/proc/{pid}/maps": MAPS,
        f"{inside}/opt/amazon/efa/lib/pkgconfig/libfabric.pc": "Name: libfabric\nVersion: 1.22.0amzn4.0\n",
        **wheels,
    }


def node(*more: Mapping[str, str | OSError]) -> Node:
    files: dict[str, str | OSError] = {
        "/proc/self/stat": "",
        "/etc/os-release": 'NAME="Ubuntu"\nPRETTY_NAME="Ubuntu 24.04.2 LTS"\n',
        "/proc/driver/nvidia/version": NVIDIA,
        "/proc/cpuinfo": "processor\t: 0\nmodel name\t: X\nmicrocode\t: 0x2b000603\n",
        "/sys/module/mlx5_core/version": "24.10-0.7.0\n",
        "/sys/module/efa/initstate": "live\n",
        "/sys/class/dmi/id/bios_version": "1.4.2\n",
        "/sys/class/dmi/id/product_name": "DGXH100\n",
        "/usr/local/cuda/version.json": '{"cuda": {"name": "CUDA SDK", "version": "12.8.1"}}',
    }
    for port in range(8):
        files[f"/sys/class/infiniband/mlx5_{port}/board_id"] = "MT_0000000838\n"
        files[f"/sys/class/infiniband/mlx5_{port}/fw_ver"] = "28.39.1002\n" if port < 7 else "28.36.1010\n"
    for part in more:
        files.update(part)
    links = {f"/proc/{pid}/exe": "/opt/venv/bin/python3.12" for pid in range(100, 120)}
    packages = (
        "nvidia-fabricmanager-570 570.124.06-1 installed\nslurmd 23.11.4-1 config-files\nkubelet 1.31.2-1.1 installed\n"
    )
    return Node(files, links, {"dpkg-query": packages, "slurmd": "slurm 24.05.3\n"})


def told(world: Node, *pids: int) -> list[Software]:
    """The rows of a sample, as the console reads them."""
    board = Board()
    board.holders = {"nvidia": {"GPU-0": [(pid, -1, "compute") for pid in pids]}} if pids else {}
    return msgspec.convert(Sampler(world, board).sample().details["stack"], list[Software])


def lines(rows: list[Software]) -> str:
    return "".join(
        f"{row.layer:<11}{row.name:<24}{row.version or f'({row.missing})':<20}{row.user:<8}{row.where}\n"
        for row in rows
    )


def test_a_node_with_a_job() -> None:
    told_by = f"/run/containerd/io.containerd.runtime.v2.task/k8s.io/{CONTAINER}/config.json"
    image = '{"annotations": {"io.kubernetes.cri.image-name": "nvcr.io/nvidia/pytorch:25.01-py3"}}'
    world = node(process(100, CONTAINER), process(101, CONTAINER), {told_by: image})
    same_as_golden(GOLDEN / "software-node.txt", lines(told(world, 100, 101)))
    assert world.asked.count("/proc/100/maps") == 1
    assert "/proc/101/maps" not in world.asked  # a rank of the same job, in the same place


def test_equal_nodes_tell_equal_bytes() -> None:
    first, second = told(node(process(100)), 100), told(node(process(115)), 115)
    assert msgspec.json.encode(first) == msgspec.json.encode(second)


def test_of_the_environment_only_the_names_of_images_leave_the_node() -> None:
    rows = told(node(process(100)), 100)
    assert [row.version for row in rows if row.name == "ngc-pytorch"] == ["25.01"]
    assert "secret" not in lines(rows)


def test_what_may_not_be_seen_is_said_to_be_so() -> None:
    refused = PermissionError(errno.EACCES, "Permission denied")
    files = {**process(100, CONTAINER), "/proc/100/maps": refused, "/proc/100/environ": refused}
    rows = [row for row in told(node(files), 100) if row.user]
    assert [(row.name, row.version, row.user) for row in rows] == [("image", "", "alice"), ("processes", "", "alice")]
    assert rows[1].missing == NOT_PERMITTED_CODE
    assert "Permission denied" in rows[1].where
    assert "alice" in rows[1].where


def test_a_process_that_ends_meanwhile_leaves_no_trace() -> None:
    files = {**process(100), "/proc/100/maps": ProcessLookupError(errno.ESRCH, "No such process")}
    assert not [row for row in told(node(files), 100) if row.user]


def test_a_process_that_is_hidden_is_said_to_be() -> None:
    (row,) = (row for row in told(node(), 100) if row.name == "processes")
    assert (row.user, row.missing) == ("", NOT_PERMITTED_CODE)
    assert "hidepid" in row.where


def test_a_young_process_is_looked_at_again() -> None:
    world = node(process(100))
    board = Board()
    board.holders = {"nvidia": {"GPU-0": [(100, -1, "compute")]}}
    sampler = Sampler(world, board)
    sampler.sample()
    world.at += 5
    sampler.sample()
    assert world.asked.count("/proc/100/maps") == 1
    world.at += 55
    world.files["/proc/100/maps"] = MAPS + "7f00-7f01 r-xp 0 fd:01 9 /usr/lib/libnvinfer.so.10.7.0\n"
    assert "tensorrt" in {row["name"] for row in sampler.sample().details["stack"]}
    world.at += 60
    sampler.sample()
    assert world.asked.count("/proc/100/maps") == 2  # the next look is due after twice the time
    assert world.asked.count("dpkg-query") == 1


def test_only_so_many_processes_are_looked_at_in_one_go() -> None:
    many: dict[str, str | OSError] = {}
    for pid in range(100, 112):
        many.update(process(pid, f"{pid:064x}"))
    world = node(many)
    told(world, *range(100, 112))
    assert sum(path.endswith("/maps") for path in world.asked) == 8


def test_without_proc_there_is_nothing_to_tell() -> None:
    with pytest.raises(Absent):
        Sampler(FileWorld({}), Board())


def test_holders_by_open_device_files_are_looked_for_once() -> None:
    world = node({"/dev/accel/accel0": "", "/proc/100/stat": "", "/proc/100/fd/7": "", "/proc/101/fd/3": ""})
    world.links.update({"/proc/100/fd/7": "/dev/accel/accel0", "/proc/101/fd/3": "/tmp/log"})
    holders = Holders(world)
    assert holders.pids() == [100]
    assert holders.pids() == [100]
    world.links["/proc/101/fd/3"] = "/dev/accel/accel0"
    assert holders.pids() == [100]  # it was looked at twice, and held nothing
    assert Holders(node({"/proc/100/fd/7": "", "/dev/null": ""})).pids() == []


@pytest.mark.parametrize(
    ("name", "path", "version"),
    [
        ("nccl", "/usr/lib/x86_64-linux-gnu/libnccl.so.2.21.5", "2.21.5"),
        ("rocm", "/opt/rocm-6.2.0/lib/libhsa-runtime64.so.1.14.60200", "6.2.0"),
        ("rccl", "/opt/rocm-6.3.1/lib/librccl.so.1.0.60301", "6.3.1"),
        ("hip", "/opt/rocm/lib/libamdhip64.so.6.2.41133", "6.2.41133"),  # it counts commits
        ("libtpu", "/usr/lib/libtpu.so", ""),
    ],
)
def test_versions_of_file_names(name: str, path: str, version: str) -> None:
    assert names.file_version(name, path) == version


def test_packages_of_metadata() -> None:
    found = names.packages(["torch-2.1.0-py3.10.egg-info", "Flash_Attn-2.7.4.dist-info", "torch", "x-y.dist-info"])
    assert found == {"torch": "2.1.0", "flash-attn": "2.7.4"}
    assert names.carried("libtpu", {"libtpu-nightly": "0.1.dev2"}) == "0.1.dev2"
    assert names.carried("miopen", {"torch": "2"}) == ""


@pytest.mark.parametrize(
    ("name", "package", "version"),
    [
        ("nvidia-fabricmanager", "1:570.124.06-0ubuntu1", "570.124.06"),
        ("amdgpu-release", "1:6.8.5.60200-2009582.22.04", "6.2.0"),
        ("amdgpu-release", "6.3.6", "6.3.6"),
        ("containerd", "1.7.24~ds1", "1.7.24"),
    ],
)
def test_versions_of_packages(name: str, package: str, version: str) -> None:
    assert upstream(name, package) == version


def test_packages_that_are_gone_are_not_told() -> None:
    assert parse_packages("slurmd 23.11.4-1 config-files\nnonsense\n", "dpkg-query") == []


def test_installed_versions() -> None:
    assert parse_installed("6.2.0-66\n".strip()) == "6.2.0"
    assert parse_installed("{broken") == ""


def test_images() -> None:
    assert image_of('{"Config": {"Image": "vllm/vllm-openai:v0.8.1"}}') == "vllm/vllm-openai:v0.8.1"
    assert image_of("{}") == ""
    assert image_of("not json") == ""


_CHILD = """
import ctypes, sys
ctypes.CDLL(sys.argv[1])
print("mapped", flush=True)
sys.stdin.read()
"""


def test_a_real_process_is_looked_into(tmp_path: Path) -> None:
    folder = tmp_path / "site-packages" / "nvidia" / "nccl" / "lib"
    folder.mkdir(parents=True)
    library = shutil.copy(_ctypes.__file__, folder / "libnccl.so.2")
    for wheel in ("nvidia_nccl_cu12-2.27.3", "torch-2.8.0"):
        (tmp_path / "site-packages" / f"{wheel}.dist-info").mkdir()
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(library)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "mapped\n"
        found = {(row["name"], row["version"]): row for row in Processes(World()).rows([child.pid])}
    finally:
        child.communicate("", timeout=PATIENCE_SECONDS)
    assert found["nccl", "2.27.3"]["where"] == str(library)
    assert found["torch", "2.8.0"]["where"] == str(tmp_path / "site-packages")
    assert found["nccl", "2.27.3"]["user"] == World().user()
