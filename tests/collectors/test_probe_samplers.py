"""The samplers that read /proc and /sys, against files made for the purpose and captured InfiniBand trees."""

from __future__ import annotations

import errno
import types
from pathlib import Path

import psutil
import pytest

from collectors.probe import diskstats, ethernet, filesystems, host, infiniband, processes
from collectors.probe.cells import (
    FAILED_CODE,
    NOT_PERMITTED_CODE,
    NOT_YET,
    UNSUPPORTED,
    Absent,
    Board,
    Missing,
    Reading,
    from_oserror,
    joined,
)
from tests.support.parts import samples
from tests.support.worlds import FileWorld

PROC = {
    "/proc/stat": "cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 50 0 25 400 25 0 0 0\ncpu1 50 0 25 400 25 0 0 0\n"
    "intr 1 2 3\nctxt 5\nprocs_running 2\nprocs_blocked 3\n",
    "/proc/loadavg": "1.50 2.25 3.00 2/900 4242\n",
    "/proc/meminfo": "MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    400 kB\n"
    "SwapTotal:       200 kB\nSwapFree:        150 kB\nHugePages_Total:       0\n",
    "/proc/uptime": "5000.25 9000.00\n",
    "/proc/diskstats": "",
    "/proc/pressure/cpu": "some avg10=12.34 avg60=1.00 avg300=0.10 total=1\n",
    "/proc/sys/kernel/random/boot_id": "0c1f\n",
    "/proc/cpuinfo": "processor\t: 0\nmodel name\t: Some Processor @ 2 GHz\n",
    "/etc/os-release": 'NAME="Some"\nPRETTY_NAME="Some Linux 12 (one)"\n',
}


def links_of(reading: Reading) -> dict:
    return {key: joined(row) for key, row in reading.cells["link"].items()}


def node_cells(reading: Reading) -> dict:
    return joined(reading.cells["node"][""])


def test_host_figures() -> None:
    world = FileWorld(PROC)
    sampler = host.Sampler(world, None)
    first = node_cells(sampler.sample())
    assert (first["hostname"], first["os"], first["boot_id"]) == ("node1", "Some Linux 12 (one)", "0c1f")
    assert first["cpu_model"] == "Some Processor @ 2 GHz"
    assert (first["cpu"], first["cpus"], first["blocked"]) == (NOT_YET, 2, 3)
    assert (first["load1"], first["load5"], first["load15"], first["uptime"]) == (1.5, 2.25, 3.0, 5000)
    assert (first["mem_total"], first["mem_used"]) == (1000 * 1024, 600 * 1024)
    assert (first["swap_total"], first["swap_used"]) == (200 * 1024, 50 * 1024)
    assert (first["pressure_cpu"], first["pressure_mem"]) == (12.34, UNSUPPORTED)
    world.files["/proc/stat"] = "cpu  130 0 70 840 60 0 0 0 0 0\ncpu0 1\ncpu1 1\nprocs_blocked 0\n"
    world.at += 7
    second = node_cells(sampler.sample())
    assert (second["cpu"], second["cpu_iowait"]) == (50.0, 10.0)
    sampler.sample()
    assert node_cells(sampler.sample())["uptime"] == 5007  # with load and pressure, every third time


def test_the_metrics_that_host_declares_are_those_that_it_gives() -> None:
    assert set(node_cells(host.Sampler(FileWorld(PROC), None).sample())) == set(host.Sampler.metrics["node"])


class OtherKernel(FileWorld):
    """No /proc; psutil is there, or isn't."""

    def __init__(self, library: types.ModuleType | None) -> None:
        super().__init__({})
        self._library = library

    def psutil(self) -> types.ModuleType:
        if self._library is None:
            raise ImportError("No module named 'psutil'")
        return self._library


def test_a_kernel_without_proc_is_read_through_psutil() -> None:
    sampler = host.Sampler(OtherKernel(psutil), None)
    first = node_cells(sampler.sample())
    assert set(first) <= set(host.Sampler.metrics["node"])
    assert (first["mem_total"], first["cpu"]) == (psutil.virtual_memory().total, NOT_YET)
    assert 0 <= node_cells(sampler.sample())["cpu"] <= 100


def test_without_proc_and_psutil_there_is_nothing_for_the_host_sampler() -> None:
    with pytest.raises(Absent, match="/proc/stat not found, and psutil is not installed"):
        host.Sampler(OtherKernel(None), None)


def test_iowait_that_goes_backwards_is_no_negative_share() -> None:
    assert host.shares([0, 0, 0, 100, 50, 0, 0, 0], [50, 0, 0, 150, 40, 0, 0, 0]) == (50.0, 0.0)


