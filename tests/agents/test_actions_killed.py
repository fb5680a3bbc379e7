"""Real actions on the real road, the console killed at every single moment: nothing is done twice, nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from agents.action import Scene, actions
from agents.desk import Desk
from agents.harness import Harness
from agents.plan import Asked, make_plan, single
from tests.support.acting import NOW, Machine, Values, answer, frame_of, scene_of, words
from tests.support.road import ANNA, PERMITTED, Count, Killed, Points, _KillableBook, origin
from watchfloor.change import Command, Deed, Done, Outcome, Plan, Request, Value
from watchfloor.frame import Frame
from watchfloor.jobs.model import Allocation, Job, JobState, SchedulerNode, SourceAnswer
from watchfloor.model import Scope, Subject
from watchfloor.records.leases import Leases
from watchfloor.records.ledger import Ledger

GPU = "GPU-aaaaaaaa-0000-0000-0000-00000000000{}"
JOB = Job("slurm:7", "lab", "slurm", "7", user="maria", state=JobState.RUNNING, started=NOW - 60, attempt=1,
          allocations=(Allocation("n1", 1, (0,)),))  # fmt: skip
WAITS = replace(JOB, id="slurm:8", number="8", state=JobState.PENDING, started=None, allocations=())
PODS = Job("kube:uid-train", "prod", "kubernetes", "lab/train", account="lab", owner="Job/train", user="maria",
           state=JobState.RUNNING, allocations=(Allocation("k1", 1, pod="uid-0", pod_name="train-0"),
                                                Allocation("k1", 1, pod="uid-1", pod_name="train-1")))  # fmt: skip


@dataclass
class World:
    """A Slurm, a Kubernetes and boards in a few words. It outlives consoles, and keeps what came of each operation."""

    drained: dict[str, str] = field(default_factory=dict)  # by node, its reason
    restarts: int = 0
    state: dict[str, str] = field(default_factory=lambda: {"7": "RUNNING", "8": "PENDING"})
    held: bool = False
    watts: str = "700"
    errors: str = "3"  # of a board's memory
    let_go_until: float = 0.0  # by `seconds`: the probes hold the driver before they were asked, and afterwards
    seconds: float = 0.0
    object: dict[str, dict[str, object]] = field(default_factory=lambda: {"spec": {}, "metadata": {}})  # node k1
    pods: set[str] = field(default_factory=lambda: {"train-0", "train-1"})
    log: list[str] = field(default_factory=list)
    kept: dict[str, Done] = field(default_factory=dict)

    def act(self, deed: Deed) -> Done:
        self.log.append(words(deed))
        return self._requested(deed) if isinstance(deed, Request) else self._commanded(deed.argv)

    def _requested(self, deed: Request) -> Done:
        if deed.path.endswith("/eviction"):
            self.pods.discard(deed.body["metadata"]["name"])
        elif deed.method == "PATCH":
            self.object["spec"].update(deed.body["spec"])
            self.object["metadata"].update(deed.body["metadata"])
        return Done(0, "{}")

    def _commanded(self, argv: Sequence[str]) -> Done:
        match argv:
            case ["scontrol", "update", name, "State=DRAIN", reason]:
                self.drained[name.partition("=")[2]] = reason.partition("=")[2]
            case ["scontrol", "update", name, "State=RESUME"]:
                self.drained.pop(name.partition("=")[2], None)
            case ["scontrol", "requeue", _]:
                self.restarts += 1
            case ["scontrol", "hold", _]:
                self.held = True
            case ["scancel", number]:
                self.state[number] = "CANCELLED"
            case ["nvidia-smi", "-i", _, "-pl", watts]:
                self.watts = watts
            case ["ln", _, asked, _]:
                self.let_go_until = self.seconds + float(asked.split(":")[1])
            case ["nvidia-smi", "-i", _, "--gpu-reset"]:
                if self.seconds >= self.let_go_until:
                    return Done(1, "", "GPU 0000:17:00.0 is currently in use by one or more other processes")
                self.errors = "0"
        return Done(0)

    def look(self, deed: Deed) -> Done:
        if isinstance(deed, Request):
            if "/pods/" not in deed.path:
                return Done(0, json.dumps(self.object))
            name = deed.path.rpartition("/")[2]
            uid = f"uid-{name[-1]}"
            return Done(0, json.dumps({"metadata": {"uid": uid}})) if name in self.pods else Done(404, "{}")
        match deed.argv:
            case ["scontrol", _, "show", "node", name]:
                reason = f" Reason={self.drained[name]} [root@1]" if name in self.drained else ""
                return Done(0, f"NodeName={name} State=IDLE{'+DRAIN' if reason else ''}{reason}\n")
            case ["scontrol", _, "show", "job", number]:
                why = "JobHeldAdmin" if self.held else "None"
                told = f"JobId={number} UserId=maria(1) JobState={self.state[number]} Reason={why}"
                return Done(0, f"{told} Restarts={self.restarts if number == '7' else 0}\n")
            case ["nvidia-smi", *words]:
                return self._queried(" ".join(words))
        return Done(1, "", "no such command")

    def _queried(self, words: str) -> Done:
        if "compute-apps" in words:
            return Done(0)
        return Done(0, f"{self.errors}\n" if "ecc.errors" in words else f"{self.watts}.00\n")


class WorldHands:
    """The console may die just before a deed, and just after it."""

    def __init__(self, world: World, points: Points) -> None:
        self._world, self._points = world, points

    async def do(self, deed: Deed, operation: str) -> Done:
        assert isinstance(deed, Command | Request)
        self._points.pass_by()
        if operation not in self._world.kept:
            self._world.kept[operation] = self._world.act(deed)
        self._points.pass_by()
        return self._world.kept[operation]

    async def recall(self, deed: Deed, operation: str) -> Done | None:
        return self._world.kept.get(operation)

    async def acknowledge(self, deed: Deed, operation: str) -> None:
        self._points.pass_by()
        self._world.kept.pop(operation, None)

    async def look(self, deed: Deed) -> Done:
        return self._world.look(deed)

    async def close(self) -> None: ...


class Still:
    """ports.Floor: one picture, whatever happens."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    def frame(self) -> Frame:
        return self._frame

    async def later(self, than: Frame) -> Frame:
        return self._frame

    def ask_anew(self) -> None: ...


