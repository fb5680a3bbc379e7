"""Why there is no answer: what can't be read, and what Slurm's clients say, in words for people. Pure."""

from __future__ import annotations

import re

from watchfloor.errors import WatchfloorError


class Refused(WatchfloorError):
    """An answer that can't be read as what was asked for: the message says what it is instead."""


class NoAnswer(WatchfloorError):
    """A command that ended without an answer. `final`: asking in another form is of no use."""

    def __init__(self, message: str, advice: str = "", final: bool = False) -> None:
        super().__init__(message, advice)
        self.final = final

    @property
    def silent(self) -> bool:
        """Whether no controller was heard: it is gone, or it hangs."""
        return self.advice == _CONTROLLER


_CONTROLLER = (
    "`scontrol ping` there tells whether slurmctld runs and is reached; jobs that run go on without it, "
    "what is shown is from before"
)
# pattern in the standard error -> what is wrong, and what to do next; the first that fits counts
_KNOWN: tuple[tuple[str, str, str], ...] = (
    (
        r"can't be reached now|invalid entry for --cluster|No cluster '",
        "no such cluster, or it is away",
        "`sacctmgr show cluster` lists the names for `cluster`",
    ),
    (
        r"talking to the database|accounting storage|[Pp]ersist|slurmdbd",
        "the accounting tells nothing",
        "is slurmdbd up, where there is one? Without it, earlier attempts are known as far as they were seen",
    ),
    (r"timed out", "the controller does not answer in time", _CONTROLLER),
    (
        r"Unable to contact slurm controller|Connection refused|connect failure|No route to host|Zero Bytes were",
        "the controller can't be reached",
        _CONTROLLER,
    ),
    (
        r"[Mm]unge|authentication (error|credential)|[Ii]nvalid auth",
        "the controller doesn't believe who asks",
        "is munge running there, with the cluster's key, and is the clock right? `munge -n | unmunge` tells",
    ),
    (
        r"[Pp]ermission denied|Access denied|not authorized|Invalid user",
        "it may not be read by this user",
        "give `via` a user who may see all jobs, or see PrivateData in slurm.conf",
    ),
    (
        r"configuration source|slurm\.conf|[Cc]ould not resolve|Unable to (resolve|establish)",
        "this machine belongs to no cluster",
        "let `via` name a login node of the cluster, or say where its file is with `conf`",
    ),
    (
        r"[Ii]ncompatible versions|protocol version",
        "its Slurm is of another generation than the controller's",
        "let `via` name a node whose Slurm is as new as the controller's",
    ),
)
_CLIENT = re.compile(r"^\s*(?:\w+: )?(?:error: |fatal: )?", re.MULTILINE)
_TIMED_OUT, _KILLED, _NOT_FOUND = 124, 137, 127


def no_answer(program: str, status: int | None, errors: str, seconds: float) -> NoAnswer:
    """Why a command gave no answer, of its exit status and standard error; `seconds` is the time that it had."""
    said = _last_line(errors)
    if status == _NOT_FOUND:
        return NoAnswer(
            f"{program} is not found there: {said or 'no such command'}",
            "name the folder of Slurm's commands with `bin`, or let `via` name a login node",
            final=True,
        )
    for pattern, what, advice in _KNOWN:
        if re.search(pattern, errors):
            return NoAnswer(f"{what}: {said}", advice, final=True)
    if status in (_TIMED_OUT, _KILLED):
        return NoAnswer(f"{program} had no answer within {seconds:g} s", _CONTROLLER, final=True)
    return NoAnswer(f"{program} failed: {said or f'exit status {status}'}", "run it there by hand to see more")


def down(said: str) -> NoAnswer:
    """Of what `scontrol ping` says."""
    return NoAnswer(f"the controller can't be reached: {said}", _CONTROLLER, final=True)


def _last_line(errors: str) -> str:
    lines = [line for line in errors.splitlines() if line.strip()]
    told = [line for line in lines if "error" in line or "fatal" in line] or lines
    line = _CLIENT.sub("", told[-1], count=1) if told else ""
    return "".join(char for char in line if char.isprintable())[:200].strip()
