"""A small fleet whose links are of every kind and in every condition, through the real `Fleet`.

ib-1 to ib-3 run one job over NVLinks into switches and eight InfiniBand rails: on ib-1 all is well, on ib-2 a rail is
dark, one port is down, one never had a cable, and a board's PCIe link is at half its lanes under load; ib-3 carries
much less than the two others, and one of its NVLinks counts errors. mesh-1 has XGMI links between each pair of boards
and RoCE ports; trn-1 tells no more of its links than that they are there; gone-1 fell silent.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from watchfloor.fleet import Fleet
from watchfloor.frame import Frame
from watchfloor.model import Finding, Missing, NodeSpec, NodeStatus, Phase, Scope, State, Subject
from watchfloor.report import Cells, Hello, Report, Schema, Table

START = 1_800_000_000.0
NAMES = ("ib-1", "ib-2", "ib-3", "mesh-1", "trn-1", "gone-1")
BOARDS = 4
LIVE_SECONDS, SILENT_AFTER = 75, 30

Row = dict[str, float | str | Missing]


def specs() -> list[NodeSpec]:
    racks = {"ib-1": "r1", "ib-2": "r1", "ib-3": "r2", "mesh-1": "r2", "trn-1": "r3", "gone-1": "r3"}
    return [NodeSpec(name, name, rack=racks[name], group=name.partition("-")[0]) for name in NAMES]


def boards(name: str) -> dict[str, Row]:
    vendor = {"mesh": "AMD", "trn": "AWS"}.get(name.partition("-")[0], "NVIDIA")
    job = "slurm:7" if name.startswith("ib") else ""
    return {
        f"{name}-board{number}": {
            "name": f"gpu{number}", "vendor": vendor, "job": job, "util": 95.0, "numa": float(number // 2),
            "bus_id": f"0000:{0x18 + number:02x}:00.0", "link_rx": 80e9 if job else Missing.UNSUPPORTED,
            "pcie_rx": 2e9,
        }
        for number in range(BOARDS)
    }  # fmt: skip


def links(name: str, tick: int) -> dict[str, Row]:
    family = name.partition("-")[0]
    if family == "mesh":
        return dict(_mesh(name))
    if family == "trn":
        return {
            f"neuronlink:{name}-board{number}:0": _link(
                f"gpu{number}/neuronlink0", "neuronlink", accelerator=f"{name}-board{number}",
                peer=f"gpu{(number + 1) % BOARDS}",
            )
            for number in range(BOARDS)
        }  # fmt: skip
    return dict(_switched(name, tick))


def _switched(name: str, tick: int) -> Iterator[tuple[str, Row]]:
    share = 0.1 if name == "ib-3" else 0.8
    for number in range(BOARDS):
        owner = f"{name}-board{number}"
        for port in range(4):
            errors = float(tick) if (name, number, port) == ("ib-3", 1, 2) else 0.0
            yield f"nvlink:{owner}:{port}", _link(
                f"gpu{number}/nvlink{port}", "nvlink", share, 25e9, accelerator=owner,
                peer=f"NVSwitch 0000:0{5 + port}:00.0", medium="NVLink 4", crc_errors=errors, replay_errors=0.0,
            )  # fmt: skip
        half = (name, number) == ("ib-2", 1)
        yield f"pcie:{owner}", _link(
            f"gpu{number}/pcie", "pcie", 0.03, 32e9 if half else 63e9, accelerator=owner, speed_max=63e9,
            width=8.0 if half else 16.0, width_max=16.0, gen=5.0, gen_max=5.0, peer=f"0000:{0x17 + number:02x}:01.0",
            medium="PCIe 5.0", replay_errors=0.0, pci_path=_path(number),
        )  # fmt: skip
    yield from _rails(name, share)
    yield "eth:eno1", _link("eno1", "ethernet", 0.2, 3.125e9, peer="tor-1 Ethernet1", switch="tor-1", medium="25GbE")


def _rails(name: str, share: float) -> Iterator[tuple[str, Row]]:
    for port in range(8):
        odd = name == "ib-2"
        row = _link(
            f"mlx5_{port}/1", "infiniband", 0.01 if odd and port == 3 else share, 50e9, medium="NDR", phys="LinkUp",
            peer=f"leaf-{port % 2} port {port}", switch=f"leaf-{port % 2}",
            **{"ib.symbol_error": 3.0, "ib.link_downed": 0.0},
        )  # fmt: skip
        if odd and port == 5:
            row |= {"up": 0.0, "phys": "Polling", "rx": 0.0, "tx": 0.0, "speed": Missing.UNSUPPORTED}
            row["ib.link_downed"] = 2.0
        if odd and port == 7:
            row |= {"up": 0.0, "phys": "Disabled", "rx": 0.0, "tx": 0.0, "speed": Missing.UNSUPPORTED}
            row |= {"peer": Missing.UNSUPPORTED, "switch": Missing.UNSUPPORTED}
        yield f"ib:mlx5_{port}/1", row
        yield f"pcie:mlx5_{port}", _link(
            f"mlx5_{port} slot", "pcie", speed=63e9, speed_max=63e9, up=1.0, peer=f"0000:{0x17 + port:02x}:02.0",
            pci_path=_path(port, 2), numa=float(port // 4),
        )  # fmt: skip


def _path(place: int, port: int = 1) -> str:
    """A board and the rail beside it share a switch below a root port, two such pairs a root complex."""
    root, switch = f"0000:{place // 2}0", f"0000:{0x16 + place:02x}:00.0"
    return f"pci{root}/{root}:0{place % 2}.0/{switch}/0000:{0x17 + place:02x}:0{port}.0"


def _mesh(name: str) -> Iterator[tuple[str, Row]]:
    for one in range(BOARDS):
        for number, other in enumerate(board for board in range(BOARDS) if board != one):
            yield (
                f"xgmi:{name}-board{one}:{number}",
                _link(
                    f"gpu{one}/xgmi{number}", "xgmi", 0.5, 64e9, accelerator=f"{name}-board{one}", peer=f"gpu{other}"
                ),
            )
    for port in range(2):
        row = _link(f"bnxt_{port}/1", "roce", 0.4, 50e9, medium="400GbE", **{"ib.symbol_error": 0.0})
        if port:
            row["tx"] = 1e9  # one way
        yield f"ib:bnxt_{port}/1", row


def _link(
    name: str, kind: str, share: float | None = None, speed: float | None = None, **more: float | str | Missing
) -> Row:
    row: Row = {"name": name, "kind": kind, "peer": Missing.UNSUPPORTED, "accelerator": ""}
    if speed is not None:
        row["speed"] = speed
    if share is not None and speed is not None:
        row |= {"up": 1.0, "rx": share * speed, "tx": share * speed}
    return row | more


class FabricFleet:
    """Drives a real `Fleet`, a second at a time."""

    def __init__(self) -> None:
        self.now = START
        self.fleet = Fleet(specs(), lambda: self.now)
        self._tick = 0
        for index, name in enumerate(NAMES):
            self.fleet.status(index, NodeStatus(Phase.LIVE, since=self.now, attempts=1, via="probe"))
            hello = Hello(1, name, f"boot-{index}", self.now, "0" * 64, "3.12", 1, ["host"], {})
            self.fleet.hello(index, hello, self.now)
            tables = {"accelerator": _table(boards(name)), "link": _table(links(name, 0))}
            self.fleet.schema(index, Schema(1, {"node": Table([""], ["net_rx"]), **tables}))

    def step(self, seconds: int = 1) -> None:
        for _ in range(seconds):
            self.now += 1.0
            self._tick += 1
            for index, name in enumerate(NAMES):
                if name != "gone-1" or self._tick <= SILENT_AFTER:
                    cells = {"accelerator": _cells(boards(name)), "link": _cells(links(name, self._tick))}
                    self.fleet.report(index, Report(self._tick, 1, self.now, self._tick == 1, cells), self.now)
            self.fleet.tick()

    def frame(self) -> Frame:
        frame = self.fleet.frame()
        port = Subject(Scope.LINK, "ib-2", "ib:mlx5_5/1")
        return frame.with_findings([Finding(port, "ib-port-down", State.CRITICAL, "mlx5_5/1 of ib-2 is down")])


@cache
def settled(seconds: int = LIVE_SECONDS) -> Frame:
    fleet = FabricFleet()
    fleet.step(seconds)
    return fleet.frame()


def row_of(frame: Frame, node: str, name: str) -> int:
    """The row of a link by its short name."""
    rows = frame.rows_of(Scope.LINK, frame.node_index[node])
    return next(int(row) for row in rows if frame.links.text(int(row), "name") == name)


def _metrics(rows: dict[str, Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows.values() for name in row))


def _table(rows: dict[str, Row]) -> Table:
    return Table(list(rows), _metrics(rows))


def _cells(rows: dict[str, Row]) -> Cells:
    found, metrics = Cells(), _metrics(rows)
    for subject, row in enumerate(rows.values()):
        for at, name in enumerate(metrics):
            found.put(subject * len(metrics) + at, row.get(name, Missing.UNSUPPORTED))
    return found
