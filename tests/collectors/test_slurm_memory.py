"""The source of Slurm without a cluster: its memory, its rhythm, its command lines, its words for failures."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from itertools import pairwise

import pytest

from collectors.oneshot import run_once
from collectors.sources._slurm import commands, rhythm
from collectors.sources._slurm.accounts import Account
from collectors.sources._slurm.memory import AGAIN, GONE, KEPT_SECONDS, MOST_TRIES, Memory
from collectors.sources._slurm.refused import no_answer
from collectors.sources.slurm import Source
from collectors.transports.local import LocalTransport
from collectors.transports.ssh import WallClock
from tests.support import sshd, virtual_time
from tests.support.virtual_time import VirtualClock
from watchfloor.errors import ConfigError, StreamError
from watchfloor.jobs.model import Allocation, Attempt, Job, JobSourceSpec, JobState, SourceAnswer, SourceState
from watchfloor.model import NodeSpec, Problem
from watchfloor.ports import StreamReceiver

RUNNING = Job(
    "slurm:7", "lab", "slurm", "7", state=JobState.RUNNING, told_state="RUNNING", started=100.0,
    allocations=(Allocation("a"),),
)  # fmt: skip
AGAIN_RUNNING = replace(RUNNING, attempt=2, started=300.0, allocations=(Allocation("b"),))
ENDED = Attempt(1, JobState.CANCELLED, "REQUEUED", 100.0, 200.0, ("a",), 0)


def _only(memory: Memory) -> Job:
    (found,) = memory.jobs
    return found


_LATER = 1000.0

# -- memory


def test_a_cluster_whose_name_stands_in_the_ids_is_asked_by_number() -> None:
    memory = Memory("alpha/west")
    known = replace(AGAIN_RUNNING, id="slurm:alpha/west/7")
    memory.take([known], 0)
    assert memory.wanted(0) == [7]
    memory.learn([7], {7: Account((ENDED, replace(ENDED, number=2, state=JobState.RUNNING)))}, 0)
    assert [one.state for one in _only(memory).attempts] == [JobState.CANCELLED, JobState.RUNNING]


def test_an_attempt_that_was_seen_is_remembered_where_nobody_else_knows_of_it() -> None:
    memory = Memory()
    memory.take([RUNNING], 0)
    memory.take([AGAIN_RUNNING], 60)
    first, second = _only(memory).attempts
    assert (first.number, first.state, first.reason, first.nodes) == (1, JobState.UNKNOWN, AGAIN, ("a",))
    assert (second.number, second.state, second.nodes) == (2, JobState.RUNNING, ("b",))


def test_the_word_of_the_accounting_counts_for_earlier_attempts() -> None:
    memory = Memory()
    memory.take([AGAIN_RUNNING], 0)
    assert memory.wanted(_LATER) == [7]
    memory.learn([7], {7: Account((ENDED, Attempt(2, JobState.RUNNING, "RUNNING", 300.0)))}, 0)
    assert _only(memory).attempts[0] == ENDED
    assert memory.wanted(_LATER) == [], "nothing is asked twice"
    memory.take([replace(AGAIN_RUNNING, attempt=3, started=None, state=JobState.PENDING)], 60)
    assert memory.wanted(_LATER) == [7], "another restart is news"


def test_attempts_of_an_older_job_of_the_same_number_are_not_its_own() -> None:
    """Job ids begin anew where a cluster was set up anew, and the accounting keeps both."""
    stranger = Attempt(1, JobState.DONE, "COMPLETED", 1.0, 2.0, ("z",))
    memory = Memory()
    memory.take([AGAIN_RUNNING], 0)
    memory.learn([7], {7: Account((stranger, ENDED, Attempt(3, JobState.RUNNING, "RUNNING", 300.0)))}, 0)
    assert [(one.number, one.nodes) for one in _only(memory).attempts] == [(1, ("a",)), (2, ("b",))]


def test_an_accounting_that_has_not_heard_of_the_restart_is_asked_again_but_not_at_once() -> None:
    memory = Memory()
    memory.take([AGAIN_RUNNING], 0)
    memory.learn([7], {7: Account((replace(ENDED, state=JobState.RUNNING, ended=None),))}, 0)
    assert memory.wanted(1.0) == [] and memory.wanted(2.0) == [7]


def test_attempts_keep_their_numbers_while_the_accounting_lags() -> None:
    second = Attempt(2, JobState.RUNNING, "RUNNING", 300.0, nodes=("b",))
    memory = Memory()
    memory.take([RUNNING], 0)
    memory.take([AGAIN_RUNNING], 10)
    memory.learn([7], {7: Account((ENDED, second))}, 10)
    memory.take([replace(AGAIN_RUNNING, attempt=3, started=500.0, allocations=(Allocation("c"),))], 20)
    memory.learn([7], {7: Account((ENDED, second))}, 20)
    assert [(one.number, one.nodes, one.told_state) for one in _only(memory).attempts] == [
        (1, ("a",), "REQUEUED"), (2, ("b",), "RUNNING"), (3, ("c",), "RUNNING"),
    ]  # fmt: skip


def test_a_job_that_left_the_queue_is_unknown_until_the_accounting_tells_and_kept_for_a_while() -> None:
    memory = Memory()
    memory.take([RUNNING], 0)
    memory.take([], 10)
    assert (_only(memory).state, _only(memory).reason) == (JobState.UNKNOWN, GONE)
    memory.learn([7], {7: Account((replace(ENDED, state=JobState.RUNNING, ended=None),))}, 0)
    assert memory.wanted(_LATER) == [7], "the accounting hadn't heard of its end yet"
    memory.learn([7], {7: Account((replace(ENDED, state=JobState.FAILED, exit_code=7),))}, 0)
    assert (_only(memory).state, _only(memory).exit_code, _only(memory).ended) == (JobState.FAILED, 7, 200.0)
    memory.take([], 10 + KEPT_SECONDS)
    assert memory.jobs == ()


def test_a_job_that_ended_before_it_left_is_asked_about_no_more() -> None:
    memory = Memory()
    memory.take([replace(RUNNING, state=JobState.DONE)], 0)
    memory.take([], 10)
    assert memory.jobs == () and memory.wanted(_LATER) == []


def test_the_accounting_is_not_asked_for_ever_and_never_for_everything() -> None:
    memory = Memory()
    memory.take([replace(RUNNING, id=f"slurm:{number}") for number in range(1, 1001)], 0)
    memory.take([], 10)
    assert len(memory.wanted(_LATER)) == commands.MOST_IDS
    for _ in range(MOST_TRIES):
        memory.learn(range(1, 1001), {}, 0)
    assert memory.wanted(_LATER) == []


def test_what_did_not_change_stays_the_same_object() -> None:
    memory = Memory()
    memory.take([RUNNING], 0)
    before = _only(memory)
    memory.take([replace(RUNNING)], 5)
    assert _only(memory) is before


# -- rhythm


@pytest.mark.parametrize(
    ("took", "least", "seconds"), [(0.01, 5, 5), (0.2, 5, 10), (1, 5, 50), (0.01, 60, 60), (30, 5, 300)]
)
def test_a_controller_spends_a_fiftieth_of_its_time_on_answers(took: float, least: float, seconds: float) -> None:
    assert rhythm.period(took, least) == seconds


def test_after_failures_it_is_asked_ever_more_seldom() -> None:
    pauses = [rhythm.after_failure(failures, 0.01, 5) for failures in range(1, 10)]
    assert pauses == [5, 10, 20, 40, 40, 40, 40, 40, 40]
    assert rhythm.after_failure(1, 20, 5) == 300
    assert all(5 <= rhythm.jittered(5, random.Random(seed)) <= 5.5 for seed in range(20))


class _Slow:
    """ports.Transport to a controller that takes a second for everything; what it was asked, and when."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, str]] = []
        self.status = 0

    async def start(self, node: NodeSpec, command: str, receiver: StreamReceiver) -> _Slow:
        loop = asyncio.get_running_loop()
        self.asked.append((loop.time(), command))
        answer = b"slurm 23.02.6\n" if "--version" in command else b'{"jobs": [], "nodes": []}'
        loop.call_later(1.0, receiver.data, answer)
        loop.call_later(1.0, receiver.ended, None, self.status)
        return self

    def write(self, data: bytes) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    async def close(self) -> None: ...


