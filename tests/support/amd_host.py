"""Worlds with AMD boards, made of the files of amdgpu and kfd: one builder a generation, values of its own kind."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Callable, Mapping

from tests.support.worlds import FileWorld

ROOT = "/sys/bus/pci/devices/"
NODES = "/sys/class/kfd/kfd/topology/nodes/"
Files = dict[str, str | OSError]
NAMES = {  # of revision 1.9: enum amdgpu_metrics_attr_id
    "hotspot": 0, "mem": 1, "power": 3, "gfx": 4, "umc": 5, "energy": 7, "ticks": 9, "prochot": 10, "ppt": 11,
    "socket": 12, "vr": 13, "hbm": 14, "width": 18, "speed": 19, "pcie": 23, "replays": 25, "read": 29, "write": 30,
    "status": 31, "gfxclk": 33, "uclk": 37, "busy": 40, "label": 52,
}  # fmt: skip
TYPES = {"H": 2, "I": 4, "Q": 6}  # enum amdgpu_metrics_attr_type


class AmdWorld(FileWorld):
    """`links`: path -> target. `programs`: name -> what it answers to its arguments."""

    def __init__(
        self,
        files: Mapping[str, str | OSError],
        links: Mapping[str, str] | None = None,
        programs: Mapping[str, Callable[[list[str]], str]] | None = None,
    ) -> None:
        super().__init__(files)
        self.links = dict(links or {})
        self.programs = dict(programs or {})

    def readlink(self, path: str) -> str:
        if path not in self.links:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return self.links[path]

    def uname(self) -> os.uname_result:
        return os.uname_result(("Linux", "node1", "6.8.0-52-generic", "#53", "x86_64"))

    def which(self, program: str) -> str | None:
        return f"/opt/rocm/bin/{program}" if program in self.programs else None

    def run(self, argv: list[str], timeout_seconds: float) -> tuple[int, str, str]:
        try:
            return 0, self.programs[argv[0].rpartition("/")[2]](argv), ""
        except OSError as error:
            return 1, "", str(error)


def under(folder: str, files: Mapping[str, str | OSError]) -> Files:
    return {f"{folder}/{name}": text for name, text in files.items()}


def uevent(address: str, device: int, kind: str = "120000", driver: str = "amdgpu") -> str:
    return f"DRIVER={driver}\nPCI_CLASS={kind}\nPCI_ID=1002:{device:04X}\nPCI_SLOT_NAME={address}\n"


def table_1_3(**more: int) -> str:
    """gpu_metrics 1.3 as a file's text; keywords: offset_format, as o112Q=1."""
    table = bytearray(b"\xff" * 120)
    struct.pack_into("<HBB", table, 0, 120, 1, 3)
    for place, value in more.items():
        struct.pack_into("<" + place[-1], table, int(place[1:-1]), value)
    return bytes(table).decode("latin-1")


def table_1_9(**fields: tuple[str, tuple[int, ...]]) -> str:
    """gpu_metrics 1.9 as a file's text; keywords: a name of NAMES, with format and values."""
    parts = [struct.pack("<HBBI", 0xFFFF, 1, 9, len(fields))]
    for name, (form, values) in fields.items():
        parts.append(struct.pack("<Q", 1 << 24 | TYPES[form] << 20 | NAMES[name] << 10 | len(values)))
        parts.append(struct.pack(f"<{len(values)}{form}", *values))
    return b"".join(parts).decode("latin-1")


def kfd_node(number: int, gpu_id: int, properties: str, links: Mapping[int, str] | None = None) -> Files:
    found: Files = {f"{NODES}{number}/properties": properties, f"{NODES}{number}/gpu_id": f"{gpu_id}\n"}
    for link, text in (links or {}).items():
        found[f"{NODES}{number}/io_links/{link}/properties"] = text
    return found


def io_link(to: int, kind: int, weight: int, speed: int, flags: int = 1) -> str:
    return f"type {kind}\nnode_to {to}\nweight {weight}\nmax_bandwidth {speed}\nflags {flags}\n"


