"""The metric catalogue: name, scope, unit, kind, good direction, and where each vendor's value comes from.

The order within a scope is the order of the columns of `fleet.Fleet`. A name is what the query language, the screens,
`--json` and the wire all say. One metric = one line in one table below.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from watchfloor.model import Scope


class Unit(StrEnum):
    NONE = ""
    PERCENT = "%"
    CELSIUS = "°C"
    WATTS = "W"
    JOULES = "J"
    BYTES = "B"
    BYTES_PER_SECOND = "B/s"
    MEGAHERTZ = "MHz"
    SECONDS = "s"
    COUNT = "count"


class Kind(StrEnum):
    GAUGE = "gauge"
    COUNTER = "counter"  # only grows, until its source restarts
    TEXT = "text"
    FLAG = "flag"  # 0 or 1
    BITS = "bits"  # a mask
    STATE = "state"  # watchfloor.model.State


class Good(StrEnum):
    """Which direction is better, for sorting and colour."""

    HIGH = "high"
    LOW = "low"
    NEITHER = ""


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    scope: Scope
    title: str  # column header
    unit: Unit
    kind: Kind
    good: Good
    help: str
    sources: Mapping[str, str]  # vendor or "linux" or "console" -> call, path or document
    trend: bool = False  # a short history is kept for charts


def _table(scope: Scope, rows: str) -> dict[str, Metric]:
    """Metrics from lines `name | title | unit | kind | good | source; source | help`; a `+` before the name is a trend."""
    found: dict[str, Metric] = {}
    for line in rows.strip().splitlines():
        name, title, unit, kind, good, sources, help_text = (part.strip() for part in line.split("|"))
        trend, name = name.startswith("+"), name.lstrip("+")
        pairs = (source.partition(":") for source in sources.split(";"))
        found[name] = Metric(
            name, scope, title, Unit(unit), Kind(kind), Good(good), help_text,
            {vendor.strip(): where.strip() for vendor, _, where in pairs}, trend,
        )  # fmt: skip
    return found


_ACCELERATOR = _table(
    Scope.ACCELERATOR,
    """
 state          | STATE   |       | state   |      | console:worst finding | health as the checks see it
 name           | ACCEL   |       | text    |      | nvidia:gpu + nvmlDeviceGetIndex | short name within the node
 vendor         | VENDOR  |       | text    |      | nvidia:constant | who made it
 model          | MODEL   |       | text    |      | nvidia:nvmlDeviceGetName | product name
 uuid           | UUID    |       | text    |      | nvidia:nvmlDeviceGetUUID | identity that survives a reboot
 serial         | SERIAL  |       | text    |      | nvidia:nvmlDeviceGetSerial | board serial number
 bus_id         | BUS     |       | text    |      | nvidia:nvmlDeviceGetPciInfo_v3 | PCI address
 board          | BOARD   |       | text    |      | nvidia:nvmlDeviceGetBoardPartNumber | board part number
 driver         | DRIVER  |       | text    |      | nvidia:nvmlSystemGetDriverVersion | driver version
 cuda           | CUDA    |       | text    |      | nvidia:nvmlSystemGetCudaDriverVersion_v2 | highest CUDA that the driver serves
 firmware       | VBIOS   |       | text    |      | nvidia:nvmlDeviceGetVbiosVersion | VBIOS version
 partition_of   | PARENT  |       | text    |      | nvidia:nvmlDeviceGetDeviceHandleFromMigDeviceHandle | for a MIG instance: the uuid of its GPU
 user           | USER    |       | text    |      | linux:owner of the processes on it | who uses it
 job            | JOB     |       | text    |      | linux:cgroup of the processes on it | scheduler's job, where the cgroup tells
 command        | COMMAND |       | text    |      | linux:/proc/PID/cmdline | what runs on it
 index          | IDX     |       | gauge   |      | nvidia:nvmlDeviceGetIndex | index that the vendor's tool shows
+util           | UTIL    | %     | gauge   | high | nvidia:nvmlDeviceGetUtilizationRates.gpu | share of time in which a kernel ran
 mem_util       | MEMBW   | %     | gauge   | high | nvidia:nvmlDeviceGetUtilizationRates.memory | share of time in which memory was read or written
+mem_used       | MEM     | B     | gauge   |      | nvidia:nvmlDeviceGetMemoryInfo v2 used | memory in use, without what the driver reserves
 mem_total      | MEMTOT  | B     | gauge   |      | nvidia:nvmlDeviceGetMemoryInfo v2 total | memory in all
 mem_reserved   | MEMRSV  | B     | gauge   |      | nvidia:nvmlDeviceGetMemoryInfo v2 reserved | memory that the driver keeps
 mem            | MEM%    | %     | gauge   |      | console:mem_used / mem_total | share of memory in use
