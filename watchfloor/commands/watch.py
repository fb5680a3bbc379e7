"""`watchfloor watch`: the daemon. Playbooks become due by themselves; policy, interlocks and approvals are as ever."""

from __future__ import annotations

import asyncio
import json as jsonlib
import secrets
import signal
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from watchfloor import __version__
from watchfloor.change import Outcome
from watchfloor.commands import output
from watchfloor.commands.arguments import Hosts, Source
from watchfloor.commands.recordings import Seen, recording_for
from watchfloor.commands.waiting import settled_with_jobs
from watchfloor.exits import Exit
from watchfloor.keeper import account
from watchfloor.metrics import Unit
from watchfloor.onlyone import only_one
from watchfloor.places import findings_file, lineage_place, watch_lock
from watchfloor.records.ledgerentry import Party, Who
from watchfloor.units import quantity

if TYPE_CHECKING:
    from agents.carrying import Result
    from agents.harness import Decision
    from agents.triggers import Incident, NotDone
    from agents.watchman import Account
    from watchfloor.runs import RunRecord

LEAVE_SECONDS = 20.0  # for runs under way, when it is told to end; they are taken up at the next start
_PATIENCE_ONCE = 6 * 3600.0  # a diagnostic takes hours
_WORST_FIRST = (
    (Outcome.FAILED, Exit.FAILED),
    (Outcome.ROLLED_BACK, Exit.ROLLED_BACK),
    (Outcome.UNVERIFIED, Exit.UNVERIFIED),
    (Outcome.ABANDONED, Exit.ABANDONED),
)
_RULINGS = (
    ({"deny", "denied", "no-policy", "rejected"}, Exit.DENIED),
    ({"interlocked", "lease", "waited", "stopped"}, Exit.INTERLOCKED),
    ({"moved", "over"}, Exit.VOID),
    ({"needs-approval", "not-approved"}, Exit.WAITS_FOR_APPROVAL),
)


def watch(
    *hosts: Hosts,
    source: Source = Source(),
    service: Annotated[str, Parameter(help="The service as which it asks: policies name it.")] = "watch",
    once: Annotated[bool, Parameter(help="Look for --span, end what may be done, and leave: for timers.")] = False,
    span: Annotated[str, Parameter(help="With --once, how long.")] = "60s",
    json: Annotated[bool, Parameter(help="A JSON object a line for everything that happens.")] = False,
    timeout: Annotated[float, Parameter(help="Seconds that slow nodes are waited for at the start.")] = 20.0,
    no_record: Annotated[bool, Parameter(help="Keep no recording of what it saw.")] = False,
) -> int:
    """Watch the fleet and begin playbooks when they are due, as far as policy and interlocks let it. One at a time.

    What isn't done is on record, too. SIGTERM ends it: what is under way is ended, or taken up at the next start.
    """
    seconds = quantity(span, Unit.SECONDS) if once else 0.0
    specs, work = source.floor(hosts)
    work = replace(work, lineage=lineage_place())
    who = Who(Party.SERVICE, service, on_behalf_of=account())
    with only_one(watch_lock()) as other:
        if other:
            output.show_error(
                output.problem(f"another one watches already ({other})", "one watches at a time; nothing was done"),
                json,
            )
            return Exit.INTERLOCKED
        with recording_for("watch", who, not no_record, source.fleet_file()) as seen:
            return asyncio.run(_watch(specs, work, who, seconds, timeout, _Tell(json), seen))


async def _watch(
    specs: Sequence[Any], work: Any, who: Who, seconds: float, patience: float, tell: _Tell, seen: Seen | None
) -> int:
    from watchfloor.acting import post  # noqa: PLC0415 - joins all rooms, and acts
    from watchfloor.repertoire import usable  # noqa: PLC0415

    playbooks = usable()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    async with post(specs, work, findings=findings_file(), seen=seen) as at:
        await at.until(settled_with_jobs, patience if seconds else 0.0)
        watchman = at.watchman(who, playbooks, tell, secrets.token_hex(4))
        tell.begins(len(specs), len(playbooks))
        if seconds:
            loop.call_later(seconds, stop.set)
        await watchman.watch(stop, __version__, _PATIENCE_ONCE if seconds else LEAVE_SECONDS)
        if seen is not None:
            await at.last_look()
        return _code(watchman.account) if seconds else Exit.OK


def _code(account: Account) -> int:
    """The worst that came of it."""
    for outcome, code in _WORST_FIRST:
        if outcome in account.outcomes:
            return code
    said = {*account.rulings, *account.refused, *(["not-approved"] if account.waiting else [])}
    for words, code in _RULINGS:
        if said & words:
            return code
    return Exit.OK


class _Tell:
    """A line for everything that happens: for journals."""

    def __init__(self, json: bool) -> None:
        self._json = json

    def begins(self, nodes: int, playbooks: int) -> None:
        self._write("begins", f"{nodes} nodes, {playbooks} playbooks", nodes=nodes, playbooks=playbooks)

    def refrained(self, one: NotDone) -> None:
        targets = [str(target) for target in one.targets]
        self._write("refrained", f"{one.playbook}: {one.why}: {one.text}", playbook=one.playbook, why=one.why,
                    text=one.text, targets=targets)  # fmt: skip

    def proposed(self, incident: Incident, decision: Decision) -> None:
        held = "; ".join(f"{name}: {why}" for name, why in decision.held.items())
        reasons = held or "; ".join(decision.verdict.reasons)
        text = f"{incident.playbook.name} for {incident.reason}: run {decision.run}, {decision.ruling}"
        self._write("proposed", text + (f" ({reasons})" if reasons else ""), run=decision.run,
                    playbook=incident.playbook.name, ruling=str(decision.ruling), reasons=reasons)  # fmt: skip

    def freed(self, decision: Decision) -> None:
        text = f"{decision.plan.playbook}: run {decision.run} is held back no longer, {decision.ruling}"
        self._write("freed", text, run=decision.run, playbook=decision.plan.playbook, ruling=str(decision.ruling))

    def ended(self, run: RunRecord, result: Result) -> None:
        took = f" after {time.time() - run.proposed:.1f} s" if run.proposed else ""
        self._write("ended", f"run {run.run} {result.outcome}{took}: {result.text}", run=run.run,
                    outcome=str(result.outcome), text=result.text)  # fmt: skip

    def _write(self, what: str, line: str, **facts: Any) -> None:
        now = time.time()
        if self._json:
            output.write(jsonlib.dumps({"at": now, "what": what, **facts}, ensure_ascii=False))
        else:
            output.write(f"{time.strftime('%H:%M:%S', time.localtime(now))} {line}")
