"""Synthetic frames, built the true way: hello, schema and reports through the real `Fleet`, at times that tests set.

The small fleet holds one node of every kind that a screen must draw well: busy, idle, hung driver, lost accelerator,
lost node, node that was never reached, boards without half the metrics, and a host without accelerators.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import msgspec

from tests.support.stacks import software
from watchfloor.fleet import Fleet
from watchfloor.frame import Frame
from watchfloor.model import Finding, Missing, NodeSpec, NodeStatus, Phase, Problem, Scope, State, Subject
from watchfloor.report import Cells, Filesystem, Hello, Process, Report, SamplerStatus, Schema, Table, note_key

START = 1_800_000_000.0  # console time of the first report: fixed, so that pictures are
GB = 1e9

Values = Mapping[str, float | str | Missing]


@dataclass(frozen=True)
class Kind:
    """A board as the synthetic fleet knows it."""

    model: str
    memory: float
    power: float
    nvlinks: int


H100 = Kind("NVIDIA H100 80GB HBM3", 85.5 * GB, 700.0, 18)
L40S = Kind("NVIDIA L40S", 48.3 * GB, 350.0, 0)


@dataclass(frozen=True)
class Machine:
    spec: NodeSpec
    kind: Kind | None
    count: int


def machines() -> list[Machine]:
    """Four racks: 8 training nodes, 4 inference nodes, and a login node without accelerators."""
    found = [Machine(_spec(f"dgx-{n:02}", f"r{1 + (n - 1) // 4}", "train", 10_200.0), H100, 8) for n in range(1, 9)]
    found += [Machine(_spec(f"l40-{n:02}", "r3", "serve", 2_400.0), L40S, 4) for n in range(1, 5)]
    return [*found, Machine(_spec("login-01", "r4", "login", None), None, 0)]


def _spec(name: str, rack: str, group: str, budget: float | None) -> NodeSpec:
    return NodeSpec(name, name, site="lab", rack=rack, group=group, power_budget_watts=budget)


class SyntheticFleet:
    """Drives a real `Fleet` second by second. `now` is console time, moved by `step` alone."""

    def __init__(self, members: Sequence[Machine] | None = None, faults: bool = True) -> None:
        self.machines = list(machines() if members is None else members)
        self.faults = faults
        self.now = START
        self.fleet = Fleet([machine.spec for machine in self.machines], lambda: self.now)
        self._tick = 0
        for index, machine in enumerate(self.machines):
            if not (faults and machine.spec.name == "l40-03"):
                self._introduce(index, machine)

    def _introduce(self, index: int, machine: Machine) -> None:
        self.fleet.status(index, NodeStatus(Phase.LIVE, since=self.now, attempts=1, via="probe"))
        samplers = ["host", "network", "nvidia"] if machine.kind else ["host", "network"]
        facts = {"kernel": "6.8.0-45-generic", "os": "Ubuntu 24.04.2 LTS", "architecture": "x86_64", "user": "ops"}
        hello = Hello(1, machine.spec.name, f"boot-{index:04}", self.now, "0" * 64, "3.12.3", 4000, samplers, facts)
        self.fleet.hello(index, hello, self.now)
        self.fleet.schema(index, Schema(1, tables_of(machine)))
        self.fleet.clock(index, 0.0004 * (index % 7), 0.0011 + 0.0002 * (index % 5))

    def step(self, seconds: int = 1) -> None:
        for _ in range(seconds):
            self.now += 1.0
            self._tick += 1
            for index, machine in enumerate(self.machines):
                if self._speaks(machine):
                    self.fleet.report(index, self._report(index, machine), self.now - 0.2)
            self._suffer()
            self.fleet.tick()

    def _speaks(self, machine: Machine) -> bool:
        silent = {"l40-03"} | ({"dgx-04"} if self._tick > 40 else set())
        return not (self.faults and machine.spec.name in silent)

    def _suffer(self) -> None:
        """The two nodes that can't be read: one never, one no longer."""
        names = {machine.spec.name: index for index, machine in enumerate(self.machines)}
        if self.faults and self._tick == 41:
            text, advice = "connection closed by the node", "see whether it is being rebooted"
            self.fleet.status(
                names["dgx-04"], NodeStatus(Phase.BACKOFF, Problem.CLOSED, text, advice, self.now, self.now + 19, 3)
            )
        if self.faults and self._tick == 1:
            text = "the host key is not the one in known_hosts"
            status = NodeStatus(Phase.BACKOFF, Problem.HOST_KEY_CHANGED, text, "ask who reinstalled it", self.now, 0, 1)
            self.fleet.status(names["l40-03"], status)

    def _report(self, index: int, machine: Machine) -> Report:
        full = self._tick == 1
        hung = self.faults and machine.spec.name == "dgx-07" and self._tick > 30
        tables = tables_of(machine)
        cells = {"node": _cells(tables["node"], [_host(index, self._tick)])}
        if machine.kind is not None and not hung:
            boards = [self._board(machine, index, gpu) for gpu in range(machine.count)]
            cells["accelerator"] = _cells(tables["accelerator"], boards)
        elif machine.kind is not None:
            blank: Values = dict.fromkeys(tables["accelerator"].metrics[3:], Missing.TIMED_OUT)
            cells["accelerator"] = _cells(tables["accelerator"], [blank] * machine.count)
        if machine.kind is not None:
            cells["link"] = _cells(tables["link"], _links(machine, self._tick))
        samplers = _samplers(machine, hung, self.now) if full or hung else {}
        details = _details(machine, index) if full else {}
        notes = {
            note_key("accelerator.temp_mem", Missing.UNSUPPORTED): "Not Supported",
            note_key("accelerator.xid", Missing.NOT_PERMITTED): "event set: Insufficient Permissions",
        }
        return Report(self._tick, 1, self.now - 0.2, full, cells, samplers, notes if full else {}, details)

    def _board(self, machine: Machine, node: int, gpu: int) -> Values:
        assert machine.kind is not None
        if self.faults and machine.spec.name == "dgx-02" and gpu == 3 and self._tick > 25:
            return dict.fromkeys(tables_of(machine)["accelerator"].metrics[3:], Missing.LOST) | {"xid": 79.0}
        return _board(machine, node, gpu, self._tick)

    def frame(self) -> Frame:
        frame = self.fleet.frame()
        return frame.with_findings(_findings(frame) if self.faults else ())


