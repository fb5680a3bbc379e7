"""The metric catalogue: name, scope, unit, kind, good direction, and what it is.

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
    PER_SECOND = "/s"


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
    sources: Mapping[str, str]  # "linux", "probe" or "console" -> call or path; watchfloor.vendors has the others
    trend: bool = False  # a short history is kept for charts


def _table(scope: Scope, rows: str) -> dict[str, Metric]:
    """Metrics from lines `name | title | unit | kind | good | source; source | help`; a `+` before the name is a trend.

    Here stand the sources that are no vendor's; those of vendors are in `watchfloor/vendors`.
    """
    found: dict[str, Metric] = {}
    for line in rows.strip().splitlines():
        name, title, unit, kind, good, sources, help_text = (part.strip() for part in line.split("|"))
        trend, name = name.startswith("+"), name.lstrip("+")
        pairs = (source.partition(":") for source in sources.split(";") if source)
        found[name] = Metric(
            name, scope, title, Unit(unit), Kind(kind), Good(good), help_text,
            {vendor.strip(): where.strip() for vendor, _, where in pairs}, trend,
        )  # fmt: skip
    return found


_ACCELERATOR = _table(
    Scope.ACCELERATOR,
    """
 state          | STATE   |       | state   |      | console:worst finding | health as the checks see it
 name           | ACCEL   |       | text    |      | | short name within the node
 vendor         | VENDOR  |       | text    |      | | who made it
 model          | MODEL   |       | text    |      | | product name
 uuid           | UUID    |       | text    |      | | identity that survives a reboot
 serial         | SERIAL  |       | text    |      | | board serial number
 bus_id         | BUS     |       | text    |      | | PCI address
 board          | BOARD   |       | text    |      | | board part number
 driver         | DRIVER  |       | text    |      | | driver version
 runtime        | RUNTIME |       | text    |      | | what programs are built upon, with its version: CUDA 12.8, ROCm 6.4, libtpu 0.0.52; the highest that the driver serves
 firmware       | FIRMW   |       | text    |      | | firmware of the board: VBIOS, IFWI
 partition_of   | PARENT  |       | text    |      | | for a partition (MIG instance, AMD's CPX …): the key of its board
 profile        | PROFILE |       | text    |      | | shape of a partition, or how a board is partitioned, in the vendor's words: 1g.10gb, CPX/NPS4
 fabric         | FABRIC  |       | text    |      | | scale-up domain that it has joined, as cluster/clique, slice or hive
 fabric_state   | FABSTATE |      | text    |      | | how far it has come in joining it
 user           | USER    |       | text    |      | linux:owner of the processes on it | who uses it
 job            | JOB     |       | text    |      | linux:cgroup of the processes on it, else their SLURM_JOB_ID | scheduler's job, where the cgroup or the environment tells
 rank           | RANK    |       | text    |      | linux:/proc/PID/environ | ranks of the processes on it, as their launcher numbers them: 3, 0-3
 run            | RUN     |       | text    |      | linux:/proc/PID/environ | runs that they are recorded as: wandb:team/project/run, mlflow:run, torchelastic:run, ray:job
 command        | COMMAND |       | text    |      | linux:/proc/PID/cmdline | what runs on it
 index          | IDX     |       | gauge   |      | | index that the vendor's tool shows
 numa           | NUMA    |       | gauge   |      | linux:/sys/bus/pci/devices/*/numa_node | NUMA node of the host that it hangs on
+util           | UTIL    | %     | gauge   | high | | share of time in which a kernel ran
 mem_util       | MEMBW   | %     | gauge   | high | | share of time in which memory was read or written
 sm_active      | SMACT   | %     | gauge   | high | | share of compute units that were busy
 sm_occupancy   | OCCUP   | %     | gauge   | high | | warps (or waves) in flight, of the most that fit
 tensor_active  | TENSOR  | %     | gauge   | high | | share of time in which matrix units worked
 dram_active    | DRAM    | %     | gauge   | high | | memory bandwidth in use, of the most there is
+mem_used       | MEM     | B     | gauge   |      | | memory in use, without what the driver reserves
 mem_total      | MEMTOT  | B     | gauge   |      | | memory in all
 mem_reserved   | MEMRSV  | B     | gauge   |      | | memory that the driver keeps
 mem            | MEM%    | %     | gauge   |      | console:mem_used / mem_total | share of memory in use
+temp           | TEMP    | °C    | gauge   | low  | | core temperature
 temp_mem       | TMEM    | °C    | gauge   | low  | | memory temperature
 temp_margin    | MARGIN  | °C    | gauge   | high | | degrees left before it slows itself down; never a temperature
+power          | POWER   | W     | gauge   |      | | draw of the board
 power_share    | PWR%    | %     | gauge   |      | | draw, of the most that it may draw: of boards that tell no watts
 power_module   | PMODULE | W     | gauge   |      | | draw of the module, its CPU included
 power_limit    | PLIMIT  | W     | gauge   |      | | limit now in force
 power_min      | PMIN    | W     | gauge   |      | | lowest limit that can be set
 power_max      | PMAX    | W     | gauge   |      | | highest limit that can be set
 energy         | ENERGY  | J     | counter |      | | since the driver was loaded
+clock_sm       | SMCLK   | MHz   | gauge   | high | | clock of the compute units
 clock_mem      | MEMCLK  | MHz   | gauge   | high | | memory clock
 clock_sm_max   | SMMAX   | MHz   | gauge   |      | | highest clock of the compute units
 clock_mem_max  | MCLKMAX | MHz   | gauge   |      | | highest memory clock
 clock_sm_app   | SMAPP   | MHz   | gauge   |      | | clock of the compute units that programs are given (application clock)
 clock_mem_app  | MEMAPP  | MHz   | gauge   |      | | memory clock that programs are given (application clock)
 throttle       | THROT   |       | bits    | low  | | why the clocks are held down
 throttled      | THROT%  | %     | gauge   | low  | | how far it holds itself back, of its full pace
 throttle_power_time | THRPWR | s  | counter | low  | | time in which the clocks were held down for want of power, since the driver was loaded
 throttle_thermal_time | THRTEMP | s | counter | low | | time in which the clocks were held down for heat, since the driver was loaded
 pstate         | PSTATE  |       | gauge   |      | | 0 is fastest
 fan            | FAN     | %     | gauge   |      | | fastest fan, of its maximum; can exceed 100
 pcie_gen       | PCIE    |       | gauge   |      | | PCIe generation now; idle boards step down
 pcie_gen_max   | PCIEMAX |       | gauge   |      | | best PCIe generation of board and slot
 pcie_width     | LANES   |       | gauge   |      | | PCIe lanes now
 pcie_width_max | LANEMAX |       | gauge   |      | | best PCIe width of board and slot
+pcie_rx        | PCIERX  | B/s   | gauge   |      | | PCIe bytes in
 pcie_tx        | PCIETX  | B/s   | gauge   |      | | PCIe bytes out
 pcie_replays   | REPLAY  | count | counter | low  | | PCIe packets sent again
 ecc_mode       | ECC     |       | flag    |      | | error correction is on
 ecc_corrected  | ECCC    | count | counter | low  | | since the driver was loaded
 ecc_uncorrected | ECCU   | count | counter | low  | | since the driver was loaded
 ecc_corrected_total | ECCC∑ | count | counter | low | | over the life of the board
 ecc_uncorrected_total | ECCU∑ | count | counter | low | | over the life of the board
 ecc_sram       | ECCSRAM | count | counter | low  | | uncorrected errors of on-chip memory, over the life of the board
 ecc_sram_corrected | SRAMC | count | counter | low | | corrected errors of on-chip memory, over the life of the board
 sram_threshold | SRAMTHR |       | flag    | low  | | uncorrected errors of on-chip memory are more than the vendor allows: run its diagnostics
 rows_corrected | REMAPC  | count | counter | low  | | rows remapped for corrected errors
 rows_uncorrected | REMAPU | count | counter | low | | rows remapped for uncorrected errors
 rows_pending   | REMAPP  |       | flag    | low  | | a remap waits for a reset
 rows_failed    | REMAPF  |       | flag    | low  | | a remap failed: replace the board
 repair_pending | REPAIR  |       | flag    | low  | | a repair of a memory channel waits for a reset
 pages_retired  | PAGES   | count | counter | low  | | pages of memory retired (NVIDIA before Ampere, AMD)
 pages_pending  | PAGESP  |       | flag    | low  | | a page of memory waits for a reset to be retired
 recovery       | RECOV   |       | gauge   | low  | | action the driver asks for: 0 none, 1 GPU reset, 2 node reboot, 3 drain P2P, 4 drain and reset
 xid            | XID     |       | gauge   | low  | | last XID since the probe started; 0 none so far
 persistence    | PERSIST |       | flag    |      | | persistence mode is on
 mig            | MIG     |       | flag    |      | | partitioned by MIG
 processes      | PROCS   | count | gauge   |      | | processes that hold it
 orphan_mem     | ORPHAN  | B     | gauge   | low  | linux:/proc/PID/stat of the processes on it | its memory that processes hold whose parent is gone
 links_up       | LINKS   | count | gauge   | high | | scale-up links that are up: NVLink, XGMI, ICI, NeuronLink, Gaudi ports, Xe Links
 links_max      | LINKMAX | count | gauge   |      | | scale-up links that it has
+link_rx        | LINKRX  | B/s   | gauge   |      | | bytes in over its scale-up links
 link_tx        | LINKTX  | B/s   | gauge   |      | | bytes out over its scale-up links
 queue          | QUEUE   | count | gauge   | low  | | programs that wait on the device
 exec_latency   | LATENCY | s     | gauge   | low  | | time that an execution takes, 99th percentile of the last period
 exec_errors    | EXECERR | count | counter | low  | | executions that failed, since the runtime was started
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
 pci_accelerators | PCI   | count | gauge   |      | linux:/sys/bus/pci/devices/*/uevent | accelerators that its PCI bus lists, told of or not
 pci_addresses  | PCIADDR |       | text    |      | linux:/sys/bus/pci/devices | their addresses
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
 zombies        | ZOMBIES | count | gauge   | low  | linux:/proc/PID/stat | processes that have ended and whose parent doesn't notice
 unkillable     | STUCK   | count | gauge   | low  | linux:/proc/PID/status ShdPnd | processes that hang in the kernel although they were told to end
 pid_max        | PIDMAX  | count | gauge   |      | linux:/proc/sys/kernel/pid_max | processes that it can have
 unit_fabricmanager | FABMGR |    | text    |      | linux:cgroup, systemctl show | service nvidia-fabricmanager: running, stopped (and enabled), disabled, starting, restarting or failed, with systemd's reason
 unit_imex      | IMEX    |       | text    |      | linux:cgroup, systemctl show | service nvidia-imex, likewise
 unit_persistenced | PERSISTD |   | text    |      | linux:cgroup, systemctl show | service nvidia-persistenced, likewise
 unit_dcgm      | DCGM    |       | text    |      | linux:cgroup, systemctl show | service nvidia-dcgm or dcgm, likewise
 unit_slurmd    | SLURMD  |       | text    |      | linux:cgroup, systemctl show | service slurmd, likewise
 unit_munge     | MUNGE   |       | text    |      | linux:cgroup, systemctl show | service munge, likewise
 unit_kubelet   | KUBELET |       | text    |      | linux:cgroup, systemctl show | service kubelet, likewise
""",
)

_LINK = _table(
    Scope.LINK,
    """
 state          | STATE   |       | state   |      | console:worst finding | health as the checks see it
 name           | LINK    |       | text    |      | probe:link key | short name within the node
 kind           | KIND    |       | text    |      | probe:constant | nvlink, pcie, infiniband, roce, ethernet, xgmi, ici, neuronlink, gaudi, xelink
 medium         | MEDIUM  |       | text    |      | linux:/sys/class/infiniband/*/ports/*/rate, /sys/bus/pci/devices/*/max_link_speed | what its speed is called: NDR, HDR, 100GBASE-CR4, PCIe 5.0
 accelerator    | ACCEL   |       | text    |      | probe:owner | key of the accelerator that it belongs to
 peer           | PEER    |       | text    |      | linux:lldpctl, smpquery nodedesc and nodeinfo of the next switch; PCI port above the device | what is at the other end
 switch         | SWITCH  |       | text    |      | linux:lldpctl, smpquery nodedesc | switch, leaf or fabric that the other end belongs to, where LLDP, ibnetdiscover or the inventory tells it
 up             | UP      |       | flag    | high | linux:/sys/class/infiniband/*/ports/*/state, /sys/class/net/*/operstate | the link carries traffic
 phys           | PHYS    |       | text    |      | linux:/sys/class/infiniband/*/ports/*/phys_state | physical state in the driver's words; of interfaces whether one is disabled, and its place in a bond
 speed          | SPEED   | B/s   | gauge   | high | linux:/sys/class/infiniband/*/ports/*/rate, /sys/class/net/*/speed, /sys/bus/pci/devices/*/current_link_speed, current_link_width | line speed in one direction
 speed_max      | BEST    | B/s   | gauge   |      | linux:/sys/bus/pci/devices/*/max_link_speed, max_link_width of the device and its upstream port, smpquery portinfo of both ends | best line speed of both ends, in one direction
 width          | LANES   | count | gauge   |      | linux:/sys/class/infiniband/*/ports/*/rate, /sys/bus/pci/devices/*/current_link_width | lanes in use
 width_max      | LANEMAX | count | gauge   |      | linux:/sys/bus/pci/devices/*/max_link_width, smpquery portinfo | lanes that both ends have
 pci_path       | PCIPATH |       | text    |      | linux:/sys/bus/pci/devices/* | root complex and PCI bridges above the device of a PCIe link
 numa           | NUMA    |       | gauge   |      | linux:/sys/bus/pci/devices/*/numa_node | NUMA node of the host that the adapter of a PCIe link hangs on
 gen            | GEN     |       | gauge   |      | linux:/sys/bus/pci/devices/*/current_link_speed | generation in use (PCIe, NVLink)
 gen_max        | GENMAX  |       | gauge   |      | linux:/sys/bus/pci/devices/*/max_link_speed | best generation of both ends
rx             | RX      | B/s   | gauge   |      | linux:port_rcv_data × 4 or the driver's own count in hw_counters, /proc/net/dev | bytes in
tx             | TX      | B/s   | gauge   |      | linux:port_xmit_data × 4 or the driver's own count in hw_counters, /proc/net/dev | bytes out
 traffic        | BOTH    | B/s   | gauge   |      | | bytes in and out together, where nobody tells them apart (PCIe of AMD boards from MI300 on)
+usage          | USAGE   | %     | gauge   |      | console:max(rx, tx) / speed, traffic / (2 × speed) | share of its line speed in use, in the busier direction, or of both together where nobody tells them apart; a trend of InfiniBand and RoCE ports alone
 crc_errors     | CRC     | count | counter | low  | | packets with a wrong checksum (NVLink flits, PCIe LCRC)
 replay_errors  | REPLAY  | count | counter | low  | linux:/sys/bus/pci/devices/*/aer_dev_correctable | packets sent again (NVLink, PCIe)
 recovery_errors | RECOV  | count | counter | low  | | times that the link had to be recovered (NVLink, PCIe)
 symbol_errors  | SYMBOL  | count | counter | low  | | symbols that were still broken after correction (NVLink 5, Gaudi)
 fec_errors     | FEC     | count | counter | low  | | blocks that forward error correction could not mend
 fec_mended     | MENDED  | count | counter |      | | blocks that forward error correction mended: the lane's margin, no fault
 ber            | BER     |       | gauge   | low  | | effective bit error rate
 ici.health     | HEALTH  |       | gauge   | low  | | 0 good, 1-5 transient, 6-9 persistent, 10 unusable (ICI)
 resets         | RESETS  | count | counter | low  | | times that the link was brought up anew
 rx_errors      | RXERR   | count | counter | low  | linux:/proc/net/dev, port_rcv_errors, aer_dev_correctable | packets that arrived broken
 tx_discards    | TXDISC  | count | counter | low  | linux:/proc/net/dev drop, port_xmit_discards | packets that could not be sent
 ib.symbol_error | SYMERR | count | counter | low  | linux:/sys/class/infiniband/*/ports/*/counters/symbol_error | minor errors on the lanes
 ib.link_downed | DOWNED  | count | counter | low  | linux:/sys/class/infiniband/*/ports/*/counters/link_downed | times that the link went down
 ib.link_recovery | LNKREC | count | counter | low | linux:/sys/class/infiniband/*/ports/*/counters/link_error_recovery | times that the link recovered by itself
 ib.local_integrity | INTEGR | count | counter | low | linux:/sys/class/infiniband/*/ports/*/counters/local_link_integrity_errors | errors of the physical link beyond its threshold
 ib.buffer_overrun | OVERRUN | count | counter | low | linux:/sys/class/infiniband/*/ports/*/counters/excessive_buffer_overrun_errors | buffer overruns in a row beyond the threshold
 ib.xmit_wait   | WAIT    | count | counter |      | linux:/sys/class/infiniband/*/ports/*/counters/port_xmit_wait | ticks in which there was data to send and no credit: congestion
 rdma.rnr_nak_retry | RNRNAK | count | counter | low | linux:/sys/class/infiniband/*/ports/*/hw_counters/rnr_nak_retry_err | retries for a receiver that was not ready, used up
 rdma.ack_timeout | ACKTIME | count | counter | low | linux:/sys/class/infiniband/*/ports/*/hw_counters/local_ack_timeout_err | acknowledgements that did not come in time
 rdma.out_of_sequence | OOSEQ | count | counter | low | linux:/sys/class/infiniband/*/ports/*/hw_counters/out_of_sequence | packets out of their order
 roce.slow_restart | SLOWRST | count | counter | low | linux:/sys/class/infiniband/*/ports/*/hw_counters/roce_slow_restart | restarts of the slow start after lost packets
 roce.cnp       | CNP     | count | counter | low  | linux:/sys/class/infiniband/*/ports/*/hw_counters/np_cnp_sent | congestion notifications that it sent
 carrier_changes | CARRIER | count | counter | low | linux:/sys/class/net/*/carrier_changes | times that the carrier came or went
""",
)

_SERVICE = _table(
    Scope.SERVICE,
    """
 state          | STATE   |       | state   |      | console:worst finding | health as the checks see it
 name           | SERVICE |       | text    |      | probe:kind and port | short name within the node
 kind           | KIND    |       | text    |      | probe:what its metrics are called | vllm, triton, sglang, tgi
 model          | MODEL   |       | text    |      | vllm:label model_name; triton:label model; sglang:label model_name | models that it serves
 version        | VERSION |       | text    |      | | version of the server
 endpoint       | ENDPOINT |      | text    |      | probe:where its metrics are read | address of its metrics
 up             | UP      |       | flag    | high | probe:it answers | it answers
 running        | RUNNING | count | gauge   |      | vllm:vllm:num_requests_running; triton:nv_trt_llm_request_metrics scheduled; sglang:sglang:num_running_reqs; tgi:tgi_batch_current_size | requests that it works on
 waiting        | WAITING | count | gauge   | low  | vllm:vllm:num_requests_waiting; triton:nv_inference_pending_request_count, nv_trt_llm_request_metrics waiting; sglang:sglang:num_queue_reqs; tgi:tgi_queue_size | requests that wait for their turn
 kv_cache       | KV%     | %     | gauge   | low  | vllm:vllm:kv_cache_usage_perc, gpu_cache_usage_perc; triton:nv_trt_llm_kv_cache_block_metrics fraction; sglang:sglang:token_usage | share of the key-value cache in use, of its fullest engine
 request_rate   | REQ/s   | /s    | gauge   |      | vllm:vllm:request_success_total; triton:nv_inference_request_success; sglang:sglang:num_requests_total; tgi:tgi_request_success | requests that ended, a second
 prompt_rate    | PROMPT/s | /s   | gauge   |      | vllm:vllm:prompt_tokens_total; sglang:sglang:prompt_tokens_total; tgi:tgi_request_input_length | tokens of prompts, a second
 token_rate     | TOKEN/s | /s    | gauge   |      | vllm:vllm:generation_tokens_total; sglang:sglang:generation_tokens_total; tgi:tgi_request_generated_tokens | tokens generated, a second
 first_token    | TTFT    | s     | gauge   | low  | vllm:vllm:time_to_first_token_seconds; triton:nv_inference_first_response_histogram_ms; sglang:sglang:time_to_first_token_seconds | time to the first token, mean over the last half minute
 per_token      | TPOT    | s     | gauge   | low  | vllm:vllm:inter_token_latency_seconds, time_per_output_token_seconds, request_time_per_output_token_seconds; sglang:sglang:inter_token_latency_seconds; tgi:tgi_request_mean_time_per_token_duration | time for each further token, mean over the last half minute
 latency        | LATENCY | s     | gauge   | low  | vllm:vllm:e2e_request_latency_seconds; triton:nv_inference_request_duration_us / nv_inference_request_success; sglang:sglang:e2e_request_latency_seconds; tgi:tgi_request_duration | time of a whole request, mean over the last half minute
 queue_time     | QUEUED  | s     | gauge   | low  | vllm:vllm:request_queue_time_seconds; triton:nv_inference_queue_duration_us / nv_inference_request_success; sglang:sglang:queue_time_seconds; tgi:tgi_request_queue_duration | time that a request waited, mean over the last half minute
 requests       | REQS    | count | counter |      | vllm:vllm:request_success_total stop, length; triton:nv_inference_request_success; sglang:sglang:num_requests_total; tgi:tgi_request_success | requests that ended well
 failures       | FAILED  | count | counter | low  | vllm:vllm:request_success_total error; triton:nv_inference_request_failure; sglang:sglang:num_aborted_requests_total; tgi:tgi_request_failure | requests that failed
 preemptions    | PREEMPT | count | counter | low  | vllm:vllm:num_preemptions_total | requests that had to give back their cache
""",
)

# what the console reckons of a job comes from the accelerators that are its; what nobody tells of it is missing
_JOB = _table(
    Scope.JOB,
    """
 state          | STATE   |       | state   |      | console:worst finding on its accelerators | health of what it runs on
 name           | JOB     |       | text    |      | console:the source | what people call it: 4242, 4200_7, namespace/pod; queries of it look at its title, too
 id             | ID      |       | text    |      | console:the source | unique in the fleet: slurm:4242, ray:raysubmit_1
 title          | NAME    |       | text    |      | console:the source | name that its owner gave it
 user           | USER    |       | text    |      | console:the source | whose it is
 account        | ACCOUNT |       | text    |      | console:the source | who pays: Slurm's account, Kubernetes' namespace
 queue          | QUEUE   |       | text    |      | console:the source | partition or queue
 qos            | QOS     |       | text    |      | console:the source | quality of service
 source         | SOURCE  |       | text    |      | console:the source | who tells of it
 kind           | KIND    |       | text    |      | console:the source | slurm, kubernetes, ray, process
 phase          | PHASE   |       | text    |      | console:the source | where it stands: pending, running, done, node failed …
 reason         | REASON  |       | text    |      | console:the source | why it waits, or why it ended
 where          | NODES   |       | text    |      | console:the source | nodes that it holds, folded
 nodes          | #N      | count | gauge   |      | console:the source | how many nodes it holds, or asks for
 accelerators   | ACCELS  | count | gauge   |      | console:the source and its processes | accelerators that it holds, or asks for
 attempt        | TRY     | count | gauge   | low  | console:the source | number of the present attempt; a requeue makes a new one
 waited         | WAITED  | s     | gauge   | low  | console:the source | time from its submission to its start, or until now
 elapsed        | ELAPSED | s     | gauge   |      | console:the source | time since the present attempt started
 time_left      | LEFT    | s     | gauge   |      | console:the source | time until its limit
 priority       | PRIO    |       | gauge   |      | console:the source | the scheduler's
 util           | UTIL    | %     | gauge   | high | console:mean over its accelerators | share of time in which a kernel ran
 util_min       | MINUTIL | %     | gauge   | high | console:lowest of its accelerators | utilisation of its least busy accelerator
 util_mean      | UTIL∅   | %     | gauge   | high | console:over the time that it was watched | mean utilisation over its life, so far as this console saw it
 spread         | SPREAD  | %     | gauge   | low  | console:highest less lowest of its accelerators | how far apart its ranks are in utilisation
 tensor         | TENSOR  | %     | gauge   | high | console:mean over its accelerators | share of time in which matrix units worked
 mem_used       | MEM     | B     | gauge   |      | console:sum over its accelerators | memory in use
 mem            | MEM%    | %     | gauge   |      | console:mem_used, of the memory of its accelerators | share of memory in use
 temp           | TEMP    | °C    | gauge   | low  | console:highest of its accelerators | core temperature
 power          | POWER   | W     | gauge   |      | console:sum over its accelerators | draw of its accelerators
 energy         | ENERGY  | J     | gauge   |      | console:power over the time that it was watched | energy of its accelerators, so far as this console saw it
 gpu_time       | GPUTIME | s     | gauge   |      | console:accelerators × elapsed | accelerator time of the present attempt
 cost           | COST    |       | gauge   |      | console:gpu_time × price of the inventory | what that costs
 link_rx        | LINKRX  | B/s   | gauge   |      | console:sum over its accelerators | bytes in over scale-up links
 link_tx        | LINKTX  | B/s   | gauge   |      | console:sum over its accelerators | bytes out over scale-up links
 idle           | IDLE    | count | gauge   | low  | console:its accelerators below 5 % | accelerators that it holds and doesn't use
 silent         | SILENT  | count | gauge   | low  | console:its accelerators on nodes that aren't read | accelerators of which nothing current is known
 stragglers     | SLOW    | count | gauge   | low  | console:watchfloor.jobs.stragglers | accelerators that hold the others up
 watched        | WATCHED | s     | gauge   |      | console:since this console saw it first | time that life-long figures are about
""",
)

CATALOGUE: Mapping[Scope, Mapping[str, Metric]] = {
    Scope.ACCELERATOR: _ACCELERATOR,
    Scope.NODE: _NODE,
    Scope.LINK: _LINK,
    Scope.SERVICE: _SERVICE,
    Scope.JOB: _JOB,
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