+temp           | TEMP    | °C    | gauge   | low  | nvidia:nvmlDeviceGetTemperature GPU | core temperature
 temp_mem       | TMEM    | °C    | gauge   | low  | nvidia:field 82 | memory temperature
 temp_margin    | MARGIN  | °C    | gauge   | high | nvidia:nvmlDeviceGetMarginTemperature | degrees left before it slows itself down; never a temperature
+power          | POWER   | W     | gauge   |      | nvidia:nvmlDeviceGetPowerUsage | draw of the board
 power_limit    | PLIMIT  | W     | gauge   |      | nvidia:nvmlDeviceGetEnforcedPowerLimit | limit now in force
 power_min      | PMIN    | W     | gauge   |      | nvidia:nvmlDeviceGetPowerManagementLimitConstraints | lowest limit that can be set
 power_max      | PMAX    | W     | gauge   |      | nvidia:nvmlDeviceGetPowerManagementLimitConstraints | highest limit that can be set
 energy         | ENERGY  | J     | counter |      | nvidia:nvmlDeviceGetTotalEnergyConsumption | since the driver was loaded
+clock_sm       | SMCLK   | MHz   | gauge   | high | nvidia:nvmlDeviceGetClockInfo SM | clock of the compute units
 clock_mem      | MEMCLK  | MHz   | gauge   | high | nvidia:nvmlDeviceGetClockInfo MEM | memory clock
 clock_sm_max   | SMMAX   | MHz   | gauge   |      | nvidia:nvmlDeviceGetMaxClockInfo SM | highest clock of the compute units
 clock_mem_max  | MCLKMAX | MHz   | gauge   |      | nvidia:nvmlDeviceGetMaxClockInfo MEM | highest memory clock
 throttle       | THROT   |       | bits    | low  | nvidia:nvmlDeviceGetCurrentClocksEventReasons | why the clocks are held down
 pstate         | PSTATE  |       | gauge   |      | nvidia:nvmlDeviceGetPerformanceState | 0 is fastest
 fan            | FAN     | %     | gauge   |      | nvidia:nvmlDeviceGetFanSpeed_v2 | fastest fan, of its maximum; can exceed 100
 pcie_gen       | PCIE    |       | gauge   |      | nvidia:nvmlDeviceGetCurrPcieLinkGeneration | PCIe generation now; idle boards step down
 pcie_gen_max   | PCIEMAX |       | gauge   |      | nvidia:nvmlDeviceGetMaxPcieLinkGeneration | best PCIe generation of board and slot
 pcie_width     | LANES   |       | gauge   |      | nvidia:nvmlDeviceGetCurrPcieLinkWidth | PCIe lanes now
 pcie_width_max | LANEMAX |       | gauge   |      | nvidia:nvmlDeviceGetMaxPcieLinkWidth | best PCIe width of board and slot
+pcie_rx        | PCIERX  | B/s   | gauge   |      | nvidia:fields 198, nvmlDeviceGetPcieThroughput RX | PCIe bytes in
 pcie_tx        | PCIETX  | B/s   | gauge   |      | nvidia:fields 197, nvmlDeviceGetPcieThroughput TX | PCIe bytes out
 pcie_replays   | REPLAY  | count | counter | low  | nvidia:nvmlDeviceGetPcieReplayCounter | PCIe packets sent again
 ecc_mode       | ECC     |       | flag    |      | nvidia:nvmlDeviceGetEccMode | error correction is on
 ecc_corrected  | ECCC    | count | counter | low  | nvidia:nvmlDeviceGetTotalEccErrors corrected, volatile | since the driver was loaded
 ecc_uncorrected | ECCU   | count | counter | low  | nvidia:nvmlDeviceGetTotalEccErrors uncorrected, volatile | since the driver was loaded
 ecc_corrected_total | ECCC∑ | count | counter | low | nvidia:nvmlDeviceGetTotalEccErrors corrected, aggregate | over the life of the board
 ecc_uncorrected_total | ECCU∑ | count | counter | low | nvidia:nvmlDeviceGetTotalEccErrors uncorrected, aggregate | over the life of the board
 rows_corrected | REMAPC  | count | counter | low  | nvidia:nvmlDeviceGetRemappedRows | rows remapped for corrected errors
 rows_uncorrected | REMAPU | count | counter | low | nvidia:nvmlDeviceGetRemappedRows | rows remapped for uncorrected errors
 rows_pending   | REMAPP  |       | flag    | low  | nvidia:nvmlDeviceGetRemappedRows | a remap waits for a reset
 rows_failed    | REMAPF  |       | flag    | low  | nvidia:nvmlDeviceGetRemappedRows | a remap failed: replace the board
 pages_retired  | PAGES   | count | counter | low  | nvidia:nvmlDeviceGetRetiredPages_v2 | pages retired (before Ampere)
 recovery       | RECOV   |       | gauge   | low  | nvidia:field 230 | action the driver asks for: 0 none, 1 GPU reset, 2 node reboot, 3 drain P2P, 4 drain and reset
 xid            | XID     |       | gauge   | low  | nvidia:nvmlEventSetWait_v2 | last XID since the probe started; 0 none so far
 persistence    | PERSIST |       | flag    |      | nvidia:nvmlDeviceGetPersistenceMode | persistence mode is on
 mig            | MIG     |       | flag    |      | nvidia:nvmlDeviceGetMigMode | partitioned by MIG
 processes      | PROCS   | count | gauge   |      | nvidia:nvmlDeviceGetComputeRunningProcesses_v3 | processes that hold it
 nvlinks        | NVLINKS | count | gauge   | high | nvidia:nvmlDeviceGetNvLinkState | NVLinks that are up
 nvlinks_max    | NVLMAX  | count | gauge   |      | nvidia:field 91 | NVLinks that it has