def test_a_slow_controller_is_asked_seldom_and_one_question_at_a_time() -> None:
    transport, told = _Slow(), list[SourceAnswer]()

    async def main() -> None:
        spec = JobSourceSpec("lab", "slurm", NodeSpec("login"))
        source = Source(spec, transport, VirtualClock(), random.Random(1))
        task = asyncio.create_task(source.run(told.append))
        await asyncio.sleep(3600)
        task.cancel()

    virtual_time.run(main())
    times = [at for at, _ in transport.asked]
    assert all(later - before >= 0.999 for before, later in pairwise(times)), "never two at once"
    assert len(times) <= 3600 * rhythm.SHARE + 4
    assert told[-1].status.state is SourceState.OK and told[-1].status.period_seconds >= 50


class _Gone(_Slow):
    """A controller that goes and comes back: what its clients take, and say."""

    def __init__(self) -> None:
        super().__init__()
        self.is_gone = False

    async def start(self, node: NodeSpec, command: str, receiver: StreamReceiver) -> _Gone:
        loop = asyncio.get_running_loop()
        seconds, answer, status = 0.05, b'{"jobs": [], "nodes": []}', 0
        if "--version" in command:
            answer = b"slurm 22.05.8\n"
        elif "ping" in command:
            answer = b"Slurmctld(primary) at vm is " + (b"DOWN\n" if self.is_gone else b"UP\n")
            status = int(self.is_gone)
        elif self.is_gone:  # it tries to connect again and again
            seconds, answer, status = 9.0, b'{"errors": [{"error": "Unspecified error"}], "jobs": []}', 1
        loop.call_later(seconds, receiver.data, answer)
        loop.call_later(seconds, receiver.ended, None, status)
        return self


