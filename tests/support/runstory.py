"""A ledger with runs of every sort, at given times: one went well, one didn't, one goes on, two wait."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from watchfloor.change import (
    Command,
    Impact,
    JobHit,
    On,
    Origin,
    Place,
    Plan,
    Request,
    Risk,
    Step,
    Target,
    Value,
    plain,
)
from watchfloor.model import Scope
from watchfloor.records import ledgerwords as words
from watchfloor.records.ledger import Ledger
from watchfloor.records.ledgerentry import Note, Party, Who

ANNA = Who(Party.PERSON, "anna", "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU")
BOB = Who(Party.PERSON, "bob", "SHA256:9wXkTuH1l7pBP8pRbUZ2nC1sX0b0n3Wd8yQ5m6t7u8Y")
CRON = Who(Party.SERVICE, "cron", on_behalf_of="ops")
DESK = Who(Party.AGENT, "desk", model="m-1", on_behalf_of="bob", prompt="ab" * 32)
MINUTE = 60.0
HARMLESS = Impact()

Told = tuple[float, Who, words.Body]  # seconds before now


def target(node: str, key: str = "") -> Target:
    return Target(Scope.ACCELERATOR if key else Scope.NODE, node, key)


def slurm(*argv: str) -> Command:
    return Command(Place(On.SCHEDULER, "alpha"), ("scontrol", *argv))


def drain(node: str, why: str) -> Step:
    return Step(
        "drain", "drain_node", target(node), Risk.TAKES_OUT, f"drain {node} in alpha: {why}",
        (slurm("update", f"NodeName={node}", "State=DRAIN", f"Reason=watchfloor: {why}"),),
        before={"state": "mixed"}, after={"state": "drain", "reason": why},
        undo=(slurm("update", f"NodeName={node}", "State=RESUME"),), harms="drained-around",
    )  # fmt: skip


def requeue(node: str, job: str) -> Step:
    return Step(
        "requeue", "requeue_job", Target(Scope.JOB, "", f"slurm:{job}"), Risk.SLOWS, f"requeue job {job} from {node}",
        (slurm("requeue", job),), before={"state": "running"}, after={"state": "pending"}, needs=("drain",),
        harms="requeued",
    )  # fmt: skip


def evidence(node: str) -> Step:
    argv = ("nvidia-bug-report.sh", "--output-file", "/var/tmp/watchfloor/evidence.log.gz", "--safe-mode")
    return Step(
        "evidence", "collect_evidence", target(node), Risk.READ, f"collect evidence on {node}",
        (Command(Place(On.NODE, node), argv, True, 300.0),), timeout_seconds=300.0,
    )  # fmt: skip


def ticket(node: str) -> Step:
    body = {"summary": f"XID 79 on {node}", "queue": "hardware"}
    return Step(
        "ticket", "open_ticket", target(node), Risk.READ, f"open a ticket for {node}",
        (Request(Place(On.HERE, "tickets"), "POST", "/issues", body),), attempts=3,
    )  # fmt: skip


def cap(node: str, board: int, watts: int) -> Step:
    argv = ("nvidia-smi", "-i", f"GPU-{node}-{board}", "-pl", str(watts))
    return Step(
        f"cap-{board}", "set_power_limit", target(node, f"GPU-{node}-{board}"), Risk.SLOWS,
        f"cap gpu{board} of {node} at {watts} W", (Command(Place(On.NODE, node), argv, True),),
        before={"power_limit": 700}, after={"power_limit": watts},
        undo=(Command(Place(On.NODE, node), (*argv[:-1], "700"), True),), harms="slowed",
    )  # fmt: skip


def planned(playbook: str, who: Who, why: Origin, steps: Sequence[Step], at: float, impact: Impact = HARMLESS) -> Plan:
    state: dict[str, Value] = {f"{step.target.node} boot": "b-1" for step in steps if step.target.node}
    risk = max(step.risk for step in steps)
    return Plan(playbook, who, why, tuple(steps), at, at + 4 * 3600, impact, state, "cd" * 32, True, risk)


XID = Origin(
    "XID 79 on dgx-02: GPU has fallen off the bus", "xid in (79, 48, 95)", "xid-fatal", "dgx-02/gpu3",
    {"xid": 79, "temp": 61.0},
)  # fmt: skip
HITS = Impact(
    (
        JobHit("slurm:4100", "requeued", "mira", "train-llm", 16, 2.7, "checkpoint"),
        JobHit("slurm:4107", "drained-around", "tomas", "evaluate", 2),
    ),
    ("dgx-02",), 8, 0.89, "in 12 min, when job 4107 ends",
)  # fmt: skip


class Story:
    """Writes a ledger, entry by entry, each at its time."""

    def __init__(self, place: Path, now: float) -> None:
        self.now, self._at = now, now
        self.ledger = Ledger(place, "console", lambda: int(self._at * 1e9))
        self._entries: list[tuple[float, Note]] = []

    def run(self, name: str, plan: Plan, *told: Told) -> None:
        subjects = tuple(dict.fromkeys(f"node:{step.target.node}" for step in plan.steps if step.target.node))
        subjects += tuple(f"job:{hit.job}" for hit in plan.impact.jobs)
        for ago, who, body in told:
            self._entries.append((self.now - ago, Note(who, body, subjects, name, plan.digest)))

    def tell(self, ago: float, who: Who, body: words.Body) -> None:
        self._entries.append((self.now - ago, Note(who, body)))

    def write(self) -> None:
        for at, note in sorted(self._entries, key=lambda entry: entry[0]):
            self._at = at
            self.ledger.append(note)
        self._entries.clear()


def proposed(plan: Plan, ago: float) -> Told:
    why = plan.origin
    body = words.Proposed(
        reason=why.reason, trigger=why.trigger, playbook=plan.playbook, samples=why.samples, plan=plain(plan)
    )
    return (ago, plan.who, body)


def decided(ago: float, verdict: str, reasons: Sequence[str], approvals: int = 0) -> Told:
    ids = ["takes-out.needs-a-person"] if approvals else ["reversible.permitted"]
    body = words.Decided(verdict=verdict, reasons=list(reasons), policies=ids, approvals=approvals)
    return (ago, CRON, body)


def done(
    step: Step, ago: float, run: str, attempt: int = 1, code: int | None = 0, printed: str = "", wrong: str = ""
) -> list[Told]:
    """Its intent, and how its command ended."""
    deed = step.deeds[0]
    argv = list(deed.words) if isinstance(deed, Command) else [deed.method, deed.path]
    operation = f"{run}.{step.key}.{attempt}"
    applied = words.Applied(
        step=step.key, action=step.action, argv=argv, exit_code=code, seconds=0.21, operation=operation,
        attempt=attempt, output=words.output(printed) if printed else None,
        errors=words.output(wrong) if wrong else None,
    )  # fmt: skip
    return [begun(step, ago, run, attempt), (ago - 1.0, CRON, applied)]


def begun(step: Step, ago: float, run: str, attempt: int = 1) -> Told:
    operation = f"{run}.{step.key}.{attempt}"
    return (ago, CRON, words.Intent(step=step.key, action=step.action, operation=operation, attempt=attempt))


def seen(step: Step, ago: float, result: str, text: str) -> Told:
    return (ago, CRON, words.Verified(step=step.key, result=result, text=text, after=dict(step.after)))


def over(ago: float, outcome: str, text: str = "") -> Told:
    return (ago, CRON, words.Outcome(outcome=outcome, text=text))


def written(place: Path, now: float) -> Story:
    """The ledger of a morning, left open: the caller closes `ledger`."""
    story = Story(place, now)
    story.tell(300 * MINUTE, CRON, words.SessionStart(session="s1", version="0.1.0", mode="watch", nodes=13))
    _went_well(story)
    _failed(story)
    _goes_on(story)
    _waits(story)
    story.tell(MINUTE, CRON, words.Heartbeat(session="s1", every=60.0))
    story.write()
    return story


def _went_well(story: Story) -> None:
    at = story.now - 170 * MINUTE
    steps = [evidence("dgx-03"), ticket("dgx-03")]
    plan = planned("collect", CRON, Origin("a weekly look", "schedule: 0 5 * * 1"), steps, at)
    first, second = steps
    story.run(
        "r1c07a9e2b4", plan, proposed(plan, 170 * MINUTE),
        decided(170 * MINUTE, "permit", ["it reads, and touches no job"]),
        *done(first, 169 * MINUTE, "r1c07a9e2b4", printed="nvidia-bug-report.sh will now collect\nwritten\n"),
        seen(first, 160 * MINUTE, "took-effect", "the file is there, 2.1 MB"),
        *done(second, 159 * MINUTE, "r1c07a9e2b4", printed='{"id": 4711}'),
        seen(second, 158 * MINUTE, "took-effect", "ticket 4711"), over(158 * MINUTE, "succeeded"),
    )  # fmt: skip


def _failed(story: Story) -> None:
    at, run = story.now - 95 * MINUTE, "r8d41f00c3e"
    steps = [drain("l40-02", "XID 48"), requeue("l40-02", "4090"), ticket("l40-02")]
    why = Origin("XID 48 on l40-02: double bit error", "xid in (79, 48, 95)", "xid-fatal", "l40-02/gpu1", {"xid": 48})
    plan = planned("fatal-xid", CRON, why, steps, at)
    first, second, _ = steps
    story.run(
        run, plan, proposed(plan, 95 * MINUTE), decided(95 * MINUTE, "needs-approval", ["it takes a node out"], 1),
        (92 * MINUTE, ANNA, words.Approval(reason="seen the log, go on")),
        *done(first, 91 * MINUTE, run), seen(first, 90.5 * MINUTE, "took-effect", "l40-02 is drain"),
        *done(second, 90 * MINUTE, run, 1, None, wrong="slurm_load_jobs error: Unable to contact slurm controller"),
        *done(second, 89 * MINUTE, run, 2, 1, wrong="slurm_requeue error: Job/step already completing or completed"),
        seen(second, 88 * MINUTE, "no-effect", "job 4090 is completing"),
        over(88 * MINUTE, "failed", "requeue: job 4090 is completing, it can't be requeued"),
    )  # fmt: skip


def _goes_on(story: Story) -> None:
    at, run = story.now - 4 * MINUTE, "r55b20c1f7a"
    steps = [cap("dgx-01", board, 550) for board in range(8)]
    why = Origin("temp_margin < 5 for 2m on dgx-01", "temp_margin < 5 for 2m", "temp-margin", "dgx-01", {"temp": 88.5})
    plan = planned("thermal-cap", CRON, why, steps, at)
    first, second, third = steps[:3]
    story.run(
        run, plan, proposed(plan, 4 * MINUTE), decided(4 * MINUTE, "permit", ["it slows work, and can be taken back"]),
        *done(first, 3.8 * MINUTE, run), seen(first, 3.5 * MINUTE, "took-effect", "its limit is 550 W"),
        *done(second, 3 * MINUTE, run, 1, None, wrong="no answer within 30 s"),
        *done(second, 2 * MINUTE, run, 2), seen(second, 1.5 * MINUTE, "took-effect", "its limit is 550 W"),
        begun(third, 12.0, run),
    )  # fmt: skip


def _waits(story: Story) -> None:
    at = story.now - 11 * MINUTE
    steps = [drain("dgx-02", "XID 79"), requeue("dgx-02", "4100"), evidence("dgx-02"), ticket("dgx-02")]
    plan = planned("fatal-xid", DESK, XID, steps, at, HITS)
    reasons = ["it takes a node out of service", "an agent asked for it, so two persons have to approve"]
    story.run(
        "r9f3e07d5b1", plan, proposed(plan, 11 * MINUTE), decided(11 * MINUTE, "needs-approval", reasons, 2),
        (7 * MINUTE, BOB, words.Approval(reason="the board is gone from the bus")),
    )  # fmt: skip
    at = story.now - 40.0
    why = Origin("fan swap at noon")
    lone = planned("drain-node", ANNA, why, [drain("l40-03", why.reason)], at)
    story.run(
        "re6a8b90412", lone, proposed(lone, 40.0),
        decided(40.0, "needs-approval", ["it takes a node out of service"], 1),
    )  # fmt: skip
    step = msgspec.structs.replace(drain("dgx-04", "try it"), action="reboot_node")
    denied = planned("reboot-node", DESK, Origin("try it"), [step], at)
    story.run(
        "rb71d00ee25", denied, proposed(denied, 30 * MINUTE),
        decided(30 * MINUTE, "deny", ["no policy permits that to an agent"]),
        (30 * MINUTE, DESK, words.Refused(why="denied", text="no policy permits that to an agent")),
        over(30 * MINUTE, "refused", "denied: no policy permits that to an agent"),
    )  # fmt: skip