+nvlink_rx      | NVLRX   | B/s   | gauge   |      | nvidia:field 139 | NVLink bytes in, all links
 nvlink_tx      | NVLTX   | B/s   | gauge   |      | nvidia:field 138 | NVLink bytes out, all links
""",
)

_NODE = _table(
    Scope.NODE,
    """
 state          | STATE   |       | state   |      | console:worst finding | health as the checks see it
 name           | NODE    |       | text    |      | console:inventory | name in the inventory
 site           | SITE    |       | text    |      | console:inventory | site
 rack           | RACK    |       | text    |      | console:inventory | rack
 group          | GROUP   |       | text    |      | console:inventory | node group
 phase          | PHASE   |       | text    |      | console:supervisor | where its loop stands: live, stale, backoff …
 problem        | PROBLEM |       | text    |      | console:supervisor | in which way it can't be read
 age            | AGE     | s     | gauge   | low  | console:since the last report | age of its newest sample
 skew           | SKEW    | s     | gauge   |      | console:measured with a ping | its clock minus the console's
 round_trip     | RTT     | s     | gauge   | low  | console:measured with a ping | time of a ping and its answer
 accelerators   | ACCELS  | count | gauge   |      | console:its accelerator rows | accelerators that it reports
 power_budget   | BUDGET  | W     | gauge   |      | console:inventory | power that it may draw
 hostname       | HOST    |       | text    |      | linux:gethostname | its own name
 boot_id        | BOOT    |       | text    |      | linux:/proc/sys/kernel/random/boot_id | changes with each boot
 kernel         | KERNEL  |       | text    |      | linux:uname | kernel release
 os             | OS      |       | text    |      | linux:/etc/os-release PRETTY_NAME | distribution
 cpu_model      | CPU     |       | text    |      | linux:/proc/cpuinfo | processor
+cpu            | CPU%    | %     | gauge   |      | linux:/proc/stat | share of all CPU time that was not idle
 cpu_iowait     | IOWAIT  | %     | gauge   | low  | linux:/proc/stat | share of CPU time that waited for I/O
 cpus           | CPUS    | count | gauge   |      | linux:/proc/stat | logical processors
+load1          | LOAD1   |       | gauge   |      | linux:/proc/loadavg | load, 1 minute
 load5          | LOAD5   |       | gauge   |      | linux:/proc/loadavg | load, 5 minutes
 load15         | LOAD15  |       | gauge   |      | linux:/proc/loadavg | load, 15 minutes
 blocked        | BLOCKED | count | gauge   | low  | linux:/proc/stat procs_blocked | processes blocked on I/O
+mem_used       | MEM     | B     | gauge   |      | linux:/proc/meminfo MemTotal - MemAvailable | memory that could not be given to a new program
 mem_total      | MEMTOT  | B     | gauge   |      | linux:/proc/meminfo MemTotal | memory in all
 mem            | MEM%    | %     | gauge   |      | console:mem_used / mem_total | share of memory in use
 swap_used      | SWAP    | B     | gauge   | low  | linux:/proc/meminfo | swap in use
 swap_total     | SWAPTOT | B     | gauge   |      | linux:/proc/meminfo | swap in all
 pressure_cpu   | PSICPU  | %     | gauge   | low  | linux:/proc/pressure/cpu some avg10 | share of time in which some task waited for CPU
 pressure_mem   | PSIMEM  | %     | gauge   | low  | linux:/proc/pressure/memory some avg10 | share of time in which some task waited for memory
 pressure_io    | PSIIO   | %     | gauge   | low  | linux:/proc/pressure/io some avg10 | share of time in which some task waited for I/O
