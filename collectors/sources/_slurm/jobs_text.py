"""Jobs of `scontrol --details show job`, for Slurm that speaks no JSON. Pure."""

from __future__ import annotations

import re

from collectors.sources._slurm import oneline, states, values
from collectors.sources._slurm.record import Record, job_of, number
from watchfloor.jobs.model import Allocation, Job

_MIB = 2**20
# one line for each group of nodes that hold the same
_HELD = re.compile(r"\sNodes=(\S+) CPU_IDs=(\S*) Mem=(\d*)(?: GRES=(\S*))?")
_USER = re.compile(r"(.*?)\((\d+)\)")


def jobs(text: str, source: str, cluster: str = "") -> list[Job]:
    """Every job. Raises Refused where it isn't that."""
    return [job_of(_record(record), source, cluster) for record in oneline.records(text, "JobId") if _id(record)]


def _id(record: str) -> int:
    digits = record.partition("=")[2].split(maxsplit=1)[0]
    return int(digits) if digits.isdecimal() else 0


def _record(record: str) -> Record:
    told = oneline.fields(record)
    code, signal = exit_code(told.get("ExitCode"))
    count = told.get("NumNodes", "").partition("-")[0]
    return Record(
        _id(record),
        name=told.get("JobName", ""),
        user=_user(told.get("UserId", "")),
        account=told.get("Account", ""),
        partition=told.get("Partition", ""),
        qos=told.get("QOS", ""),
        state=states.words(told.get("JobState", "")),
        reason=told.get("Reason", ""),
        submitted=values.moment(told.get("SubmitTime")),
        started=values.moment(told.get("StartTime")),
        ended=values.moment(told.get("EndTime")),
        suspended=values.moment(told.get("SuspendTime")),
        ran_seconds=values.moment(told.get("SecsPreSuspend")),
        limit_seconds=values.duration(told.get("TimeLimit")),
        priority=float(told["Priority"]) if told.get("Priority", "").isdecimal() else None,
        array_id=_int(told.get("ArrayJobId")),
        array_task=_int(told.get("ArrayTaskId")),
        array_tasks=_tasks(told.get("ArrayTaskId", "")),
        array_limit=_int(told.get("ArrayTaskThrottle")),
        restarts=_int(told.get("Restarts")) or 0,
        exit_code=code,
        signal=signal,
        dependency=told.get("Dependency", ""),
        nodes=values.hosts(told.get("NodeList", "")),
        held=_held(record),
        node_count=_int(count),
        tasks=_int(told.get("NumTasks")),
        wanted=told.get("ReqTRES") or told.get("TRES", ""),
        allocated=told.get("AllocTRES", ""),
        per_job=told.get("TresPerJob", ""),
        per_node=told.get("TresPerNode", ""),
        per_task=told.get("TresPerTask", ""),
        comment=told.get("Comment", ""),
        command=told.get("Command", ""),
        working_directory=told.get("WorkDir", ""),
        image=told.get("Container", ""),
        labels=_labels(told),
    )


def exit_code(text: str | None) -> tuple[int | None, int | None]:
    """`3:0` and `0:15` as exit code and signal."""
    code, _, signal = (text or "").partition(":")
    return _int(code), _int(signal) or None


def _int(text: str | None) -> int | None:
    """Of a text of digits; None for Slurm's numbers that stand for none and for infinite."""
    found = int(text) if text and text.isdecimal() else None
    return found if number(found) is not None else None


def _tasks(text: str) -> str:
    """One task, or several as "2-5%2"; "" for none."""
    return "" if text.isdecimal() and _int(text) is None else text


def _user(text: str) -> str:
    match = _USER.fullmatch(text)
    return text if match is None else match[1] if match[1] not in ("", "nobody") else match[2]


def _held(record: str) -> dict[str, Allocation]:
    found = {}
    for nodes, cpus, memory, gres in _HELD.findall(record):
        own = values.accelerators(gres)
        for node in values.hosts(nodes):
            found[node] = Allocation(
                node,
                count=own.count if own else 0,
                indices=own.indices if own else (),
                cpus=len(values.numbers(cpus)) or None,
                memory_bytes=int(memory) * _MIB if memory else None,
            )
    return found


def _labels(told: dict[str, str]) -> dict[str, str]:
    return {
        "reservation": told.get("Reservation", ""),
        "features": told.get("Features", ""),
        "licenses": told.get("Licenses", ""),
        "wckey": told.get("WCKey", ""),
        "batch host": told.get("BatchHost", ""),
        "failed node": told.get("FailedNode", ""),
        "output": values.redacted(told.get("StdOut")),
        "component": told.get("HetJobId", "") and f"{told['HetJobId']}+{told.get('HetJobOffset', '0')}",
        "admin comment": values.redacted(told.get("AdminComment")),
        "system comment": values.redacted(told.get("SystemComment")),
    }
