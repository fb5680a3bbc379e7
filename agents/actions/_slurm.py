"""What the actions at Slurm share: command lines, what scontrol shows, nodes and jobs as targets. Pure but for looking.

Commands run where the source's own do. `scontrol show` is read as text: every version speaks it, and old ones no JSON.
"""

from __future__ import annotations

import re

from agents.action import CannotPrepare, Home, Scene
from agents.actions._base import looked, silent_source, unknown
from agents.parameters import host_name
from watchfloor.change import Command, On, Place, Seen, Step, Value
from watchfloor.jobs.model import Job, SchedulerNode
from watchfloor.ports import Hands

KIND = "slurm"
_PAIR = re.compile(r"(?:^|\s)([A-Z][\w:/]*)=")
_REASON = re.compile(r"\sReason=(.*?)\s*\[[^\s@\[\]]+@[^\]\s]+\]")
_NUMBER = re.compile(r"slurm:(?:[\w.-]+/)?(\d+)")
_TASKS = re.compile(r"[\d,:-]+")
LONGEST_REASON = 120


def command(home: Home, program: str, *arguments: str) -> Command:
    """A command of Slurm's at its source, whose hands know where it is and with which configuration."""
    return Command(Place(On.SCHEDULER, home.name), (program, *arguments))


# -- what scontrol shows


def fields(record: str) -> dict[str, str]:
    """Key -> value of one record on one line. A key counts where it comes first: users write names and comments."""
    found: dict[str, str] = {}
    marks = list(_PAIR.finditer(record))
    for here, after in zip(marks, [*marks[1:], None], strict=True):
        found.setdefault(here[1], record[here.end() : after.start() if after else len(record)].strip())
    return found


def node_words(record: str) -> frozenset[str]:
    return state_words(fields(record).get("State", ""))


def state_words(state: str) -> frozenset[str]:
    """A node's state: "MIXED+DRAIN" and "down*+drain" as words in lower case."""
    return frozenset(re.split(r"[+*~#!%$@^-]+", state.lower())) - {""}


def node_reason(record: str) -> str:
    """Who set it and when is left out."""
    found = _REASON.search(record)
    return found[1] if found else ""


def is_drained(words: frozenset[str]) -> bool:
    return bool(words & {"drain", "drained", "draining"})


def restarts(record: str) -> int | None:
    told = fields(record).get("Restarts", "")
    return int(told) if told.isdecimal() else None


def job_words(record: str) -> frozenset[str]:
    """A job's state, as words in upper case."""
    return frozenset(re.split(r"[+,\s]+", fields(record).get("JobState", "").upper())) - {""}


def is_held(record: str) -> bool:
    """By an administrator, its owner, or because it may not start again by itself."""
    told = fields(record)
    waits = "PENDING" in job_words(record) or "REQUEUE_HOLD" in job_words(record)
    return waits and (told.get("Reason", "").startswith("JobHeld") or told.get("Priority") == "0")


async def shown_node(step: Step, hands: Hands) -> str | Seen:
    """The record of the step's node; Seen (unknown) where there is no answer."""
    answer = await looked(hands, _show(step, "node", str(step.before["scheduler node"])))
    if isinstance(answer, Seen):
        return answer
    record = answer.stdout.strip()
    return record if record.startswith("NodeName=") else unknown(f"scontrol shows no node: {record[:80]!r}")


async def shown_job(step: Step, hands: Hands) -> str | Seen:
    """The record of the step's job, as Slurm has it now."""
    number = str(step.before["number"])
    answer = await looked(hands, _show(step, "job", number))
    if isinstance(answer, Seen):
        return answer
    record = job_record(answer.stdout, number)
    return record or unknown(f"scontrol shows no job {number}: {answer.stdout[:80]!r}")


def job_record(text: str, number: str) -> str:
    """Of an array all tasks may be shown: the one whose own number this is; "" where it isn't among them."""
    return next((line for line in text.splitlines() if line.startswith(f"JobId={number} ")), "")


def _show(step: Step, kind: str, name: str) -> Command:
    """Asked where the step acts."""
    return Command(step.deeds[0].place, ("scontrol", "--oneliner", "show", kind, name))


# -- targets


def of_node(scene: Scene, step: Step) -> Home:
    """The Slurm that has the step's node. Raises CannotPrepare."""
    home = scene.homes.of_node(scene.frame, step.target.node)
    if home is None:
        raise CannotPrepare(
            f"no scheduler manages {step.target.node}", "a source of jobs in the fleet file, which names its nodes"
        )
    if home.kind == KIND:
        host_name(home.node, "Slurm's node")
    return home