def test_memory_of_old_kernels_is_unsupported_rather_than_wrong() -> None:
    assert host.parse_meminfo("MemTotal: 10 kB\nMemFree: 2 kB\n")["mem_used"] is UNSUPPORTED


def test_processors_without_a_name() -> None:
    arm = "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd4f\n"
    assert host.parse_cpuinfo(arm) == "ARM implementer 0x41 part 0xd4f"


def disk_line(name: str, read: int, written: int, busy: int) -> str:
    return f"   8       0 {name} 10 0 {read} 5 20 0 {written} 5 0 {busy} 10\n"


def test_disks_are_counted_once() -> None:
    text = "".join(disk_line(name, 100, 200, 0) for name in ("nvme0n1", "nvme0n1p1", "dm-0", "loop0", "md0"))
    blocks = {f"/sys/block/{name}/size": "1" for name in ("nvme0n1", "dm-0", "loop0", "md0")}
    world = FileWorld({"/proc/diskstats": text, **blocks})
    disks = diskstats.Disks(world)
    assert disks.sample() == {"disk_read": NOT_YET, "disk_write": NOT_YET}
    assert disks.rows == []
    world.files["/proc/diskstats"] = disk_line("nvme0n1", 300, 600, 500)
    world.at += 2
    assert disks.sample() == {"disk_read": 100 * 512, "disk_write": 200 * 512}
    row = disks.rows[0]
    assert (row["name"], row["read_bytes_per_second"], row["busy_percent"]) == ("nvme0n1", 51200, 25.0)


def test_no_disks_read_nothing() -> None:
    assert diskstats.Disks(FileWorld({"/proc/diskstats": ""})).sample() == {"disk_read": 0, "disk_write": 0}


def net_dev(**bytes_in: int) -> str:
    lines = [f"{name}: {received} 1 2 0 0 0 0 0 {2 * received} 1 0 4 0 0 0 0" for name, received in bytes_in.items()]
    return "\n".join(["Inter-|", " face |", *lines, ""])


def interface(name: str, **attributes: str) -> dict[str, str]:
    kept = {"type": "1", "operstate": "up", "speed": "100000", "ifindex": "2", "iflink": "2", **attributes}
    return {f"/sys/class/net/{name}/{attribute}": text + "\n" for attribute, text in kept.items()}


def test_physical_ethernet_only() -> None:
    files = {
        "/proc/net/dev": net_dev(lo=5, eth0=1000, docker0=7, eth0v0=9, ib0=3),
        **interface("lo"),
        **interface("docker0"),
        **interface("eth0", **{"device/vendor": "0x15b3"}),
        **interface("eth0v0", **{"device/physfn/vendor": "0x15b3"}),
        **interface("ib0", type="32", **{"device/vendor": "0x15b3"}),
    }
    world = FileWorld(files)
    sampler = ethernet.Sampler(world, None)
    first = sampler.sample()
    assert list(first.cells["link"]) == ["eth:eth0"]
    assert node_cells(first) == {"net_rx": NOT_YET, "net_tx": NOT_YET}
    world.files["/proc/net/dev"] = net_dev(eth0=3000)
    world.at += 2
    second = sampler.sample()
    link = links_of(second)["eth:eth0"]
    assert (link["up"], link["phys"], link["speed"]) == (1, "up", 12_500_000_000)
    assert (link["rx"], link["tx"], link["rx_errors"], link["tx_discards"]) == (1000, 2000, 2, 4)
    assert node_cells(second) == {"net_rx": 1000, "net_tx": 2000}


def test_a_container_has_its_end_of_a_virtual_cable() -> None:
    files = {"/proc/net/dev": net_dev(lo=1, eth0=1), **interface("lo"), **interface("eth0", iflink="17")}
    assert list(ethernet.Sampler(FileWorld(files), None).sample().cells["link"]) == ["eth:eth0"]


@pytest.mark.parametrize(
    ("operstate", "carrier", "up"), [("up", "1", 1), ("down", "0", 0), ("unknown", "1", 1), ("unknown", "0", 0)]
)
def test_drivers_without_a_state_have_a_carrier(operstate: str, carrier: str, up: int) -> None:
    device = {"device/vendor": "1", "operstate": operstate, "carrier": carrier, "speed": "-1"}
    files = {"/proc/net/dev": net_dev(eth0=1), **interface("eth0", **device)}
    link = links_of(ethernet.Sampler(FileWorld(files), None).sample())["eth:eth0"]
    assert (link["up"], link["speed"]) == (up, UNSUPPORTED)