def tables_of(machine: Machine) -> dict[str, Table]:
    tables = {"node": Table([""], list(_host(0, 0)))}
    if machine.kind is not None:
        keys = [f"GPU-{machine.spec.name}-{gpu}" for gpu in range(machine.count)]
        tables["accelerator"] = Table(keys, list(_board(machine, 0, 0, 0)))
        tables["link"] = Table([str(link["name"]) for link in _links(machine, 0)], list(_links(machine, 0)[0]))
    return tables


def _cells(table: Table, rows: Sequence[Values]) -> Cells:
    found = Cells()
    for subject, row in enumerate(rows):
        for at, name in enumerate(table.metrics):
            if (value := row.get(name)) is not None:  # else there is nothing new to say of it
                found.put(subject * len(table.metrics) + at, value)
    return found


def _load(node: int, gpu: int, tick: int) -> float:
    """Utilisation in percent: most nodes train, every fifth is idle, one board of dgx-06 lags."""
    if node % 5 == 2:
        return 0.0
    wave = math.sin(tick / 9 + node * 1.7) * 9 + math.sin(tick / 2.3 + gpu) * 4
    return max(0.0, min(100.0, 88 + wave - (52 if (node, gpu) == (5, 6) else 0) - 11 * (node % 4)))


def _board(machine: Machine, node: int, gpu: int, tick: int) -> dict[str, float | str | Missing]:
    kind = machine.kind
    assert kind is not None
    util = float(round(_load(node, gpu, tick)))
    hot = 14.0 if (node, gpu) == (0, 5) else 0.0
    nvlink = kind.nvlinks > 0
    none = Missing.UNSUPPORTED
    return {
        "name": f"gpu{gpu}",
        "vendor": "NVIDIA",
        "model": kind.model,
        "uuid": f"GPU-{machine.spec.name}-{gpu}",
        "driver": "570.124.06",
        "runtime": "CUDA 12.8",
        "bus_id": f"00000000:{0x18 + gpu * 0x11:02X}:00.0",
        "user": "maria" if util else "",
        "job": f"slurm:{4100 + node // 2}" if util else "",
        "command": "python train.py --config 70b.yaml" if util else "",
        "index": float(gpu),
        "util": util,
        "mem_util": round(util * 0.6),
        "mem_used": kind.memory * (0.02 + 0.0088 * util),
        "mem_total": kind.memory,
        "mem_reserved": 0.55 * GB,
        "temp": 31 + 0.42 * util + hot,
        "temp_mem": 38 + 0.45 * util if nvlink else none,
        "temp_margin": 56 - 0.42 * util - hot,
        "power": kind.power * (0.11 + 0.0086 * util),
        "power_limit": kind.power,
        "energy": 1e9 + 500.0 * tick,
        "clock_sm": 1980.0 - (630 if hot else 0) - 1.2 * util,
        "clock_mem": 2619.0,
        "throttle": 64.0 if hot else 1.0 if util == 0 else 0.0,
        "pstate": 0.0,
        "fan": none if nvlink else 42.0,
        "pcie_gen": 5.0,
        "pcie_width": 16.0,
        "pcie_rx": 2.1e9 * util / 100,
        "pcie_tx": 0.7e9 * util / 100,
        "ecc_corrected": 2.0 if gpu == 1 else 0.0,
        "ecc_uncorrected": 0.0,
        "xid": 0.0 if nvlink else Missing.NOT_PERMITTED,
        "processes": 1.0 if util else 0.0,
        "links_up": 18.0 if nvlink else none,
        "links_max": 18.0 if nvlink else none,
        "link_rx": 180e9 * util / 100 if nvlink else none,
        "link_tx": 178e9 * util / 100 if nvlink else none,
    }


