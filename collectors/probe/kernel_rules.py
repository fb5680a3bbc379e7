"""What is worth telling of a kernel log, as a table. Data, but for the lines that read it.

A rule is (needle, kind, severity, pattern): a line that holds the needle is matched against the pattern ("": the needle
says enough), and the first rule that matches has the line. Named groups are fields of the event: device, code, text,
pid and name (of the process), level (what the source calls its severity); all others are its facts. Where no group
`device` matched, the first PCI address in the line is the device.

Sources: the drivers' own format strings (nvidia: docs.nvidia.com/deploy/xid-errors; mlx5: core/health.c and events.c;
amdgpu: amdgpu_job.c, amdgpu_ras.c, amdgpu_device.c; habanalabs: common/device.c; xe: xe_device.c; neuron: the error
lines of its troubleshooting guide; pcie/aer.c, oom_kill.c, hung_task.c) and lines seen in the field.
"""

INFO, WARNING, CRITICAL = "info", "warning", "critical"

# Intel Gaudi: (kind, severity, what its driver says)
_GAUDI = (
    ("reset", WARNING, r"Going to (?:RESET|reset) device.*"),
    ("reset", INFO, r"Successfully finished resetting.*"),
    ("driver", CRITICAL, r".*(?:NOT usable|[Ff]ailed to reset).*"),
    ("hang", CRITICAL, r".*(?:heartbeat failed|CPU-CP timeout).*"),
    ("hang", WARNING, r".*(?:timed out|got stuck).*"),
    ("ecc", WARNING, r".*\b(?:ECC|SERR|DERR)\b.*"),
    ("thermal", WARNING, r".*(?i:thermal|overheat).*"),
    ("link-down", WARNING, r".*(?i:port (?P<port>\d+).*down).*"),
    ("page-fault", WARNING, r".*(?i:page fault|razwi).*"),
)

_PCI = r"[0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}(?:\.[0-7])?"

# names are short: without a bound, a line without any would take time that grows with its square
_SEGFAULT = r"(?P<name>[^][]{1,64})\[(?P<pid>\d+)\]: segfault at .* in "

