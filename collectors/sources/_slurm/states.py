"""Slurm's words for the states of jobs and nodes, in the words that all schedulers share. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from watchfloor.jobs.model import JobState

_BASE = {
    "PENDING": JobState.PENDING,
    "RUNNING": JobState.RUNNING,
    "SUSPENDED": JobState.SUSPENDED,
    "COMPLETED": JobState.DONE,
    "CANCELLED": JobState.CANCELLED,
    "FAILED": JobState.FAILED,
    "TIMEOUT": JobState.TIMED_OUT,
    "DEADLINE": JobState.TIMED_OUT,
    "NODE_FAIL": JobState.NODE_FAILED,
    "BOOT_FAIL": JobState.NODE_FAILED,
    "PREEMPTED": JobState.PREEMPTED,
    "OUT_OF_MEMORY": JobState.OUT_OF_MEMORY,
    "REVOKED": JobState.CANCELLED,  # a sibling of the federation runs it
}
# flags beside the base state say more than it does; squeue and sacct print them in its place. In this order they count
_FLAGS = {
    "COMPLETING": JobState.ENDING,
    "STAGE_OUT": JobState.ENDING,
    "REQUEUE_HOLD": JobState.HELD,
    "SPECIAL_EXIT": JobState.HELD,
    "RESV_DEL_HOLD": JobState.HELD,
    "REQUEUED": JobState.PENDING,
    "REQUEUE_FED": JobState.PENDING,
    "CONFIGURING": JobState.STARTING,
    "POWER_UP_NODE": JobState.STARTING,
    "STOPPED": JobState.SUSPENDED,
    "LAUNCH_FAILED": JobState.FAILED,
    "RECONFIG_FAIL": JobState.FAILED,
    "RESIZING": JobState.RUNNING,
    "SIGNALING": JobState.RUNNING,
}
# squeue's JSON has the words of the description, with blanks
_HELD = re.compile(
    r"JobHeld\w+|launch[_ ]failed[_ ]requeued[_ ]held|job[_ ]requeued[_ ]in[_ ]held[_ ]state", re.IGNORECASE
)

_OUT_OF_WORK = frozenset(
    ("down", "drain", "drained", "draining", "fail", "failing", "error", "future", "unknown", "maint", "reserved",
     "reboot_requested", "reboot_issued", "powering_down", "powered_down", "power_down", "not_responding",
     "invalid_reg", "blocked")
)  # fmt: skip
# what old clients put behind a state, and the word that newer ones use
_SUFFIXES = {
    "*": "not_responding", "~": "powered_down", "#": "powering_up", "!": "power_down", "%": "powering_down",
    "$": "maint", "@": "reboot_requested", "^": "reboot_issued", "-": "planned", "+": "",
}  # fmt: skip


def words(state: str | Iterable[str]) -> tuple[str, ...]:
    """A job's state as base and flags: "CANCELLED by 0" is CANCELLED, "RUNNING+COMPLETING" are two."""
    parts = re.split(r"[+,]", state) if isinstance(state, str) else list(state)
    return tuple(part.split()[0].upper() for part in parts if part.strip())


def job_state(state: tuple[str, ...], reason: str = "") -> JobState:
    """Where a job stands, of its base state, its flags and the reason for which it waits."""
    found = next((_FLAGS[flag] for flag in _FLAGS if flag in state), None)
    base = next((_BASE[word] for word in state if word in _BASE), None)
    stands = found if found is not None and (base is None or not _outranks(base, found)) else base
    if stands is JobState.PENDING and _HELD.match(reason):
        return JobState.HELD
    return stands or JobState.UNKNOWN


def _outranks(base: JobState, flag: JobState) -> bool:
    """A job that is over isn't starting or resizing; it may well be completing, or be requeued."""
    return base.is_over and flag in (JobState.STARTING, JobState.RUNNING, JobState.SUSPENDED)


def ended_state(state: tuple[str, ...], exit_code: int | None) -> JobState:
    """How an attempt ended, as the accounting has it. One that was requeued failed only where its exit code says so."""
    if "REQUEUED" in state:
        return JobState.FAILED if exit_code else JobState.CANCELLED
    return job_state(state)


def node_words(state: str | Collection[str], flags: Collection[str] | None = None) -> tuple[str, ...]:
    """A node's state in lower case, the base first: "IDLE+DRAIN", "down*" and ["IDLE", "DRAIN"] alike."""
    parts = state.split("+") if isinstance(state, str) else list(state)
    found: dict[str, None] = {}
    for part in [*parts, *(flags or ())]:
        bare = part.rstrip("".join(_SUFFIXES))
        for word in (bare.lower(), *(_SUFFIXES[mark] for mark in part[len(bare) :])):
            if word:
                found[word] = None
    return tuple(found)


def node_state(state: tuple[str, ...]) -> str:
    """As people write it: "mixed+drain", "down*" where it doesn't respond."""
    shown = "+".join(word for word in state if word != "not_responding")
    return f"{shown}*" if "not_responding" in state else shown


def takes_work(state: tuple[str, ...]) -> bool:
    return not _OUT_OF_WORK.intersection(state)