def _host(node: int, tick: int) -> dict[str, float | str | Missing]:
    busy = 20 + 11 * math.sin(tick / 13 + node) + node
    return {
        "kernel": "6.8.0-45-generic",
        "os": "Ubuntu 24.04.2 LTS",
        "cpu_model": "INTEL(R) XEON(R) PLATINUM 8480C",
        "cpu": busy,
        "cpu_iowait": 0.4,
        "cpus": 224.0,
        "load1": busy * 2.1,
        "load5": busy * 2.0,
        "load15": busy * 1.9,
        "mem_used": (210 + 4 * node) * GB,
        "mem_total": 2151 * GB,
        "swap_used": 0.0,
        "swap_total": 0.0,
        "pressure_cpu": 0.2,
        "pressure_mem": 0.0,
        "pressure_io": Missing.NOT_PERMITTED,
        "disk_read": 310e6 + 1e6 * node,
        "disk_write": 95e6,
        "fs_used": 61.0,
        "net_rx": 1.1e9,
        "net_tx": 0.9e9,
        "uptime": 1_234_567.0 + tick,
    }


def _links(machine: Machine, tick: int) -> list[dict[str, float | str | Missing]]:
    links: list[dict[str, float | str | Missing]] = []
    for gpu in range(machine.count if machine.kind and machine.kind.nvlinks else 0):
        down = machine.spec.name == "dgx-03" and gpu == 4 and tick > 20
        owner = f"GPU-{machine.spec.name}-{gpu}"
        links.append(_link(f"gpu{gpu}:nvlink0", "nvlink", owner, 26.5e9, 0.0 if down else 1.0))
    for port in range(machine.count // 2):
        links.append(_link(f"mlx5_{port}/1", "infiniband", "", 50e9, 1.0))
    return [*links, _link("eth0", "ethernet", "", 12.5e9, 1.0)]


def _link(name: str, kind: str, owner: str, speed: float, up: float) -> dict[str, float | str | Missing]:
    infiniband = kind == "infiniband"
    return {
        "name": name,
        "kind": kind,
        "accelerator": owner,
        "peer": "00000000:05:00.0" if owner else Missing.UNSUPPORTED,
        "up": up,
        "speed": speed if up else Missing.UNSUPPORTED,
        "rx": speed * 0.31 * up,
        "tx": speed * 0.29 * up,
        "crc_errors": 0.0 if kind == "nvlink" else Missing.UNSUPPORTED,
        "ib.symbol_error": 3.0 if infiniband else Missing.UNSUPPORTED,
        "ib.link_downed": 0.0 if infiniband else Missing.UNSUPPORTED,
    }


def _samplers(machine: Machine, hung: bool, now: float) -> dict[str, SamplerStatus]:
    found = {name: SamplerStatus("ok", "", now, 0.004, 0.003) for name in ("host", "network")}
    if machine.kind is None:
        return {**found, "nvidia": SamplerStatus("absent", "libnvidia-ml.so.1 not found")}
    nvidia = SamplerStatus("hung", "no answer for 12 s, state D", START + 30) if hung else None
    return {**found, "nvidia": nvidia or SamplerStatus("ok", "", now, 0.009, 0.002)}


def _details(machine: Machine, node: int) -> dict[str, msgspec.Raw]:
    job = f"slurm:{4100 + node // 2}"
    busy = range(machine.count) if node % 5 != 2 else range(0)
    processes = [
        Process(
            pid=21_000 + 40 * gpu, user="maria", command="python train.py --config 70b.yaml", started_at=START - 9_000,
            cpu_percent=101.0, memory_bytes=int(38 * GB), accelerator=f"GPU-{machine.spec.name}-{gpu}",
            accelerator_memory_bytes=int(71 * GB), kind="compute", job=job, state="R",
        )
        for gpu in busy
    ]  # fmt: skip
    files = [Filesystem("/", "/dev/nvme0n1p2", "ext4", int(1900 * GB), int(800 * GB))]
    files.append(Filesystem("/scratch", "/dev/md0", "xfs", int(30_000 * GB), int(18_300 * GB)))
    stack = software(machine.spec.name, machine.count, bool(machine.kind and machine.kind.nvlinks), bool(busy))
    found = {"processes": processes, "filesystems": files, "stack": stack}
    return {name: msgspec.Raw(msgspec.json.encode(detail)) for name, detail in found.items()}


def _findings(frame: Frame) -> list[Finding]:
    """What the checks would say of this fleet; by hand, so that pictures don't change with a threshold."""
    wanted = [
        (Scope.ACCELERATOR, "dgx-02", "GPU-dgx-02-3", "accelerator-lost", State.CRITICAL, "fell off the bus (XID 79)"),
        (Scope.ACCELERATOR, "dgx-01", "GPU-dgx-01-5", "thermal-slowdown", State.WARNING, "slowed down by heat"),
        (Scope.LINK, "dgx-03", "gpu4:nvlink0", "nvlink-down", State.WARNING, "NVLink 0 of gpu4 is down"),
        (
            Scope.NODE,
            "dgx-07",
            "",
            "sampler-hung",
            State.WARNING,
            "dgx-07 has no answer from its nvidia sampler: 12 s, state D",
        ),
        (
            Scope.NODE,
            "l40-03",
            "",
            "node-unreachable",
            State.CRITICAL,
            "l40-03 can't be read: the host key has changed",
        ),
    ]
    subjects = [(Subject(scope, node, key), code, state, text) for scope, node, key, code, state, text in wanted]
    return [
        Finding(subject, code, state, text)
        for subject, code, state, text in subjects
        if frame.row(subject) is not None and frame.number > 0
    ]


def fresh(seconds: int = 75) -> Frame:
    """The small fleet after its faults have come, for a test that judges it anew."""
    fleet = SyntheticFleet()
    fleet.step(seconds)
    return fleet.frame()


@cache
def settled(seconds: int = 75) -> Frame:
    """The same frame every time."""
    return fresh(seconds)


@cache
def hosts_only() -> Frame:
    """Two machines without accelerators."""
    members = [Machine(_spec(f"cpu-{n:02}", "r1", "cpu", None), None, 0) for n in (1, 2)]
    fleet = SyntheticFleet(members, faults=False)
    fleet.step(3)
    return fleet.frame()


def large(nodes: int, accelerators: int = 8) -> SyntheticFleet:
    """Many healthy training nodes, one report each: for benches."""
    members = [
        Machine(_spec(f"n{n:05}", f"r{n // 16:03}", "train", 10_200.0), H100, accelerators) for n in range(nodes)
    ]
    fleet = SyntheticFleet(members, faults=False)
    fleet.step()
    return fleet
