"""The hands on a node behind a real OpenSSH server: what is done, what is kept of it, and what becomes of it when the
connection, the console or the node dies in between."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from collectors.acting.node import Waits
from tests.support.handed import Bench, command, python
from tests.support.patience import PATIENCE_SECONDS, until
from tests.support.sshd import Lab
from watchfloor.change import Done, On
from watchfloor.errors import HandsError

_COUNT = "import os, sys; f = os.open(sys.argv[1], os.O_CREAT | os.O_APPEND | os.O_WRONLY); os.write(f, b'x')"


@pytest.fixture
async def bench(lab: Lab, tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(lab, tmp_path)
    yield made
    await made.close()


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_command_is_done_with_its_words_input_and_outputs(bench: Bench) -> None:
    hands = bench.hands()
    program = "import sys; print(sys.argv[1:], sys.stdin.read()); print('oops', file=sys.stderr); sys.exit(3)"
    words = ["it's", 'a "word"', "$(touch /tmp/never)", "`id`", "two\nlines", "; rm -rf /", "", "*", "ünï"]
    done = await hands.do(python(program, *words, stdin="from the console\n"), "run-1.0")
    assert (done.exit_code, done.stderr, done.operation) == (3, "oops\n", "run-1.0")
    assert done.stdout == f"{words} from the console\n\n"
    assert not done.ok and done.seconds > 0


async def test_commands_share_one_connection_and_none_waits_for_another(bench: Bench) -> None:
    hands = bench.hands()
    fifo = bench.path / "fifo"
    os.mkfifo(fifo)
    slow = asyncio.create_task(hands.do(command("cat", str(fifo)), "slow"))
    await until(lambda: bench.files("intent"))
    several = [hands.do(command("echo", str(number)), f"quick-{number}") for number in range(20)]
    assert [done.stdout for done in await asyncio.gather(*several)] == [f"{number}\n" for number in range(20)]
    assert not slow.done() and len(bench.host.sessions()) == 1
    fifo.write_text("at last")
    assert (await slow).stdout == "at last"


async def test_it_finds_english_no_terminal_and_the_folders_of_operators(bench: Bench) -> None:
    program = "import os, sys; print(os.environ['LC_ALL'], os.isatty(0), os.getcwd(), os.environ['PATH'])"
    done = await bench.hands().look(python(program))
    assert done.stdout.startswith("C False / ") and "/usr/sbin" in done.stdout


async def test_the_same_operation_is_done_once_and_told_again(bench: Bench) -> None:
    hands, count = bench.hands(), bench.path / "count"
    deed = python(_COUNT, str(count))
    several = [hands.do(deed, "op") for _ in range(4)]
    assert {done.exit_code for done in await asyncio.gather(*several)} == {0}
    assert (await hands.do(deed, "op")).ok and (await bench.hands("other notes").do(deed, "op")).ok
    assert count.read_text() == "x"


async def test_two_consoles_at_once_do_it_once(bench: Bench) -> None:
    consoles = [bench.hands(f"notes-{number}") for number in range(4)]
    await asyncio.gather(*(hands.look(command("true")) for hands in consoles))
    for number in range(10):
        count = bench.path / f"count-{number}"
        deed = python(_COUNT, str(count))
        told = await asyncio.gather(*(hands.do(deed, f"op-{number}") for hands in consoles))
        assert {done.exit_code for done in told} == {0} and count.read_text() == "x"


async def test_an_id_names_one_deed(bench: Bench) -> None:
    hands = bench.hands()
    assert (await hands.do(command("echo", "one"), "op")).ok
    with pytest.raises(HandsError, match="another deed: nothing was done"):
        await hands.do(command("echo", "two"), "op")
    recalled = await hands.recall(command("echo", "one"), "op")
    assert recalled is not None and recalled.stdout == "one\n"


async def test_what_was_done_is_kept_until_it_is_acknowledged(bench: Bench) -> None:
    hands, deed = bench.hands(), command("echo", "kept")
    assert await hands.recall(deed, "op") is None
    await hands.do(deed, "op")
    recalled = await bench.hands("another console").recall(deed, "op")
    assert recalled is not None and recalled.stdout == "kept\n"
    assert len(bench.files("result")) == 1 and not bench.files("ack")
    await hands.acknowledge(deed, "op")
    assert len(bench.files("ack")) == 1
    _make_old(bench)
    await hands.do(command("true"), "later")
    await hands.acknowledge(command("true"), "later")
    assert len(bench.files("intent")) == 1 and await hands.recall(deed, "op") is None


def _make_old(bench: Bench) -> None:
    for file in bench.kept.iterdir():
        os.utime(file, (1_000_000, 1_000_000))


async def test_what_nobody_acknowledged_stays_and_too_much_of_it_is_a_refusal(bench: Bench) -> None:
    hands = bench.hands()
    await hands.do(command("true"), "op")
    for number in range(511):
        shutil.copy(bench.files("intent")[0], bench.kept / f"{number:040x}.intent")
    _make_old(bench)
    with pytest.raises(HandsError, match="512 operations wait to be acknowledged") as caught:
        await hands.do(command("touch", str(bench.path / "never")), "more")
    assert caught.value.transient and not (bench.path / "never").exists()
    await hands.acknowledge(command("true"), "op")
    assert (await hands.do(command("true"), "more")).ok


async def test_a_connection_that_breaks_in_between_costs_nothing(bench: Bench) -> None:
    hands, fifo, count = bench.hands(), bench.path / "fifo", bench.path / "count"
    os.mkfifo(fifo)
    deed = python(f"{_COUNT}; print(open(sys.argv[2]).read())", str(count), str(fifo))
    doing = asyncio.create_task(hands.do(deed, "op"))
    await until(count.exists)
    bench.host.cut()
    await until(lambda: not bench.host.sessions() or len(bench.files("intent")) == 1)
    fifo.write_text("told by who outlived it")
    done = await doing
    assert (done.exit_code, done.stdout) == (0, "told by who outlived it\n") and count.read_text() == "x"


async def test_a_node_that_hangs_leaves_it_unknown_and_begins_nothing_later(bench: Bench) -> None:
    bench.waits = Waits(greeting=60.0, begin=1.0, patience=2.0)
    hands, began = bench.hands(), bench.path / "began"
    deed = python(_COUNT, str(began), timeout=1.0)
    await hands.look(command("true"))
    for pid in bench.host.sessions():
        os.kill(pid, signal.SIGSTOP)  # the node hangs: nothing goes in or out
    stopped = bench.host.sessions()
    done = await asyncio.wait_for(hands.do(deed, "op"), PATIENCE_SECONDS)
    assert done.exit_code is None and "is not known" in done.stderr
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)  # what was on its way arrives, too late to be begun
    assert await bench.hands("later").recall(deed, "op") is None
    assert not began.exists()


async def test_a_look_over_a_channel_that_has_died_takes_another(bench: Bench) -> None:
    hands = bench.hands()
    await hands.look(command("true"))
    for pid in bench.processes(detached=False):
        os.kill(pid, signal.SIGKILL)
    assert (await hands.look(command("echo", "again"))).stdout == "again\n"


async def test_a_node_that_was_never_reached_did_nothing(bench: Bench) -> None:
    bench.host.stop()
    with pytest.raises(HandsError, match="refused the connection") as caught:
        await bench.hands().do(command("true"), "op")
    assert caught.value.transient and "sshd" in caught.value.advice


async def test_a_host_key_that_changed_is_no_passing_trouble(bench: Bench) -> None:
    bench.host.stop()
    bench.host.make_key()
    bench.host.start()
    with pytest.raises(HandsError) as caught:
        await bench.hands().do(command("true"), "op")
    assert not caught.value.transient


async def test_a_console_that_is_killed_finds_the_result_when_it_is_back(bench: Bench) -> None:
    fifo, count = bench.path / "fifo", bench.path / "count"
    os.mkfifo(fifo)
    deed = python(f"{_COUNT}; print(open(sys.argv[2]).read())", str(count), str(fifo))
    first = bench.hands()
    doing = asyncio.create_task(first.do(deed, "op"))
    await until(count.exists)
    doing.cancel()
    await first.close()  # as the death of its process: all its channels end
    second = bench.hands()
    again, recalling = asyncio.create_task(second.do(deed, "op")), asyncio.create_task(second.recall(deed, "op"))
    fifo.write_text("still here")
    assert (await again).stdout == "still here\n"
    recalled = await recalling
    assert recalled is not None and recalled.stdout == "still here\n" and count.read_text() == "x"


async def test_hands_that_are_killed_leave_the_command_alone(bench: Bench) -> None:
    hands, fifo, count = bench.hands(), bench.path / "fifo", bench.path / "count"
    os.mkfifo(fifo)
    deed = python(f"{_COUNT}; print(open(sys.argv[2]).read())", str(count), str(fifo))
    doing = asyncio.create_task(hands.do(deed, "op"))
    await until(count.exists)
    for pid in bench.processes(detached=False):
        os.kill(pid, signal.SIGKILL)
    fifo.write_text("done all the same")
    assert (await doing).stdout == "done all the same\n" and count.read_text() == "x"


async def test_who_carried_it_out_was_killed_and_nobody_knows(bench: Bench) -> None:
    hands, fifo, count = bench.hands(), bench.path / "fifo", bench.path / "count"
    os.mkfifo(fifo)
    deed = python(f"{_COUNT}; open(sys.argv[2]).read()", str(count), str(fifo))
    doing = asyncio.create_task(hands.do(deed, "op"))
    await until(count.exists)
    for pid in bench.processes(detached=True):
        os.kill(pid, signal.SIGKILL)
    done = await doing
    assert done.exit_code is None and "killed before it could note the end" in done.stderr
    assert await hands.do(deed, "op") == await hands.recall(deed, "op") == done
    assert count.read_text() == "x"
    fifo.write_text("")


async def test_a_node_that_was_started_anew_does_not_begin_again(bench: Bench) -> None:
    hands, deed = bench.hands(), python(_COUNT, str(bench.path / "count"))
    assert (await hands.do(deed, "op")).ok
    (intent,), (result,) = bench.files("intent"), bench.files("result")
    intent.write_text(json.dumps({**json.loads(intent.read_text()), "boot": "the one before"}))
    result.unlink()
    for told in (await hands.do(deed, "op"), await hands.recall(deed, "op")):
        assert told is not None and told.exit_code is None and "started anew" in told.stderr
    assert (bench.path / "count").read_text() == "x"


async def test_a_node_that_forgets_with_a_reboot_is_not_asked_twice(bench: Bench) -> None:
    """Its folder lies in memory: only the console knows that it was asked, and of which boot."""
    hands, deed = bench.hands(), python(_COUNT, str(bench.path / "count"))
    assert (await hands.do(deed, "op")).ok
    await hands.close()
    for file in bench.kept.iterdir():
        file.unlink()
    (note,) = (bench.path / "notes").glob("*.intent")
    note.write_text(json.dumps({**json.loads(note.read_text()), "boot": "the one before"}))
    again = bench.hands()
    for told in (await again.recall(deed, "op"), await again.do(deed, "op")):
        assert told is not None and told.exit_code is None and "started anew" in told.stderr
    assert (bench.path / "count").read_text() == "x"


async def test_out_of_time_ends_the_whole_family(bench: Bench) -> None:
    program = """