def node_told(scene: Scene, step: Step) -> SchedulerNode | str:
    """What its scheduler, whichever it is, tells of the step's node; or why that can't be relied upon."""
    if stale := silent_source(scene, str(step.before["source"])):
        return stale
    told = scene.frame.jobs.scheduler.get(scene.frame.node_index.get(step.target.node, -1))
    return told if told is not None else f"no scheduler manages {step.target.node} any more"


def reason_text(text: str, mark: str) -> str:
    """A reason as Slurm takes it, with the mark behind. Raises CannotPrepare."""
    if any(character in text for character in "\"'`\\"):
        raise CannotPrepare(f"a reason in Slurm holds no quotes or backslashes: {text!r}", "say it without them")
    return f"{text[:LONGEST_REASON].strip()} {mark}".strip()


def reason_again(reason: str) -> tuple[str, ...]:
    """What gives a node a reason back, as far as a command can say it; nothing where it had none."""
    plain = "".join(character for character in reason if character.isprintable() and character not in "\"'`\\")
    return (f"Reason={plain}",) if plain else ()


def of_job(scene: Scene, step: Step) -> tuple[Home, Job]:
    """The job of a step, and the Slurm that has it. Raises CannotPrepare."""
    row = scene.frame.jobs.index.get(step.target.key)
    home = scene.homes.of_job(scene.frame, step.target.key)
    if row is None or home is None:
        raise CannotPrepare(f"no scheduler tells of a job {step.target.key!r}", "see the ids of the jobs page")
    if home.kind != KIND:
        advice = "evict_pods moves its pods away from a node" if home.kind == "kubernetes" else "its own tools may"
        raise CannotPrepare(f"{step.target.key} is a job of {home.kind}: this is done to jobs of Slurm", advice)
    job = scene.frame.jobs.rows[row]
    if job.state.is_over:
        raise CannotPrepare(f"job {job.number} is over ({job.state})", "there is nothing left to act upon")
    return home, job


def job_name(job: Job) -> str:
    """How commands are told of exactly this job. Raises CannotPrepare.

    The last task of an array has the array's own number, which commands take for all of its tasks; so tasks are named
    as such: "4200_7", and those that still wait as "4200_[8-63]".
    """
    component = job.labels.get("component", "")
    if component and not component.endswith("+0"):
        leader = component.partition("+")[0]
        raise CannotPrepare(f"job {job.number} is a part of job {leader}", f"act upon {leader}, which is all of it")
    if not job.array:
        return job_number(job)
    tasks = job.array_tasks.partition("%")[0]
    if not job.array.isdecimal() or not _TASKS.fullmatch(tasks):
        raise CannotPrepare(
            f"it isn't known which tasks of array {job.array} are meant", "ask again when they are told"
        )
    return f"{job.array}_{tasks}" if tasks.isdecimal() else f"{job.array}_[{tasks}]"


def job_number(job: Job) -> str:
    """Its own number, which a task of an array has, too. Raises CannotPrepare."""
    number = _NUMBER.fullmatch(job.id)
    if number is None:
        raise CannotPrepare(f"{job.id!r} is no number of Slurm's", "see the ids of the jobs page")
    return number[1]


def job_before(job: Job) -> dict[str, Value]:
    """What is told of a job when a step is prepared, and looked at again before it is done."""
    return {
        "job": job_name(job),
        "number": job_number(job),
        "attempt": job.attempt,
        "state": str(job.state),
        "user": job.user,
    }


def job_moved(scene: Scene, step: Step) -> str:
    """Why the job of the frame isn't the one that was planned for."""
    row = scene.frame.jobs.index.get(step.target.key)
    if row is None:
        return f"job {step.before['job']} is no longer told of"
    job = scene.frame.jobs.rows[row]
    if stale := silent_source(scene, job.source):
        return stale
    if job.attempt != step.before["attempt"]:
        return f"job {job.number} is in attempt {job.attempt} now, and attempt {step.before['attempt']} was meant"
    return f"job {job.number} is over ({job.state})" if job.state.is_over else ""


async def another_attempt(step: Step, hands: Hands) -> str:
    """The guard of all that is done to jobs: what Slurm itself says, just before."""
    record = await shown_job(step, hands)
    if isinstance(record, Seen):
        return record.text
    now, meant = restarts(record), int(step.before["attempt"]) - 1
    if now != meant:
        return f"job {step.before['job']} was restarted {now} times by now, and {meant} times when it was planned"
    owner, told = fields(record).get("UserId", "").partition("(")[0], str(step.before["user"])
    return f"job {step.before['job']} is {owner}'s, and {told}'s was meant" if told and owner != told else ""