RULES = (
    # -- Intel Gaudi: by its PCI address while it starts, then as hl0, in newer kernels accel0
    *(
        (needle, kind, severity, r"(?:habanalabs\w*|accel) (?P<device>\S+): (?P<text>" + said + ")")
        for needle in ("habanalabs", "accel accel")
        for kind, severity, said in _GAUDI
    ),
    # -- NVIDIA
    (
        "NVRM: Xid",
        "xid",
        WARNING,
        r"Xid \((?:PCI:)?(?P<device>[0-9a-fA-F:.]+)(?: (?P<instance>GPU-I:[^)]*))?\): (?P<code>\d+)"
        r"(?:, pid=(?P<pid>[^,]*))?(?:, name=(?P<name>[^,]*))?,? *(?P<text>.*)",
    ),
    (
        ": SXid (PCI",
        "sxid",
        WARNING,
        r"(?P<switch>nvidia-nvswitch\d+): SXid \(PCI:(?P<device>" + _PCI + r")\): (?P<code>\d+), "
        r"(?:(?P<level>Fatal|Non-fatal), )?(?P<text>(?:Link (?P<link>\d+) )?.*)",
    ),
    ("GPU has fallen off the bus", "lost", CRITICAL, r"GPU (?P<device>[0-9a-fA-F:]+\.[0-7]): (?P<text>.*)"),
    ("RmInitAdapter failed", "driver", CRITICAL, ""),
    ("rm_init_adapter failed", "driver", CRITICAL, ""),
    ("NVRM: API mismatch", "driver", CRITICAL, ""),
    ("NVRM: Rate limiting GSP", "hang", CRITICAL, r"for GPU at PCI:(?P<device>[0-9a-fA-F:]+)"),
    ("NVRM: ", "hang", WARNING, r"(?P<text>_?kgsp.*[Hh]eartbeat timed out.*)"),
    ("NVRM: ", "assert", WARNING, r"(?P<text>nv(?:Assert|Check)\w*: .*)"),
    ("NVRM: loading", "driver", INFO, r"NVIDIA UNIX .*?Kernel Module(?: for \S+)? +(?P<version>\d[\d.]+)"),
    # -- Mellanox, and links of any interface
    (": Link down", "link-down", WARNING, r"(?P<device>\S+): Link down"),
    (": Link up", "link-up", INFO, r"(?P<device>\S+): Link up"),
    ("Link is ", "link-down", WARNING, r"(?P<device>\S+?):? (?:NIC )?Link is [Dd]own"),
    ("Link is ", "link-up", INFO, r"(?P<device>\S+?):? (?:NIC )?Link is [Uu]p"),
    ("link status definitely down", "link-down", WARNING, r"(?:slave|interface) (?P<device>[^\s,)]+)"),
    ("link status definitely up", "link-up", INFO, r"(?:slave|interface) (?P<device>[^\s,)]+)"),
    ("health compromised", "health", CRITICAL, ""),
    ("Health issue observed", "health", CRITICAL, r"Health issue observed, (?P<cause>.*?)(?:, severity.*)?$"),
    ("print_health_info", "health", WARNING, r": (?P<text>synd 0x(?P<syndrome>[0-9a-f]*[1-9a-f][0-9a-f]*): .*)"),
    ("mlx5_core", "health", CRITICAL, r"unrecoverable hardware error|Fatal error \d+ detected|recovery flow aborted"),
    ("mlx5_core", "health", INFO, r"health recovery succeeded"),
    ("Will cause a leak of a command", "hang", CRITICAL, r": (?P<text>(?P<command>\S+) timeout\. .*)"),
    ("High temperature on sensors", "thermal", WARNING, ""),
    ("Port module event", "cable", WARNING, r"event\[error\]: module (?P<module>\d+), (?P<text>.*)"),
    ("Port module event", "cable", INFO, r"event: module (?P<module>\d+), (?P<text>.*)"),
    ("insufficient power on the PCIe slot", "power", WARNING, ""),
    ("NETDEV WATCHDOG", "hang", WARNING, r"NETDEV WATCHDOG: (?P<device>[^\s:]+) \((?P<driver>\w+)\): .*timed out"),
    ("NETDEV WATCHDOG", "hang", WARNING, r"(?P<device>[^\s:]+): NETDEV WATCHDOG: .*timed out"),
    ("dump error cqe", "rdma", WARNING, r"(?P<device>\w+):dump_cqe"),
    # -- AMD
    ("amdgpu", "hang", CRITICAL, r"(?P<text>ring (?P<ring>\S+) timeout.*)"),
    ("amdgpu", "hang", CRITICAL, r"MES failed to respond|MES might be in unrecoverable|qcm fence wait loop timeout"),
    ("amdgpu", "reset", WARNING, r"(?P<text>GPU reset begin.*)"),
    ("amdgpu", "reset", INFO, r"(?P<text>GPU reset(?:\(\d+\))? succeeded.*)"),
    ("amdgpu", "reset", CRITICAL, r"(?P<text>GPU reset(?:\(\d+\))? (?:failed|end with ret = -).*)"),
    ("amdgpu", "reset", CRITICAL, r"(?P<text>(?:ASIC reset failed|GPU Recovery Failed).*)"),
    ("VRAM is lost", "memory-lost", CRITICAL, r"(?P<text>VRAM is lost.*)"),
    ("amdgpu", "ecc", CRITICAL, r"(?P<text>uncorrectable hardware error\((?P<cause>\w+)\) detected.*)"),
    (
        "hardware errors detected in",
        "ecc",
        CRITICAL,
        r"amdgpu: (?P<text>.*?(?P<count>\d+) (?:new )?uncorrectable hardware errors detected in (?:total in )?"
        r"(?P<block>\w+) block.*)",
    ),
    (
        "hardware errors detected in",
        "ecc",
        INFO,
        r"amdgpu: (?P<text>.*?(?P<count>\d+) (?:new )?(?:correctable|deferred) hardware errors detected in "
        r"(?:total in )?(?P<block>\w+) block.*)",
    ),
    ("amdgpu", "ecc", CRITICAL, r"(?i)bad pages?.*(?:threshold|exceed)|RAS.*(?:threshold|exceed)"),
    (
        "amdgpu",
        "page-fault",
        WARNING,
        r"(?P<text>\[(?P<hub>\w+)\] ?(?:no-retry |retry )?page fault.*?"
        r"(?:for process (?P<name>\S+) pid (?P<pid>\d+).*)?)$",
    ),
    ("amdgpu", "thermal", WARNING, r"thermal throttling temperature reached|over temperature"),
    ("amdgpu", "driver", CRITICAL, r"Fatal error during GPU init|[hs]w_init of IP block .* failed"),
    ("amdgpu", "firmware", WARNING, r"SMU: (?:I'm not done|No response)|SMU is in hanged state"),
    ("amdgpu", "link-error", WARNING, r"(?i)xgmi.*\berr"),
    # -- AWS Neuron
    (
        "NEURON_HW_ERR=",
        "ecc",
        CRITICAL,
        r"NEURON_HW_ERR=(?P<cause>\w*UNCORRECTABLE\w*)(?:.*?\bnd-id=(?P<neuron>\d+))?(?:.*?\bnc-id=(?P<core>\d+))?"
        r"(?:.*?serial-num=(?P<serial>\w+))?(?:.*?action=(?P<action>\w+))?",
    ),
    (
        "NEURON_HW_ERR=",
        "hardware",
        CRITICAL,
        r"NEURON_HW_ERR=(?P<cause>\w+)(?:.*?\bnd-id=(?P<neuron>\d+))?(?:.*?\bnc-id=(?P<core>\d+))?"
        r"(?:.*?serial-num=(?P<serial>\w+))?(?:.*?action=(?P<action>\w+))?",
    ),
    ("neuron:", "hang", WARNING, r"(?:\bnd(?P<neuron>\d+)\b.*)?(?:reset.*failed|failed to reset|timed? ?out)"),
    # -- Intel GPUs
    (
        "GPU HANG",
        "hang",
        CRITICAL,
        r"(?P<text>GPU HANG(?:: ecode (?P<ecode>[^,]+))?(?:, in (?P<name>.+?) \[(?P<pid>\d+)\])?.*)",
    ),
    (" as wedged", "lost", CRITICAL, r"has declared device (?P<device>" + _PCI + ")"),
    ("i915 ", "reset", WARNING, r"(?P<text>Resetting (?:chip|[rbvc]+\w*cs\d*) for .*)"),
    ("xe ", "reset", WARNING, r"\[drm\].*(?P<text>Engine reset: .*)"),
    ("xe ", "hang", WARNING, r"\[drm\].*(?P<text>Timedout job: .*)"),
    # -- PCI Express
    (
        "PCIe Bus Error: severity=",
        "pcie",
        WARNING,
        r"(?P<text>PCIe Bus Error: severity=(?P<level>[^,]+), type=(?P<layer>[^,]+).*)",
    ),
    ("AER: device recovery", "pcie", CRITICAL, r"(?P<text>AER: device recovery failed)"),
    ("AER: device recovery", "pcie", INFO, r"(?P<text>AER: device recovery successful)"),
    ("DPC: containment event", "pcie", CRITICAL, ""),
    ("pciehp: Slot(", "lost", CRITICAL, r"(?P<text>Slot\((?P<slot>[^)]+)\): (?:Link Down|Card not present).*)"),
    # -- processors and memory
    ("Kernel panic", "panic", CRITICAL, ""),
    ("mce: ", "mce", CRITICAL, r"Uncorrected hardware memory error|Memory failure|Fatal machine check"),
    ("Machine Check", "mce", WARNING, r"CPU ?(?P<cpu>\d+): Machine Check.*?[Bb]ank (?P<bank>\d+)"),
    ("[Hardware Error]: event severity:", "mce", WARNING, r"event severity: (?P<level>\w+)"),
    ("EDAC ", "ecc", CRITICAL, r"EDAC (?P<controller>\w+): (?P<text>(?P<count>\d+) UE .*)"),
    ("EDAC ", "ecc", INFO, r"EDAC (?P<controller>\w+): (?P<text>(?P<count>\d+) CE .*)"),
    ("temperature above threshold", "thermal", WARNING, r"CPU(?P<cpu>\d+): "),
    ("critical temperature reached", "thermal", CRITICAL, ""),
    # -- the kernel and its processes
    (
        "ut of memory: Kill",
        "oom",
        WARNING,
        r"(?P<text>(?:Memory cgroup o|O)ut of memory: Kill(?:ed)? process (?P<pid>\d+) \((?P<name>.*?)\).*)",
    ),
    (
        "blocked for more than",
        "hang",
        WARNING,
        r"task (?P<name>.+):(?P<pid>\d+) blocked for more than (?P<seconds>\d+) seconds",
    ),
    (
        "soft lockup",
        "hang",
        CRITICAL,
        r"soft lockup - CPU#(?P<cpu>\d+) stuck for (?P<seconds>\d+)s! \[(?P<name>.+):(?P<pid>\d+)\]",
    ),
    ("hard LOCKUP", "hang", CRITICAL, ""),
    ("rcu", "hang", WARNING, r"self-detected stall|detected stalls on CPUs"),
    ("BUG: unable to handle", "oops", CRITICAL, ""),
    ("kernel BUG at", "oops", CRITICAL, ""),
    (
        "segfault at",
        "segfault",
        WARNING,
        _SEGFAULT + r"(?P<library>lib(?:nccl|rccl|hccl|nccom|cuda|amdhip|tpu)[^\[\s]*)",
    ),
    ("segfault at", "segfault", INFO, _SEGFAULT + r"(?P<library>[^\[\s]+)"),
    # -- storage
    ("nfs: server", "storage", WARNING, r"nfs: server (?P<server>\S+) (?:not responding|timed out)"),
    ("nfs: server", "storage", INFO, r"nfs: server (?P<server>\S+) OK"),
    ("Lustre", "storage", WARNING, r"Connection to (?P<server>\S+) \(at (?P<address>[^)]+)\) was lost"),
    ("Lustre", "storage", INFO, r"Connection restored to (?P<server>\S+)"),
    ("Lustre", "storage", CRITICAL, r"This client was evicted by (?P<server>[^;\s]+)"),
    ("EXT4-fs", "disk", CRITICAL, r"EXT4-fs (?:error )?\((?:device )?(?P<device>[^)]+)\): (?:.*read-only|\w+:\d+)"),
    ("XFS (", "disk", CRITICAL, r"XFS \((?P<device>[^)]+)\): .*(?:[Cc]orruption|I/O [Ee]rror|[Ss]hut(?:ting)? ?down)"),
    (
        "nvme",
        "disk",
        WARNING,
        r"nvme (?P<device>nvme\w+): (?P<text>(?:I/O .*timeout|controller is down|Removing after|Device not ready).*)",
    ),
    ("I/O error, dev ", "disk", WARNING, r"I/O error, dev (?P<device>\w+), sector"),
    ("Disk failure on ", "disk", CRITICAL, r"Disk failure on (?P<device>\w+)"),
)