def scene() -> Scene:
    def board(number: int) -> Values:
        return {"name": "gpu0", "vendor": "NVIDIA", "uuid": GPU.format(number), "index": 0.0, "partition_of": "",
                "power_limit": 700.0, "power_min": 200.0, "power_max": 700.0, "processes": 0.0,
                "ecc_uncorrected": 3.0}  # fmt: skip

    names = [*(f"n{number}" for number in range(1, 10)), "k1"]
    machines = [Machine(name, {GPU.format(at): board(at)}, {"age": 0.1}) for at, name in enumerate(names)]
    slurm = answer(jobs=(JOB, WAITS), nodes=[SchedulerNode(name, "idle") for name in names[:-1]])
    kube = answer(
        jobs=(PODS,), nodes=(SchedulerNode("k1", "ready"),), kind="kubernetes", name="prod", version="v1.30.1"
    )
    return scene_of(_frame(machines, slurm, kube))


def _frame(machines: Sequence[Machine], *answers: SourceAnswer) -> Frame:
    return frame_of(machines, *answers).with_findings(())


@dataclass
class Lab:
    """One console after another on one world and one ledger."""

    folder: Path
    world: World = field(default_factory=World)
    ids: int = 0

    def __post_init__(self) -> None:
        self.scene = scene()
        self.ledger = Ledger(self.folder / "ledger.db", "console", clock=lambda: int(NOW * 1e9))
        self.leases = Leases(self.folder / "leases.db")

    def now(self) -> float:
        return NOW

    def monotonic(self) -> float:
        return NOW

    def console(self, holder: str, points: Points) -> Harness:
        return Harness(
            Desk(
                _KillableBook(self.ledger, points), self.leases, Still(self.scene.frame),
                WorldHands(self.world, points), lambda plan, frame: PERMITTED,
                lambda plan, verdict, entries, now: Count(True), actions(), self.scene.homes, self, self._new_id,
                holder, "here",
            )
        )  # fmt: skip

    def _new_id(self) -> str:
        self.ids += 1
        return f"r{self.ids}"

    def plan(self, name: str, target: Subject, given: dict[str, Value]) -> Plan:
        known = actions()
        playbook = single(name, known[name], given)
        return make_plan(playbook, [target], self.scene, known, Asked(ANNA, origin(), NOW))

    def close(self) -> None:
        self.ledger.close()
        self.leases.close()