@pytest.mark.parametrize("away_seconds", [30, 300, 3600])
def test_a_controller_that_is_back_is_seen_within_a_minute(away_seconds: float) -> None:
    transport, told = _Gone(), list[tuple[float, SourceState]]()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        source = Source(JobSourceSpec("lab", "slurm", NodeSpec("login")), transport, VirtualClock(), random.Random(1))
        task = asyncio.create_task(source.run(lambda answer: told.append((loop.time(), answer.status.state))))
        await asyncio.sleep(20)
        transport.is_gone = True
        await asyncio.sleep(away_seconds)
        transport.is_gone = False
        told.append((loop.time(), SourceState.WAITING))
        await asyncio.sleep(60)
        task.cancel()

    virtual_time.run(main())
    states = [state for _, state in told]
    back = states.index(SourceState.WAITING)
    assert states[back - 1] is SourceState.FAILED
    assert SourceState.OK in states[back:], told[back - 3 :]


# -- command lines


def test_a_command_line_holds_only_what_was_checked() -> None:
    options = commands.checked({"conf": "/etc/slurm-b/slurm.conf", "bin": "/opt/b/bin", "cluster": "b-1"}, "lab")
    assert commands.command_line(commands.JOBS_JSON, options, 20) == (
        'env PATH="/opt/b/bin:$PATH:/opt/slurm/bin:/usr/local/slurm/bin:/cm/shared/apps/slurm/current/bin" LC_ALL=C '
        "TZ=UTC0 SLURM_TIME_FORMAT=%s SLURM_BITSTR_LEN=0 SLURM_CONF=/etc/slurm-b/slurm.conf SLURM_CLUSTERS=b-1 "
        "timeout -k 5 20 squeue --all --states=all --json"
    )
    assert commands.accounts([1, 22]).endswith("--jobs=1,22")