# What a source calls its severity -> ours. AER says "Corrected" in old kernels and "Correctable" in new ones.
LEVELS = {
    "fatal": CRITICAL,
    "non-fatal": WARNING,
    "nonfatal": WARNING,
    "corrected": INFO,
    "correctable": INFO,
    "uncorrected (non-fatal)": WARNING,
    "uncorrectable (non-fatal)": WARNING,
    "uncorrected (fatal)": CRITICAL,
    "uncorrectable (fatal)": CRITICAL,
    "recoverable": WARNING,
}

# What the text of an XID tells besides: tried in turn, named groups are facts, `level` as above.
XID_FACTS = (
    r"^(?P<unit>[A-Z0-9_/]+) +(?P<level>Fatal|Nonfatal|Non-fatal) +XC(?P<xc>\d) i(?P<intr>\d+) Link (?P<link>-?\d+)"
    r" \((?P<registers>[^)]*)\)",
    r"^GPU recovery action changed from 0x\w+ \((?P<before>[^)]*)\) to 0x(?P<action>\w+) \((?P<now>[^)]*)\)",
    r"(?i)caused by previous Xid (?P<cause>\d+)",
    r"on link (?P<link>\d+) ?\((?P<registers>[^)]*)\)",
    r"Expected function (?P<function>\d+ \([^)]*\))",
    r"MMU Fault: ENGINE (?P<engine>\S+).*?faulted @ (?P<address>\w+)(?:\. Fault is of type (?P<fault>\S+))?",
    r"\(GPC (?P<gpc>\d+), TPC (?P<tpc>\d+), SM (?P<sm>\d+)\)",
)
LOST_XIDS = (79,)