def mi300x_pair() -> AmdWorld:
    """Two MI300X of one hive under a driver whose table names its fields, and one of them has corrected errors."""
    files: Files = {"/sys/module/amdgpu/version": "6.16.13\n", "/opt/rocm/.info/version": "7.2.4-81\n"}
    links: dict[str, str] = {}
    addresses = ["0000:05:00.0", "0000:26:00.0"]
    for index, address in enumerate(addresses):
        folder = ROOT + address
        files.update(under(folder, _mi300x(address, index)))
        links[folder] = f"../../../devices/pci0000:00/0000:0{index}:01.1/{address}"
        for member, other in enumerate(addresses, 1):
            links[f"{folder}/xgmi_hive_info/node{member}"] = f"../../../{other}"
        other = 3 - index  # of the topology, where processors come first
        way = {0: io_link(0, 2, 20, 64000), 1: io_link(other, 11, 15, 64000)}
        files.update(kfd_node(index + 2, 100 + index, f"location_id {0x500 + 0x2100 * index}\nhive_id 99\n", way))
    files.update(kfd_node(0, 0, "cpu_cores_count 96\n"))
    files["/sys/class/kfd/kfd/proc/4242/vram_100"] = "1073741824\n"
    files["/sys/class/kfd/kfd/proc/4242/vram_101"] = "0\n"
    return AmdWorld(files, links)


def mi300x_halves() -> AmdWorld:
    """The first of the pair in two partitions; a process on the second of these."""
    world = mi300x_pair()
    folder = ROOT + "0000:05:00.0"
    world.files.update(under(folder, {"current_compute_partition": "DPX\n", "current_memory_partition": "NPS2\n"}))
    for number, gpu_id in enumerate((100, 900)):
        node = kfd_node(2 + 2 * number, gpu_id, f"location_id {0x500 + number}\nhive_id 99\n")
        node[f"{NODES}{2 + 2 * number}/mem_banks/0/properties"] = "heap_type 1\nsize_in_bytes 103070826496\n"
        world.files.update(node)
    world.files["/sys/class/kfd/kfd/topology/generation_id"] = "2\n"
    world.files["/sys/class/kfd/kfd/proc/4242/vram_100"] = "0\n"
    world.files["/sys/class/kfd/kfd/proc/4242/vram_900"] = "1073741824\n"
    return world


def _mi300x(address: str, index: int) -> Files:
    return {
        "uevent": uevent(address, 0x74A1),
        "numa_node": "-1\n" if index else "0\n",
        "gpu_metrics": mi300x_table(0, index),
        "unique_id": f"af54e92b0a5d57c{index}\n",
        "product_name": "AMD Instinct MI300X OAM\n",
        "product_number": "102-G30211-0C\n",
        "serial_number": "692412345678\n",
        "vbios_version": "113-M3000100-102\n",
        "mem_info_vram_total": "206141652992\n",
        "mem_info_vram_used": "311427072\n",
        "current_compute_partition": "SPX\n",
        "current_memory_partition": "NPS1\n",
        "pp_dpm_sclk": "S: 38Mhz *\n0: 132Mhz\n1: 2100Mhz\n",
        "pp_dpm_mclk": "0: 900Mhz *\n1: 1100Mhz\n2: 1300Mhz\n",
        "ras/features": "feature mask: 0x13fffff\n",
        "ras/umc_err_count": f"ue: 0\nce: {4 * index}\n",
        "ras/gfx_err_count": f"ue: {index}\nce: 0\n",
        "ras/gpu_vram_bad_pages": "0x00000000 : 0x00001000 : R\n0x00001000 : 0x00001000 : P\n" * index,
        "hwmon/hwmon3/temp2_label": "junction\n",
        "hwmon/hwmon3/temp2_crit": "100000\n",
        "hwmon/hwmon3/temp3_label": "mem\n",
        "hwmon/hwmon3/power1_cap": "750000000\n",
        "hwmon/hwmon3/power1_cap_max": "750000000\n",
        "hwmon/hwmon3/power1_cap_min": "0\n",
        "current_link_speed": "32.0 GT/s PCIe\n",
        "current_link_width": "16\n",
        "max_link_speed": "32.0 GT/s PCIe\n",
        "max_link_width": "16\n",
        "xgmi_port_num": f"0{index + 1}:02 ->  0{2 - index}:03\n",
    }


