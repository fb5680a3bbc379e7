"""A fleet that triggers watch: a synthetic one, second by second, with events, findings and values as a test says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC

from agents.cues import shown
from agents.past import Past
from agents.triggers import Engine, Incident, NotDone
from tests.support.frames import H100, Machine, SyntheticFleet, machines
from watchfloor.findings import FindingLog
from watchfloor.frame import Frame
from watchfloor.model import Finding, Scope, State, Subject
from watchfloor.playbook import Guards, Playbook, StepRule, Trigger
from watchfloor.report import Event, Report

STEP = StepRule("tell", "notify")


def playbook(trigger: Trigger, name: str = "p", scope: Scope = Scope.NODE, **guards: object) -> Playbook:
    usual = replace(Guards(at_once=0, most_targets=1), **guards)  # pyright: ignore[reportArgumentType]
    return Playbook(name, name, scope, (trigger,), steps=(STEP,), guards=usual)


def node(name: str) -> Subject:
    return Subject(Scope.NODE, name)


def board(name: str, gpu: int) -> Subject:
    return Subject(Scope.ACCELERATOR, name, f"GPU-{name}-{gpu}")


def finding(subject: Subject, code: str, text: str = "it is so") -> Finding:
    return Finding(subject, code, State.CRITICAL, text)


def small() -> list[Machine]:
    """The nodes of the synthetic fleet with fewer boards: tests watch for many seconds."""
    return [replace(machine, count=min(machine.count, 4 if machine.kind is H100 else 1)) for machine in machines()]


@dataclass
class Watched:
    """`findings` and `values` are those of every frame from now on. Values are by node, gpu and metric."""

    fleet: SyntheticFleet = field(default_factory=lambda: SyntheticFleet(small(), faults=False))
    findings: list[Finding] = field(default_factory=list)
    log: FindingLog = field(default_factory=FindingLog)
    change: Callable[[Frame], Frame] = field(default=lambda frame: frame)

    def __post_init__(self) -> None:
        self.fleet.step(2)

    @property
    def now(self) -> float:
        return self.fleet.now

    def frame(self) -> Frame:
        frame = self.fleet.fleet.frame()
        shown = self.change(frame.with_findings(self.findings))
        return replace(shown, records=self.log.update(shown))

    def second(self, seconds: int = 1) -> Frame:
        self.fleet.step(seconds)
        return self.frame()

    def rest(self, machine: Engine, seconds: float) -> list[Incident | NotDone]:
        """So long, with a frame now and then."""
        found: list[Incident | NotDone] = []
        until = self.now + seconds
        while self.now < until:
            self.fleet.now += min(13.0, max(0.0, until - self.now - 1.0))
            found += machine.update(self.second())
        return found

    def xid(self, name: str, code: int, gpu: int = 0, ago: float = 0.2, text: str = "") -> None:
        frame = self.fleet.fleet.frame()
        device = f"GPU-{name}-{gpu}"
        event = Event(self.now - ago, "kernel", "xid", text or f"XID {code}", device, code, "critical")
        frame.events.add(frame.node_index[name], event, self.now - ago, device)

    def tell(self, name: str, gpu: int, values: Mapping[str, float]) -> None:
        """A report of one board beside what the synthetic fleet tells."""
        tell_board(self.fleet, name, gpu, values)


def tell_board(fleet: SyntheticFleet, name: str, gpu: int, values: Mapping[str, float]) -> None:
    from tests.support.frames import tables_of  # noqa: PLC0415 - positions of the schema that it told
    from watchfloor.report import Cells  # noqa: PLC0415

    index = next(at for at, machine in enumerate(fleet.machines) if machine.spec.name == name)
    metrics = tables_of(fleet.machines[index])["accelerator"].metrics
    cells = Cells()
    for metric, value in values.items():
        cells.put(gpu * len(metrics) + list(metrics).index(metric), value)
    fleet.fleet.report(index, Report(1, 1, fleet.now - 0.1, False, {"accelerator": cells}), fleet.now - 0.1)


def engine(playbooks: Sequence[Playbook], past: Past | None = None) -> Engine:
    return Engine(playbooks, past or Past(), UTC)


def fired(found: Sequence[Incident | NotDone]) -> list[tuple[str, tuple[str, ...]]]:
    return [(one.playbook.name, tuple(map(shown, one.targets))) for one in found if isinstance(one, Incident)]


def refrained(found: Sequence[Incident | NotDone]) -> list[tuple[str, tuple[str, ...]]]:
    return [(one.why, tuple(map(shown, one.targets))) for one in found if isinstance(one, NotDone)]