def node(name: str) -> Subject:
    return Subject(Scope.NODE, name)


CASES: list[tuple[str, Subject, dict[str, Value]]] = [
    ("drain_node", node("n2"), {"reason": "xid 79"}),
    ("requeue_job", Subject(Scope.JOB, "", "slurm:7"), {}),
    ("cancel_job", Subject(Scope.JOB, "", "slurm:7"), {}),
    ("hold_job", Subject(Scope.JOB, "", "slurm:8"), {}),
    ("set_power_limit", Subject(Scope.ACCELERATOR, "n2", GPU.format(1)), {"watts": 450}),
    ("cordon_node", node("k1"), {"reason": "xid 79"}),
    ("evict_pods", node("k1"), {}),
    ("notify", node("n2"), {"text": "n2 is drained"}),
]


@pytest.mark.parametrize(("name", "target", "given"), CASES, ids=[case[0] for case in CASES])
async def test_an_action_whose_console_is_killed_is_done_once(
    tmp_path: Path, name: str, target: Subject, given: dict[str, Value]
) -> None:
    whole, moments = Lab(tmp_path / "whole"), Points()
    run = (await whole.console("one", Points()).propose(whole.plan(name, target, given))).run
    result = await whole.console("one", moments).carry_out(run, ANNA)
    assert result.outcome is Outcome.SUCCEEDED, result.text
    wanted = list(whole.world.log)
    whole.close()
    assert wanted and moments.count > 6
    for moment in range(1, moments.count + 1):
        lab = Lab(tmp_path / str(moment))
        run = (await lab.console("zero", Points()).propose(lab.plan(name, target, given))).run
        with pytest.raises(Killed):
            await lab.console("first", Points(die_at=moment)).carry_out(run, ANNA)
        lab.leases.release(run, "first")
        result = await lab.console("second", Points()).carry_out(run, ANNA)
        assert result.outcome is Outcome.SUCCEEDED, (moment, result.text)
        assert lab.world.log == wanted, f"killed at moment {moment}"
        lab.close()


async def test_a_reset_goes_on_after_a_kill_though_the_probes_have_come_back_meanwhile(tmp_path: Path) -> None:
    """The request to let go of the driver lapses after 150 s: it is made again where the reset was not begun yet."""
    case = ("reset_accelerator", Subject(Scope.ACCELERATOR, "n3", GPU.format(2)), {})
    whole, moments = Lab(tmp_path / "whole"), Points()
    run = (await whole.console("one", Points()).propose(whole.plan(*case))).run
    result = await whole.console("one", moments).carry_out(run, ANNA)
    assert result.outcome is Outcome.SUCCEEDED, result.text
    whole.close()
    for moment in range(1, moments.count + 1):
        lab = Lab(tmp_path / str(moment))
        run = (await lab.console("zero", Points()).propose(lab.plan(*case))).run
        with pytest.raises(Killed):
            await lab.console("first", Points(die_at=moment)).carry_out(run, ANNA)
        lab.leases.release(run, "first")
        lab.world.seconds += 200.0
        result = await lab.console("second", Points()).carry_out(run, ANNA)
        assert result.outcome is Outcome.SUCCEEDED, (moment, result.text)
        assert sum("--gpu-reset" in line for line in lab.world.log) == 1, f"killed at moment {moment}"
        lab.close()