def mi300x_table(second: int, index: int = 0) -> str:
    """A board at work: 70 % of the time at its power limit, 1 GiB a second in over port 2, half as much out."""
    none = 2**64 - 1
    read = [none, none, 2**20 * second, *[none] * 5]
    return table_1_9(
        hotspot=("H", (66,)), mem=("H", (51,)), power=("H", (706,)), gfx=("H", (100,)), umc=("H", (31,)),
        energy=("Q", (65536 * 700 * (second + 1),)), ticks=("I", (1000 * second + 5000,)), prochot=("I", (0,)),
        ppt=("I", (700 * second + 2000,)), socket=("I", (0,)), vr=("I", (0,)), hbm=("I", (0,)), width=("H", (16,)),
        speed=("H", (32,)), pcie=("Q", (640 + second,)), replays=("Q", (index,)), read=("Q", tuple(read)),
        write=("Q", tuple(value if value == none else value // 2 for value in read)),
        status=("H", (0, 0, 1, 0, 0, 0, 0, 0)), gfxclk=("H", (1262, 1317, 1290, 1291, *[0xFFFF] * 4)),
        uclk=("H", (1300,)), busy=("I", (100, 98, 7, 0xFFFFFFFF)), label=("I", (7,)),
    )  # fmt: skip


def mi210_bridge() -> AmdWorld:
    """Two MI210 with a bridge, under the kernel's own driver: links are known from the topology alone."""
    files: Files = {}
    for index, address in enumerate(["0000:63:00.0", "0000:43:00.0"]):
        hot = 1 << 36 | 1  # the hot spot, which some firmware always reports, and the power limit
        table = table_1_3(
            o4H=44, o6H=49, o8H=53, o16H=97, o18H=12, o22H=300 if index else 0, o24Q=0, o54H=1700, o58H=1600,
            o68I=2, o112Q=hot,
        )  # fmt: skip
        files.update(under(ROOT + address, {
            "uevent": uevent(address, 0x740F, "038000"), "gpu_metrics": table,
            "unique_id": f"18f68e602b8a790{index}\n", "product_name": "\n", "revision": "0x02\n",
            "serial_number": "0\n", "vbios_version": "113-D67301-059\n", "mem_info_vram_total": "68702699520\n",
            "mem_info_vram_used": "10960896\n", "hwmon/hwmon2/temp1_label": "edge\n",
            "hwmon/hwmon2/temp2_label": "junction\n", "hwmon/hwmon2/temp2_crit": "100000\n",
            "hwmon/hwmon2/power1_cap": "300000000\n", "pcie_replay_count": f"{3 * index}\n",
        }))  # fmt: skip
        bus = int(address.split(":")[1], 16)
        way = {0: io_link(0, 2, 20, 32000), 1: io_link(2 - index, 11, 15, 50000)}
        files.update(kfd_node(index + 1, 7 + index, f"location_id {bus << 8}\nhive_id 12\n", way))
    files["/usr/share/libdrm/amdgpu.ids"] = "# list\n1.0.0\n740F,\t02,\tAMD Instinct MI210\n"
    return AmdWorld(files)


def radeon() -> AmdWorld:
    """A Radeon without a table and without the compute driver: single files tell what there is."""
    files = under(ROOT + "0000:03:00.0", {
        "uevent": uevent("0000:03:00.0", 0x73DF, "030000"), "revision": "0xc1\n", "gpu_busy_percent": "4\n",
        "mem_busy_percent": "1\n", "mem_info_vram_total": "12868124672\n", "mem_info_vram_used": "1572757504\n",
        "pcie_replay_count": "0\n", "hwmon/hwmon0/temp1_label": "edge\n", "hwmon/hwmon0/temp1_input": "45000\n",
        "hwmon/hwmon0/temp2_label": "junction\n", "hwmon/hwmon0/temp2_input": "47000\n",
        "hwmon/hwmon0/temp2_crit": "110000\n", "hwmon/hwmon0/power1_average": "6000000\n",
        "hwmon/hwmon0/power1_cap": "211000000\n", "hwmon/hwmon0/freq1_input": "500000000\n",
        "hwmon/hwmon0/freq2_input": "96000000\n", "hwmon/hwmon0/pwm1": "51\n",
        "pp_dpm_sclk": "0: 500Mhz *\n1: 2725Mhz\n",
    })  # fmt: skip
    return AmdWorld(files)