import os, subprocess, sys, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
apart = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open(sys.argv[1], "a").write("%d " % os.getpid())
        signal.pause()
    os._exit(0)
open(sys.argv[1], "a").write("%d %d %d " % (os.getpid(), child.pid, apart.pid))
print("begun", flush=True)
signal.pause()
"""
    for seconds in (1.5, 10.0, 60.0):  # until it has come as far as that
        pids = bench.path / f"pids {seconds}"
        done = await bench.hands().do(python(program, str(pids), timeout=seconds), f"op {seconds}")
        assert done.exit_code is None and f"out of time after {seconds:g} s" in done.stderr
        family = [int(word) for word in pids.read_text().split()] if pids.exists() else []
        await until(lambda family=family: not any(_alive(pid) for pid in family))
        if done.stdout == "begun\n" and len(family) == 4:
            return
    pytest.fail("it never began")


async def test_who_ends_in_time_when_told_to_is_not_killed(bench: Bench) -> None:
    program = (
        "import signal, sys; signal.signal(15, lambda *_: (print('tidied', flush=True), sys.exit(0))); signal.pause()"
    )
    for seconds in (1.0, 10.0, 60.0):  # until it is ready to be told
        done = await bench.hands().do(python(program, timeout=seconds), f"op {seconds}")
        assert done.exit_code is None
        if done.stdout:
            break
    assert done.stdout == "tidied\n"


async def test_a_signal_from_elsewhere_is_told(bench: Bench) -> None:
    done = await bench.hands().look(python("import os; os.kill(os.getpid(), 9)"))
    assert done.exit_code is None and "signal 9 ended it" in done.stderr


async def test_a_flood_is_kept_in_bounds_and_counted(bench: Bench) -> None:
    program = "import sys; [sys.stdout.write('%08d' % n) for n in range(1_000_000)]; sys.stderr.write('e' * 10)"
    done = await bench.hands().do(python(program), "op")
    assert done.ok and done.stdout.startswith("0000000000000001") and done.stdout.endswith("0099999800999999")
    assert len(done.stdout) < 270_000 and "[7737856 of 8000000 bytes left out]" in done.stdout
    assert done.stderr == "e" * 10 and bench.files("result")[0].stat().st_size < 300_000


async def test_bytes_that_are_no_text_are_readable(bench: Bench) -> None:
    done = await bench.hands().look(python("import os; os.write(1, b'a\\xff\\x00\\xc3\\xbc\\n')"))
    assert done.stdout == "a\\xff\x00ü\n"


async def test_who_lets_its_pipes_to_others_is_not_waited_for(bench: Bench) -> None:
    pids = bench.path / "pids"
    program = (
        "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
        "open(sys.argv[1], 'w').write(str(child.pid)); print('done')"
    )
    done = await bench.hands().do(python(program, str(pids)), "op")
    assert done.ok and done.stdout == "done\n"
    daemon = int(pids.read_text())
    assert _alive(daemon)  # what was started to stay, stays
    os.kill(daemon, signal.SIGKILL)


async def test_a_large_input_arrives_whole(bench: Bench) -> None:
    done = await bench.hands().do(python("import sys; print(len(sys.stdin.read()))", stdin="x" * 900_000), "op")
    assert done.stdout == "900000\n"


@pytest.mark.parametrize(
    ("program", "words"), [("no-such-program", "No such file"), ("/etc/passwd", "Permission denied")]
)
async def test_a_program_that_is_not_there_was_not_begun(bench: Bench, program: str, words: str) -> None:
    hands = bench.hands()
    with pytest.raises(HandsError, match=f"{program} can't be started: {words}") as caught:
        await hands.do(command(program), "op")
    assert not caught.value.transient and f"command -v {program}" in caught.value.advice
    assert await hands.recall(command(program), "op") is None and not bench.files("intent")


async def test_without_python3_it_says_what_to_install(lab: Lab, tmp_path: Path) -> None:
    empty = tmp_path / "bin"
    empty.mkdir()
    host = lab.host("bare", extra=f"SetEnv PATH={empty}")
    bench = Bench(lab, tmp_path)
    lab.configure(f"Host node\n  Port {host.port}")
    try:
        with pytest.raises(HandsError, match="python3 can't be run there") as caught:
            await bench.hands().do(command("true"), "op")
        assert not caught.value.transient and "install 3.6 or newer" in caught.value.advice
    finally:
        await bench.close()


async def test_a_login_shell_that_talks_does_no_harm_within_bounds(lab: Lab, tmp_path: Path) -> None:
    bench = Bench(lab, tmp_path)
    talking = tmp_path / "talking"
    talking.write_text('#!/bin/sh\nprintf "Welcome to the cluster: "\neval "$SSH_ORIGINAL_COMMAND"\n')
    talking.chmod(0o755)
    host = lab.host("talking", extra=f"ForceCommand {talking}\nSetEnv WATCHFLOOR_HANDS={bench.kept}")
    lab.configure(f"Host node\n  Port {host.port}")
    try:
        assert (await bench.hands().do(command("echo", "hello"), "op")).stdout == "hello\n"
    finally:
        await bench.close()


async def test_a_folder_that_others_could_change_is_not_used(bench: Bench) -> None:
    bench.kept.chmod(0o777)
    with pytest.raises(HandsError, match="is not a folder of user") as caught:
        await bench.hands().do(command("touch", str(bench.path / "never")), "op")
    assert caught.value.transient
    bench.kept.rmdir()
    elsewhere = bench.path / "elsewhere"
    elsewhere.mkdir(0o700)
    bench.kept.symlink_to(elsewhere)
    with pytest.raises(HandsError, match="nothing can be kept on this node"):
        await bench.hands().do(command("touch", str(bench.path / "never")), "op2")
    assert not (bench.path / "never").exists() and not list(elsewhere.iterdir())


async def test_one_that_hangs_holds_up_no_other(bench: Bench) -> None:
    other = bench.lab.host("other")
    stuck = bench.hands()
    await stuck.look(command("true"))
    for pid in bench.host.sessions():
        os.kill(pid, signal.SIGSTOP)
    doing = asyncio.create_task(stuck.do(command("true", timeout=600.0), "op"))
    bench.lab.configure(f"Host node\n  Port {other.port}")
    assert (await bench.hands("other").look(command("echo", "here"))).stdout == "here\n"
    assert not doing.done()
    doing.cancel()
    bench.host.cut()


async def test_a_channel_of_which_nobody_needs_anything_is_closed(bench: Bench) -> None:
    bench.waits = Waits(greeting=60.0, begin=30.0, patience=60.0, idle=0.1)
    hands = bench.hands()
    assert (await hands.look(command("echo", "one"))).ok
    await until(lambda: not bench.host.sessions())
    assert (await hands.look(command("echo", "two"))).ok


async def test_here_it_is_done_the_same_way(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHFLOOR_HANDS", str(bench.kept))
    hands, deed = bench.hands(), command("echo", "here", on=On.HERE, name="")
    assert (await hands.do(deed, "op")).stdout == "here\n" and len(bench.files("result")) == 1
    assert isinstance(await hands.recall(deed, "op"), Done)


async def test_where_nothing_can_be_done_it_says_so(bench: Bench) -> None:
    hands = bench.hands()
    for deed, words in (
        (command("true", name="elsewhere"), "there is no node 'elsewhere' in the fleet"),
        (command("true", on=On.SCHEDULER, name="alpha"), "there is no source of jobs 'alpha'"),
        (command(), "has one word at least"),
        (command("a\0b"), "can't hold a NUL"),
        (command("cat", stdin="\U0001f600" * 500_000), "no more than 4 MiB"),
    ):
        with pytest.raises(HandsError, match=words):
            await hands.do(deed, "op")
    await hands.acknowledge(command("true", name="elsewhere"), "op")
