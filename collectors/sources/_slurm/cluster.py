"""One Slurm cluster, asked one question at a time in the form that it speaks.

Which form that is, its version tells; where the answer isn't what was promised (a Slurm that was built without JSON,
an answer that is larger than may be), text is asked for from then on. Once both fail, the choice is made anew.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from enum import Enum
from typing import TypeVar

from collectors.oneshot import Output, run_once
from collectors.sources._slurm import accounts, commands, jobs_json, jobs_text, nodes, queues, steps
from collectors.sources._slurm.accounts import Account
from collectors.sources._slurm.refused import NoAnswer, Refused, down, no_answer
from watchfloor.errors import ConfigError, StreamError, WatchfloorError
from watchfloor.jobs.model import Job, JobSourceSpec, Queue, Reservation, SchedulerNode, Step
from watchfloor.model import Problem
from watchfloor.ports import Clock, Transport

MOST_BYTES = 64 * 2**20  # 10,000 jobs take 15 MB as text, and up to four times that as JSON
_GRACE_SECONDS = 8.0  # `timeout` on the node comes first
_AT_ONCE_BYTES = 256 * 1024  # more than that is read in a thread
_SPEAKS_JSON, _SCONTROL_SPEAKS_JSON = (21, 8), (23, 2)
_VERSION = re.compile(r"\bslurm\S* (\d+)\.(\d+)(\S*)")

T = TypeVar("T")


class Form(Enum):
    TEXT = "text"
    JSON_OLD = "JSON of 21.08 and 22.05"  # of nodes only sinfo speaks it
    JSON = "JSON"


class Cluster:
    """`took_seconds` adds up while questions are asked; whoever asks sets it back. Raises WatchfloorError."""

    def __init__(self, spec: JobSourceSpec, transport: Transport, clock: Clock) -> None:
        """Raises ConfigError where the source doesn't say where to ask, or its options are wrong."""
        if spec.via is None:
            raise ConfigError(f"jobs source {spec.name}: where is it asked?", "`via` names a login node of the cluster")
        self._node = spec.via
        self._options = commands.checked(spec.options, spec.name)
        self._spec = spec
        self._transport = transport
        self._clock = clock
        self._form: Form | None = None
        self._failing = False
        self.version = ""
        self.took_seconds = 0.0

    async def jobs(self) -> list[Job]:
        """After a failure the controller is pinged first: one that is down holds up a question for minutes."""
        if self._failing:
            await self._ping()
        self._failing = True
        try:
            found = await self._jobs()
        except NoAnswer as error:
            if error.silent:
                await self._ping()
            raise
        self._failing = False
        return found

    async def _jobs(self) -> list[Job]:
        if self._form is None:
            await self._choose()
        if self._form is not Form.TEXT:
            try:
                return await self._jobs_json()
            except (Refused, NoAnswer, StreamError) as error:
                if not _asked_otherwise(error):
                    raise
                await self._ping()  # JSON of 22.05 says of a dead controller: "Unspecified error"
                self._form = Form.TEXT
        spec = self._spec
        try:
            return await self._ask(commands.JOBS_TEXT, lambda raw: jobs_text.jobs(_text(raw), spec.name, spec.cluster))
        except (Refused, NoAnswer):
            self._form = None
            raise

    async def _jobs_json(self) -> list[Job]:
        spec = self._spec
        found, version = await self._ask(commands.JOBS_JSON, lambda raw: jobs_json.jobs(raw, spec.name, spec.cluster))
        self.version = version or self.version
        return found

    async def nodes(self) -> list[SchedulerNode]:
        if self._form in (Form.JSON, Form.JSON_OLD):
            question = commands.NODES_JSON if self._form is Form.JSON else commands.NODES_JSON_OLD
            try:
                return await self._ask(question, nodes.of_json)
            except (Refused, NoAnswer) as error:
                if not _asked_otherwise(error):
                    raise
        return await self._ask(commands.NODES_TEXT, lambda raw: nodes.of_text(_text(raw)))

    async def queues(self) -> tuple[Queue, ...]:
        return await self._ask(commands.QUEUES, lambda raw: queues.queues(_text(raw)))

    async def reservations(self) -> tuple[Reservation, ...]:
        return await self._ask(commands.RESERVATIONS, lambda raw: queues.reservations(_text(raw)))

    async def steps(self) -> dict[str, tuple[Step, ...]]:
        """Those that run, by what people call their job."""
        return await self._ask(commands.STEPS, lambda raw: steps.running(_text(raw)))

    async def accounts(self, job_ids: Sequence[int]) -> dict[int, Account]:
        """Every attempt of these jobs. A table first, whatever the form: JSON takes ten times as long."""
        try:
            return await self._ask(commands.accounts(job_ids), lambda raw: accounts.of_table(_text(raw))[0])
        except (Refused, NoAnswer) as error:
            if not _asked_otherwise(error) or self._form is Form.TEXT:
                raise
        return await self._ask(commands.accounts(job_ids, json=True), accounts.of_json)

    async def _ping(self) -> None:
        """Raises NoAnswer where no controller is up: of several, one is enough.

        What that took counts alone: 0.03 s where nobody is there, 10 s where somebody hangs. Clients that find nobody
        try for 9 s, which is no work of a controller's.
        """
        output = await self._output(commands.PING)
        told = _text(output.out)
        downs = [line.strip() for line in told.splitlines() if line.endswith(" is DOWN")]
        if downs and " is UP" not in told:
            self.took_seconds = output.seconds
            raise down(downs[0])

    async def _choose(self) -> None:
        """By the version of the commands; asks the controller nothing."""
        told = _text(await self._run(commands.VERSION))
        match = _VERSION.search(told)
        if match is None:
            raise Refused(f"squeue says nothing of its version: {told.strip()[:60]!r}", "is it Slurm's?")
        generation = (int(match[1]), int(match[2]))
        self.version = f"{match[1]}.{match[2]}{match[3]}"
        spoken = Form.JSON if generation >= _SCONTROL_SPEAKS_JSON else Form.JSON_OLD
        self._form = spoken if generation >= _SPEAKS_JSON else Form.TEXT

    async def _ask(self, question: str, read: Callable[[bytes], T]) -> T:
        raw = await self._run(question)
        if len(raw) < _AT_ONCE_BYTES:
            return read(raw)
        return await asyncio.to_thread(read, raw)

    async def _run(self, question: str) -> bytes:
        """The standard output of a command that succeeded. Raises NoAnswer, ConnectError, StreamError."""
        output = await self._output(question)
        if output.status != 0:
            raise no_answer(question.split(maxsplit=1)[0], output.status, output.errors, self._spec.timeout_seconds)
        return output.out

    async def _output(self, question: str) -> Output:
        seconds = self._spec.timeout_seconds
        line = commands.command_line(question, self._options, seconds)
        try:
            output = await run_once(
                self._transport, self._node, line, self._clock, seconds + _GRACE_SECONDS, MOST_BYTES
            )
        except StreamError as error:
            if error.problem is Problem.HUNG:
                self.took_seconds += seconds
            raise
        self.took_seconds += output.seconds
        return output


def _asked_otherwise(error: WatchfloorError) -> bool:
    """Whether the same question in another form may have an answer."""
    if isinstance(error, StreamError):
        return error.problem is Problem.FLOOD
    return not (isinstance(error, NoAnswer) and error.final)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