def tree(folder: Path) -> dict[str, str | OSError]:
    """A captured /sys/class/infiniband as files of a FileWorld."""
    return {
        f"/sys/class/infiniband/{path.relative_to(folder)}": path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_captured_infiniband_ports() -> None:
    world = FileWorld(tree(samples("infiniband-sysfs") / "procfs-fixtures/sys/class/infiniband"))
    sampler = infiniband.Sampler(world, None)
    first = links_of(sampler.sample())
    assert list(first) == ["ib:hfi1_0/1", "ib:mlx4_0/1", "ib:mlx4_0/2"]
    port = first["ib:hfi1_0/1"]
    assert (port["up"], port["phys"], port["speed"]) == (1, "LinkUp", 12_500_000_000)
    assert (port["kind"], port["rx"], port["ib.symbol_error"]) == ("infiniband", NOT_YET, 0)
    counter = "/sys/class/infiniband/hfi1_0/ports/1/counters/port_rcv_data"
    world.files[counter] = str(int(str(world.files[counter])) + 1000)
    world.at += 2
    assert links_of(sampler.sample())["ib:hfi1_0/1"]["rx"] == 1000 * 4 / 2


def test_a_captured_h100_node_tells_fabric_from_management() -> None:
    world = FileWorld(tree(samples("infiniband-sysfs") / "h100-node"))
    links = links_of(infiniband.Sampler(world, None).sample())
    kinds = {key: link["kind"] for key, link in links.items()}
    assert kinds["ib:mlx5_bond_0/1"] == "ethernet"
    assert {kinds[f"ib:mlx5_{number}/1"] for number in (0, 1, 4)} == {"infiniband"}
    assert all(isinstance(link["speed"], int) for link in links.values())


def port(**attributes: str | OSError) -> dict[str, str | OSError]:
    kept = {"state": "4: ACTIVE", "phys_state": "5: LinkUp", "rate": "400 Gb/sec (4X NDR)", "link_layer": "InfiniBand"}
    return {f"/sys/class/infiniband/mlx5_0/ports/1/{name}": text for name, text in {**kept, **attributes}.items()}


def test_infiniband_counters_that_are_not_numbers() -> None:
    attributes: dict[str, str | OSError] = {
        "counters/symbol_error": "N/A (no PMA)\n",
        "counters/link_downed": OSError(errno.EINVAL, "Invalid argument"),
        "counters/port_rcv_data": OSError(errno.EIO, "Input/output error"),
        "link_layer": "Ethernet",
        "state": "1: DOWN",
    }
    link = links_of(infiniband.Sampler(FileWorld(port(**attributes)), None).sample())["ib:mlx5_0/1"]
    assert link["ib.symbol_error"] == Missing(UNSUPPORTED.code, "N/A (no PMA)")
    assert link["ib.link_downed"] is UNSUPPORTED
    assert link["rx"] == Missing(FAILED_CODE, "Input/output error")
    assert (link["kind"], link["up"], link["speed"]) == ("roce", 0, 50_000_000_000)


def test_no_infiniband_is_no_failure() -> None:
    with pytest.raises(Absent, match="no ports in /sys/class/infiniband/"):
        infiniband.Sampler(FileWorld({}), None).sample()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), NOT_PERMITTED_CODE),
        (FileNotFoundError(errno.ENOENT, "gone"), UNSUPPORTED.code),
        (OSError(errno.EINVAL, "Invalid argument"), UNSUPPORTED.code),
        (OSError(errno.EIO, "Input/output error"), FAILED_CODE),
    ],
)
def test_why_a_file_could_not_be_read(error: OSError, code: int) -> None:
    assert from_oserror(error).code == code


MOUNTS = r"""/dev/vda / ext4 rw,relatime 0 0
/dev/vda /bound ext4 rw 0 0
tmpfs /run tmpfs rw 0 0
server:/home /home nfs4 rw 0 0
/dev/vdb /mnt/with\040space xfs rw 0 0
/dev/sr0 /cd iso9660 ro 0 0
tank/data /tank zfs rw 0 0
overlay /var/lib/docker/x overlay rw 0 0
"""


def test_local_file_systems_once_each() -> None:
    kinds = filesystems.stored_kinds("nodev\ttmpfs\n\text4\n\txfs\n\tiso9660\nnodev\tzfs\n")
    found = filesystems.local_mounts(MOUNTS, kinds)
    assert [mount for _, mount, _ in found] == ["/", "/mnt/with space", "/tank"]


def test_samplers_read_only_what_the_world_shows() -> None:
    """Every sampler of files, in a world without any: nothing to sample, and no error."""
    for module in (host, ethernet, infiniband, filesystems, processes):
        with pytest.raises(Absent):
            module.Sampler(OtherKernel(None), Board()).sample()
