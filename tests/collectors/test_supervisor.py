"""The loops of the supervisor in virtual time: when each node is tried, what its status says, who waits for whom."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from collectors import smi_loop
from collectors.backoff import Backoff
from collectors.pace import Pace
from collectors.supervisor import Supervisor
from tests.support import virtual_time
from tests.support.nodes import FakeChannel, FakeNodes, Remembers, Script
from tests.support.virtual_time import VirtualClock
from watchfloor.errors import ConnectError
from watchfloor.model import NodeSpec, Phase, Problem


@dataclass
class Floor:
    """A supervisor over scripted nodes, run for some virtual seconds."""

    clock: VirtualClock = field(default_factory=VirtualClock)

    def make(self, names: Sequence[str], script: Script, **scripts: Script) -> Floor:
        self.nodes = FakeNodes(self.clock, script, **scripts)
        self.sink = Remembers(self.clock)
        specs = [NodeSpec(name) for name in names]
        self.supervisor = Supervisor(specs, lambda spec: self.nodes, self.sink, self.clock, random.Random(1))
        return self

    async def run(self, seconds: float) -> Floor:
        task = asyncio.create_task(self.supervisor.run())
        await asyncio.sleep(seconds)  # of a loop whose time passes at once
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await self.nodes.close()
        return self


def watch(seconds: float, names: Sequence[str], script: Script, **scripts: Script) -> Floor:
    async def main() -> Floor:
        return await Floor().make(names, script, **scripts).run(seconds)

    return virtual_time.run(main())


async def _lives(channel: FakeChannel) -> None:
    await channel.live(100_000)


def _refuses(problem: Problem) -> Script:
    async def script(channel: FakeChannel) -> None: ...

    async def on_start() -> None:
        raise ConnectError(problem, "no", "do something")

    script.on_start = on_start  # type: ignore[attr-defined]
    return script


def test_a_good_node_goes_from_waiting_to_live_and_stops_at_the_end() -> None:
    floor = watch(10, ["a"], _lives)
    expected = [Phase.WAITING, Phase.CONNECTING, Phase.STARTING, Phase.LIVE, Phase.STOPPED]
    assert floor.sink.phases(0) == expected
    assert floor.sink.hellos[0] == 1 and len(floor.sink.reports[0]) >= 8
    assert all(channel.closed for channel in floor.nodes.channels["a"])
    assert next(status.via for _, status in floor.sink.statuses[0] if status.phase is Phase.LIVE) == "probe"


async def _ends(floor: Floor, seconds: float, last: Callable[[], None]) -> bool:
    """Whether it ends where it is told to in the very moment of something else."""
    running = asyncio.create_task(floor.supervisor.run())
    await asyncio.sleep(seconds)
    last()
    running.cancel()
    done, _ = await asyncio.wait([running], timeout=600)
    await floor.nodes.close()
    return bool(done)


def test_it_ends_while_a_node_says_hello_and_while_one_is_to_be_tried_at_once() -> None:
    async def silent(channel: FakeChannel) -> None: ...

    async def main() -> list[bool]:
        def greet() -> None:
            starting.nodes.channels["a"][0].hello()

        starting, resting = Floor().make(["a"], silent), Floor().make(["a"], _refuses(Problem.AUTHENTICATION))
        return [
            await _ends(starting, 1, greet),
            await _ends(resting, 1, lambda: resting.supervisor.reconnect(0)),
        ]

    assert virtual_time.run(main()) == [True, True]


def test_the_waits_double_with_jitter_up_to_a_minute() -> None:
    floor = watch(600, ["a"], _refuses(Problem.REFUSED))
    tries = floor.nodes.starts["a"]
    waits = [later - earlier for earlier, later in itertools.pairwise(tries)]
    for number, wait in enumerate(waits, 1):
        whole = min(60.0, 2.0**number)
        assert max(1.0, whole / 2) <= wait <= whole + 0.01
    assert len({round(wait, 3) for wait in waits}) > 3
    status = floor.sink.statuses[0][-2][1]
    assert (status.problem, status.text, status.advice) == (Problem.REFUSED, "no", "do something")
    assert status.attempts == len(tries)


def test_a_status_in_back_off_says_when_the_next_try_is_due() -> None:
    floor = watch(30, ["a"], _refuses(Problem.UNREACHABLE))
    for at, status in floor.sink.statuses[0]:
        if status.phase is Phase.BACKOFF and status.retry_at < virtual_time.EPOCH + 30:
            due = status.retry_at - virtual_time.EPOCH
            assert any(abs(start - due) < 0.01 for start in floor.nodes.starts["a"]), (at, status)


@pytest.mark.parametrize("problem", [Problem.AUTHENTICATION, Problem.HOST_KEY_CHANGED, Problem.FLOOD])
def test_what_mends_itself_not_is_tried_seldom(problem: Problem) -> None:
    assert len(watch(29, ["a"], _refuses(problem)).nodes.starts["a"]) == 1


def test_a_stable_minute_starts_the_count_anew() -> None:
    backoff = Backoff(random.Random(2))
    waits = [backoff.next_seconds(Problem.CLOSED) for _ in range(5)]
    assert waits[-1] >= 16
    assert backoff.next_seconds(Problem.CLOSED, lasted_seconds=59) >= 30
    assert backoff.next_seconds(Problem.CLOSED, lasted_seconds=61) <= 2
    assert backoff.failures == 1


def test_a_stream_that_ends_is_taken_up_again() -> None:
    async def dies(channel: FakeChannel) -> None:
        await channel.live(70)
        channel.receiver.error_output(b"Traceback\nMemoryError\n")
        channel.receiver.ended(None, 1)

    floor = watch(100, ["a"], dies)
    assert floor.sink.problems(0) == [Problem.CLOSED]
    backoff = next(status for _, status in floor.sink.statuses[0] if status.phase is Phase.BACKOFF)
    assert "exit status 1" in backoff.text and "MemoryError" in backoff.text
    assert floor.sink.hellos[0] == 2
    assert floor.nodes.starts["a"][1] - 70 < 3


def test_silence_is_stale_then_hung() -> None:
    async def falls_silent(channel: FakeChannel) -> None:
        await channel.live(10)

    floor = watch(60, ["a"], falls_silent)
    stale = [(at, status) for at, status in floor.sink.statuses[0] if status.phase is Phase.STALE]
    assert 13.4 < stale[0][0] < 14.6 and stale[0][1].text == "connected, silent for 4 s"
    assert floor.sink.problems(0)[0] is Problem.HUNG
    hung = next(at for at, status in floor.sink.statuses[0] if status.phase is Phase.BACKOFF)
    assert 39.9 < hung < 41.5
    assert floor.nodes.channels["a"][0].closed


def test_a_node_that_speaks_again_is_live_again() -> None:
    async def pauses(channel: FakeChannel) -> None:
        await channel.live(5)
        await asyncio.sleep(10)
        channel.report(9)
        await channel.live(100)

    phases = watch(30, ["a"], pauses).sink.phases(0)
    assert phases[-4:] == [Phase.LIVE, Phase.STALE, Phase.LIVE, Phase.STOPPED]


def test_a_standstill_of_the_console_is_not_the_nodes_fault() -> None:
    async def main() -> Floor:
        floor = Floor().make(["a", "b"], _lives)
        asyncio.get_running_loop().call_later(20.2, floor.clock.jump, 300.0)
        return await floor.run(40)

    floor = virtual_time.run(main())
    assert floor.sink.hellos == {0: 1, 1: 1}


def test_no_hello_is_hung() -> None:
    async def mute(channel: FakeChannel) -> None: ...

    floor = watch(25, ["a"], mute)
    assert floor.sink.problems(0) == [Problem.HUNG]


def test_without_python3_nvidia_smi_is_read_on_the_same_connection() -> None:
    still_open: list[bool] = []

    async def no_python(channel: FakeChannel) -> None:
        if channel.command != smi_loop.COMMAND:
            channel.receiver.error_output(b"sh: 1: python3: not found\n")
            channel.receiver.ended(None, 127)
            return
        still_open.append(not nodes()[0].closed)
        channel.receiver.data(b"watchfloor-smi 1700000000 vm 6.1 boot\n")
        channel.receiver.data(b"index, uuid, name, utilization.gpu [%]\n0, GPU-1, NVIDIA H100, 40\n")
        while True:
            await asyncio.sleep(1)
            channel.receiver.data(b"0, GPU-1, NVIDIA H100, 50\n")

    floor = Floor()

    def nodes() -> list[FakeChannel]:
        return floor.nodes.channels["a"]

    async def main() -> None:
        await floor.make(["a"], no_python).run(10)

    virtual_time.run(main())
    assert still_open == [True]
    assert floor.sink.phases(0)[-2] is Phase.LIVE
    assert floor.sink.statuses[0][-2][1].via == "nvidia-smi loop"
    assert nodes()[1].written == []
    assert len(floor.sink.reports[0]) >= 5


def test_neither_python3_nor_nvidia_smi() -> None:
    async def nothing(channel: FakeChannel) -> None:
        channel.receiver.ended(None, 127)

    floor = watch(5, ["a"], nothing)
    assert floor.sink.problems(0) == [Problem.NO_PYTHON]
    assert "install python3" in floor.sink.statuses[0][-2][1].advice


def test_what_nvidia_smi_says_before_it_gives_up_is_told() -> None:
    async def other_driver(channel: FakeChannel) -> None:
        if channel.command != smi_loop.COMMAND:
            channel.receiver.ended(None, 127)
            return
        channel.receiver.data(b"watchfloor-smi 1700000000 vm 6.1 boot\n")
        channel.receiver.data(b"Failed to initialize NVML: Driver/library version mismatch\n")
        channel.receiver.data(b"NVML library version: 550.54\n")
        channel.receiver.ended(None, 18)

    status = watch(5, ["a"], other_driver).sink.statuses[0][-2][1]
    assert status.problem is Problem.CLOSED
    assert "(exit status 18): Failed to initialize NVML: Driver/library version mismatch; NVML lib" in status.text


def test_a_report_that_does_not_fit_is_answered_with_a_wish_for_a_full_one() -> None:
    async def forgets_its_schema(channel: FakeChannel) -> None:
        channel.hello()
        channel.report(1, generation=2)
        channel.report(2)
        await channel.live(50)

    floor = watch(10, ["a"], forgets_its_schema)
    assert {"t": "full"} in floor.nodes.channels["a"][0].written
    assert floor.sink.problems(0) == []


def test_reports_that_never_fit_are_garbage() -> None:
    async def confused(channel: FakeChannel) -> None:
        channel.hello()
        for number in range(10):
            channel.report(number, generation=7)

    assert watch(5, ["a"], confused).sink.problems(0) == [Problem.GARBAGE]


def test_what_a_login_shell_prints_first_is_skipped() -> None:
    async def chatty(channel: FakeChannel) -> None:
        channel.receiver.data(b"Welcome to the cluster!\n\n  * maintenance on friday\n{}\n")
        await channel.live(50)

    assert watch(5, ["a"], chatty).sink.problems(0) == []


def test_a_banner_without_an_end_of_line_is_skipped_too() -> None:
    async def chatty(channel: FakeChannel) -> None:
        channel.receiver.data(b"Welcome to the cluster: ")
        await channel.live(50)

    floor = watch(5, ["a"], chatty)
    assert floor.sink.hellos[0] == 1 and floor.sink.phases(0)[-2] is Phase.LIVE


def test_the_last_words_of_a_probe_come_with_something_to_do() -> None:
    async def failing(channel: FakeChannel) -> None:
        channel.receiver.data(b'{"t":"fault","text":"MemoryError: "}\n')

    status = watch(1, ["a"], failing).sink.statuses[0][-2][1]
    assert (status.problem, status.text) == (Problem.PROBE, "MemoryError: ")
    assert "`ssh HOST python3 -V`" in status.advice and "doctor" not in status.advice


def test_where_something_else_runs_instead_of_the_probe_its_words_are_told() -> None:
    async def forced(channel: FakeChannel) -> None:
        channel.receiver.data(b"This account is currently\x1b[1m not available.\n")
        channel.receiver.ended(None, 1)

    status = watch(1, ["a"], forced).sink.statuses[0][-2][1]
    assert status.problem is Problem.PROBE
    assert status.text.endswith("(exit status 1): This account is currently[1m not available.")
    assert "authorized_keys" in status.advice and "login shell" in status.advice


def test_an_end_in_the_middle_of_a_line_says_so() -> None:
    async def torn(channel: FakeChannel) -> None:
        channel.hello()
        await asyncio.sleep(1)
        channel.receiver.data(b'{"t": "report", "n": 1, "gene')
        channel.receiver.ended(None, None)

    floor = watch(2, ["a"], torn)
    status = next(status for _, status in floor.sink.statuses[0] if status.phase is Phase.BACKOFF)
    assert (status.problem, status.text) == (Problem.CLOSED, "the probe ended in the middle of a line")


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (b'{"t": "hel', "the probe ended in the middle of its first line (exit status 0)"),
        (b"Welcome\nNo entry today", "the probe ended before it spoke (exit status 0): No entry today"),
        (b"", "the probe ended before it spoke (exit status 0)"),
    ],
)
def test_an_end_before_the_first_line_says_how_far_it_came(said: bytes, text: str) -> None:
    async def torn(channel: FakeChannel) -> None:
        channel.receiver.data(said)
        channel.receiver.ended(None, 0)

    status = watch(1, ["a"], torn).sink.statuses[0][-2][1]
    assert (status.problem, status.text) == (Problem.PROBE, text)


def test_who_floods_the_error_output_is_cut_off_and_a_chatty_one_is_not() -> None:
    async def flooding(channel: FakeChannel) -> None:
        channel.hello()
        while not channel.closed:
            channel.receiver.error_output(b"NVRM: no device\n" * 65536)
            await asyncio.sleep(0.01)

    async def chatty(channel: FakeChannel) -> None:
        channel.hello()
        while not channel.closed:
            channel.receiver.error_output(b"NVRM: no device\n" * 100)
            channel.report()
            await asyncio.sleep(0.5)

    floor = watch(20, ["flooding", "chatty"], flooding, chatty=chatty)
    assert set(floor.sink.problems(0)) == {Problem.FLOOD}
    assert floor.sink.problems(1) == []
    status = next(status for _, status in floor.sink.statuses[0] if status.phase is Phase.BACKOFF)
    assert status.text.endswith("of error output: NVRM: no device") and status.advice


def test_garbage_before_and_behind_the_hello() -> None:
    async def before(channel: FakeChannel) -> None:
        while True:
            channel.receiver.data(b"lorem ipsum dolor sit amet\n" * 40)
            await asyncio.sleep(0.1)

    async def behind(channel: FakeChannel) -> None:
        channel.hello()
        channel.receiver.data(b"Segmentation fault\n")

    floor = watch(10, ["before", "behind"], before, behind=behind)
    assert [floor.sink.problems(node) for node in (0, 1)] == [[Problem.GARBAGE], [Problem.GARBAGE]]


def test_a_probe_that_says_why_it_ends() -> None:
    async def fault(channel: FakeChannel) -> None:
        channel.say({"t": "fault", "text": "python3 of this node is 3.4; the probe needs 3.6 or newer"})
        channel.receiver.ended(None, 1)

    floor = watch(1, ["a"], fault)
    assert floor.sink.problems(0) == [Problem.PROBE]
    assert "3.6 or newer" in floor.sink.statuses[0][-2][1].text


def test_another_version_of_the_protocol() -> None:
    async def newer(channel: FakeChannel) -> None:
        channel.hello(version=2)

    assert watch(1, ["a"], newer).sink.problems(0) == [Problem.VERSION]


def test_a_reboot_is_noticed() -> None:
    async def reboots(channel: FakeChannel) -> None:
        channel.hello(boot_id=f"boot at {channel.clock.monotonic():.0f}")
        await asyncio.sleep(3)
        channel.receiver.ended(None, None)

    statuses = watch(10, ["a"], reboots).sink.statuses[0]
    texts = [status.text for _, status in statuses if status.phase is Phase.LIVE]
    assert texts[:2] == ["", "rebooted since the last conversation"]


def test_the_clock_is_measured_by_the_middle_of_the_round_trip_and_again_each_minute() -> None:
    async def ahead(channel: FakeChannel) -> None:
        channel.ahead = 5.0
        await channel.live(200)

    clocks = watch(130, ["a"], ahead).sink.clocks[0]
    assert len(clocks) == 3
    for skew, round_trip in clocks:
        assert skew == pytest.approx(5.0, abs=1e-6) and round_trip == pytest.approx(0.2, abs=1e-6)


def test_ticks_are_spread_evenly_over_the_period() -> None:
    names = [f"n{number}" for number in range(100)]
    floor = watch(5, names, _lives)
    ticks = []
    for name in names:
        settings = next(line for line in floor.nodes.channels[name][0].written if line["t"] == "settings")
        ticks.append((floor.nodes.starts[name][0] + settings["delay"]) % 1.0)
        assert 0 <= settings["delay"] < 1.0 and settings["period"] == 1.0
    ticks.sort()
    gaps = [later - earlier for earlier, later in zip(ticks, [*ticks[1:], ticks[0] + 1], strict=True)]
    assert max(gaps) < 0.03


def test_nobody_waits_for_a_node_that_hangs_in_its_connect() -> None:
    async def hangs(channel: FakeChannel) -> None: ...

    async def forever() -> None:
        await asyncio.sleep(1e6)

    hangs.on_start = forever  # type: ignore[attr-defined]
    names = [f"n{number}" for number in range(400)]
    floor = watch(4, names, _lives, **dict.fromkeys(names[:200], hangs))
    assert all(floor.sink.phases(node)[-2] is Phase.CONNECTING for node in range(200))
    assert all(floor.sink.phases(node)[-2] is Phase.LIVE for node in range(200, 400))


def test_a_thousand_nodes_have_their_turn_within_five_seconds_at_no_more_than_the_pace() -> None:
    floor = watch(6, [f"n{number}" for number in range(1000)], _lives)
    turns = sorted(start for starts in floor.nodes.starts.values() for start in starts)
    assert len(turns) == 1000 and turns[-1] < 5.0
    assert all(later - earlier > 0.99 for earlier, later in zip(turns, turns[272:], strict=False))


def test_turns_are_not_saved_up_beyond_the_burst() -> None:
    async def main() -> list[float]:
        pace = Pace(10, 3, VirtualClock())
        await asyncio.sleep(100)
        return [pace.wait_seconds() for _ in range(5)]

    waits = virtual_time.run(main())
    assert waits[:3] == [0.0, 0.0, 0.0] and waits[3:] == pytest.approx([0.1, 0.2])


def test_a_reconnect_that_is_asked_for_comes_at_once() -> None:
    async def main() -> Floor:
        floor = Floor().make(["a"], _refuses(Problem.AUTHENTICATION))
        asyncio.get_running_loop().call_later(5.0, floor.supervisor.reconnect, 0)
        return await floor.run(10)

    tries = virtual_time.run(main()).nodes.starts["a"]
    assert len(tries) == 2 and tries[1] == pytest.approx(5.0, abs=0.01)


def test_a_fault_of_the_console_costs_one_node_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(channel: FakeChannel) -> None: ...

    async def on_start() -> None:
        raise KeyError("a bug")

    broken.on_start = on_start  # type: ignore[attr-defined]
    floor = watch(5, ["bad", "good"], _lives, bad=broken)
    assert floor.sink.problems(0)[0] is Problem.PROBE and "bad" in caplog.text
    assert floor.sink.phases(1)[-2] is Phase.LIVE