+disk_read      | DREAD   | B/s   | gauge   |      | linux:/proc/diskstats | read from whole disks
+disk_write     | DWRITE  | B/s   | gauge   |      | linux:/proc/diskstats | written to whole disks
 fs_used        | FS%     | %     | gauge   | low  | linux:statvfs | fullest local file system
+net_rx         | NETRX   | B/s   | gauge   |      | linux:/proc/net/dev | bytes in over physical interfaces
+net_tx         | NETTX   | B/s   | gauge   |      | linux:/proc/net/dev | bytes out over physical interfaces
 uptime         | UPTIME  | s     | gauge   |      | linux:/proc/uptime | since boot
""",
)

_LINK = _table(
    Scope.LINK,
    """
 state          | STATE   |       | state   |      | console:worst finding | health as the checks see it
 name           | LINK    |       | text    |      | probe:link key | short name within the node
 kind           | KIND    |       | text    |      | probe:constant | nvlink, infiniband, roce, ethernet
 accelerator    | ACCEL   |       | text    |      | probe:owner | key of the accelerator that it belongs to
 peer           | PEER    |       | text    |      | nvidia:nvmlDeviceGetNvLinkRemotePciInfo_v2 | what is at the other end
 up             | UP      |       | flag    | high | nvidia:nvmlDeviceGetNvLinkState; linux:/sys/class/infiniband/*/ports/*/state, /sys/class/net/*/operstate | the link carries traffic
 phys           | PHYS    |       | text    |      | linux:/sys/class/infiniband/*/ports/*/phys_state | physical state in the driver's words
 speed          | SPEED   | B/s   | gauge   | high | nvidia:field 164; linux:/sys/class/infiniband/*/ports/*/rate, /sys/class/net/*/speed | line speed in one direction
rx             | RX      | B/s   | gauge   |      | nvidia:field 139; linux:port_rcv_data × 4, /proc/net/dev | bytes in
tx             | TX      | B/s   | gauge   |      | nvidia:field 138; linux:port_xmit_data × 4, /proc/net/dev | bytes out
 crc_errors     | CRC     | count | counter | low  | nvidia:nvmlDeviceGetNvLinkErrorCounter | NVLink CRC errors (flit)
 replay_errors  | REPLAY  | count | counter | low  | nvidia:nvmlDeviceGetNvLinkErrorCounter | NVLink packets sent again
 recovery_errors | RECOV  | count | counter | low  | nvidia:nvmlDeviceGetNvLinkErrorCounter | NVLink recoveries
 rx_errors      | RXERR   | count | counter | low  | linux:/proc/net/dev, port_rcv_errors | packets that arrived broken
 tx_discards    | TXDISC  | count | counter | low  | linux:/proc/net/dev drop, port_xmit_discards | packets that could not be sent
 ib.symbol_error | SYMERR | count | counter | low  | linux:/sys/class/infiniband/*/ports/*/counters/symbol_error | minor errors on the lanes
 ib.link_downed | DOWNED  | count | counter | low  | linux:/sys/class/infiniband/*/ports/*/counters/link_downed | times that the link went down
 ib.link_recovery | LNKREC | count | counter | low | linux:/sys/class/infiniband/*/ports/*/counters/link_error_recovery | times that the link recovered by itself
""",
)

CATALOGUE: Mapping[Scope, Mapping[str, Metric]] = {
    Scope.ACCELERATOR: _ACCELERATOR,
    Scope.NODE: _NODE,
    Scope.LINK: _LINK,
}

COLUMNS: Mapping[Scope, Mapping[str, int]] = {
    scope: {name: column for column, name in enumerate(table)} for scope, table in CATALOGUE.items()
}

# nvml.h, nvmlClocksEventReason*: what each bit of `throttle` means. Idle and application clocks are no fault.
THROTTLE_REASONS: Mapping[int, str] = {
    0x1: "idle",
    0x2: "application clocks",
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "thermal (software)",
    0x40: "thermal (hardware)",
    0x80: "power brake",
    0x100: "display clocks",
}


def throttle_reasons(mask: int) -> list[str]:
    """The reasons within a mask, in the order of their bits; an unknown bit as its hexadecimal value."""
    known = [text for bit, text in THROTTLE_REASONS.items() if mask & bit]
    unknown = mask & ~sum(THROTTLE_REASONS)
    return [*known, hex(unknown)] if unknown else known


# nvml.h, nvmlDeviceGpuRecoveryAction_t (field 230)
RECOVERY_ACTIONS: Mapping[int, str] = {
    0: "none",
    1: "reset the GPU",
    2: "reboot the node",
    3: "drain peer-to-peer",
    4: "drain and reset",
    5: "recover IMEX",
    6: "reset the bus",
    7: "reboot the system",
}