@pytest.mark.parametrize(
    "options",
    [
        {"bin": "/bin; rm -rf x"}, {"path": "bin"}, {"path": "/a:/b"}, {"conf": "/a b"}, {"conf": "$(id)"},
        {"cluster": "-M"}, {"cluster": "a,b"}, {"cluster": "a\n"}, {"user": "root"},
    ],
)  # fmt: skip
def test_an_option_that_is_not_what_it_should_be_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        commands.checked(options, "lab")


def test_a_source_without_a_place_to_ask_is_refused() -> None:
    with pytest.raises(ConfigError, match="where is it asked"):
        Source(JobSourceSpec("lab", "slurm"), LocalTransport(), WallClock())


# -- words for failures


@pytest.mark.parametrize(
    ("status", "errors", "text", "advice"),
    [
        (127, "sh: 1: squeue: not found", "not found there", "`bin`"),
        (127, "timeout: failed to run command 'squeue': No such file or directory", "not found there", "`bin`"),
        (1, "slurm_load_jobs error: Unable to contact slurm controller (connect failure)", "can't be reached", "ping"),
        (1, "squeue: error: Socket timed out on send/recv operation", "does not answer in time", "ping"),
        (124, "", "no answer within 20 s", "ping"),
        (1, "slurm_load_jobs error: Access/permission denied", "may not be read", "PrivateData"),
        (1, "error: Munge encode failed: Failed to access socket", "doesn't believe", "munge"),
        (1, "squeue: fatal: Could not establish a configuration source", "belongs to no cluster", "`conf`"),
        (124, "squeue: error: s_p_parse_file: cannot stat file /x/slurm.conf", "belongs to no cluster", "`conf`"),
        (1, "squeue: error: 'b' can't be reached now, or it is an invalid entry", "no such cluster", "sacctmgr"),
        (1, "sacct: error: Problem talking to the database: Connection refused", "accounting", "slurmdbd"),
        (1, "Slurm accounting storage is disabled", "accounting", "seen"),
        (1, "slurm_load_jobs error: Incompatible versions of client and server code", "another generation", "as new"),
        (2, "", "exit status 2", "by hand"),
    ],
)  # fmt: skip
def test_each_failure_has_its_words_and_what_to_do(status: int, errors: str, text: str, advice: str) -> None:
    told = no_answer("squeue", status, errors, 20.0)
    assert text in told.message and advice in told.advice


# -- one command


async def _once(command: str, seconds: float = 10.0, most: int = 1000) -> object:
    transport = LocalTransport()
    try:
        return await run_once(transport, NodeSpec("here", local=True), command, WallClock(), seconds, most)
    finally:
        await transport.close()


async def test_a_command_is_heard_to_its_end() -> None:
    output = await _once("echo one; echo two >&2; exit 3")
    assert (output.out, output.errors, output.status) == (b"one\n", "two", 3)  # type: ignore[attr-defined]


async def test_a_command_that_says_too_much_or_nothing_is_ended() -> None:
    with pytest.raises(StreamError) as flood:
        await _once("yes")
    assert flood.value.problem is Problem.FLOOD
    with pytest.raises(StreamError) as hung:
        await _once("sleep 600", seconds=0.05)
    assert hung.value.problem is Problem.HUNG


async def test_a_node_without_slurm_says_so_over_ssh(lab: sshd.Lab) -> None:
    """Through the login shell of a real sshd, which is what takes the command line apart."""
    from collectors.transports.ssh import SshTransport  # noqa: PLC0415

    lab.configure("")
    host = lab.host("login")
    transport, told = SshTransport(), asyncio.get_running_loop().create_future()
    spec = JobSourceSpec("lab", "slurm", lab.spec("login", host.port), {"conf": "/nowhere/slurm.conf"}, 5.0, 2.0)
    task = asyncio.create_task(Source(spec, transport, WallClock()).run(told.set_result))
    try:
        answer = await asyncio.wait_for(told, 20)
    finally:
        task.cancel()
        await transport.close()
    assert answer.status.state is SourceState.FAILED
    assert any(words in answer.status.text for words in ("belongs to no cluster", "not found there")), answer.status
