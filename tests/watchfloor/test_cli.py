"""The command line as a program: what it loads, what it prints, with which exit code it ends."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from tests.support.parts import ROOT
from tests.support.patience import PATIENCE_SECONDS
from watchfloor import __version__
from watchfloor.cli import COMMANDS, run
from watchfloor.commands import demo
from watchfloor.exits import Exit, of_fleet
from watchfloor.fleet import Fleet
from watchfloor.model import NodeSpec, NodeStatus, Phase

_LOADED = """
import sys
from watchfloor.__main__ import main
sys.argv = ["watchfloor", *sys.argv[1:]]
code = main()
print("LOADED", *sorted({name.split(".")[0] for name in sys.modules}))
"""

NOBODY = "127.0.0.1:1"  # where nothing listens


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "watchfloor", *arguments]


def _finished(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it in an empty folder to its end, without a terminal."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(folder)}
    return subprocess.run(
        _command(*arguments), cwd=folder, env=environment, capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def _run(folder: Path, *arguments: str, code: int = 0) -> str:
    """Its standard output, where it ends with this code."""
    done = _finished(folder, *arguments)
    assert done.returncode == code, (done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        (["--version"], {"textual", "asyncssh", "numpy", "yaml", "lark"}),
        (["metrics"], {"textual", "asyncssh"}),
        (["audit", "verify"], {"textual", "asyncssh", "numpy", "yaml", "lark"}),
        (["snapshot", "--where", "nonsense >"], {"textual", "asyncssh"}),
    ],
)
def test_a_command_loads_what_it_needs(tmp_path: Path, arguments: list[str], absent: set[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LOADED, *arguments],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    loaded = set(done.stdout.rpartition("LOADED")[2].split())
    assert "watchfloor" in loaded
    assert not loaded & absent


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == Exit.OK
    assert capsys.readouterr().out == f"{__version__}\n"


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == Exit.OK
    text = capsys.readouterr().out
    assert all(name in text for name in COMMANDS)


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_helps(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == Exit.OK
    assert f"watchfloor {name}" in capsys.readouterr().out


def test_a_wrong_option_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["snapshot", "--nope"]) == Exit.USAGE
    assert "--nope" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("tokens", "word"),
    [
        (["snapshot", "--table", "--json"], "choose one"),
        (["snapshot", "--json", "--timeout", "0"], "--timeout"),
        (["snapshot", "--json", "--columns", "util"], "--columns"),
        (["stack", "--json", "--timeout", "0"], "--timeout"),
        (["demo", "--json"], "--headless --seconds"),
        (["demo", "--json", "--headless", "--seconds", "1", "--scenario", "nope"], "steady"),
        (["demo", "--json", "--headless", "--seconds", "1", "--nodes", "0"], "nodes"),
        (["snapshot", "--json", "--fleet", "/nowhere/fleet.yaml"], "/nowhere/fleet.yaml"),
        (["snapshot", "--json", "n[1-"], "host"),
        (["snapshot", "--json=true", "n[1-"], "host"),
        (["snapshot", "--json", "--ssh-config", "/nowhere/ssh_config", "a"], "/nowhere/ssh_config"),
    ],
)
def test_errors_are_json_with_json(tokens: list[str], word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tokens) == Exit.USAGE
    error = json.loads(capsys.readouterr().out)["error"]
    assert {"message", "advice", "file", "line", "column"} <= set(error)
    assert word in json.dumps(error)


@pytest.mark.parametrize("arguments", [["nowhere.invalid"], ["demo", "--nodes", "1"]])
def test_without_a_terminal_no_screen_is_drawn(tmp_path: Path, arguments: list[str]) -> None:
    done = _finished(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (Exit.USAGE, "")
    assert "is no terminal" in done.stderr and "snapshot" in done.stderr


def test_a_node_that_is_still_awaited_when_the_time_is_over_says_so(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        where = f"127.0.0.1:{silent.getsockname()[1]}"
        text = _run(tmp_path, "snapshot", "--timeout", "5", where, code=Exit.NOTHING_READ)
    assert f"{where}: not read: still connecting when the time was over (--timeout waits longer)" in text


def test_an_error_in_a_query_points_at_its_column(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["snapshot", "--where", "temp > 60 and utl > 5"]) == Exit.USAGE
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].index("utl") == lines[1].index("^")
    assert run(["snapshot", "--json", "--where", "temp > 60 and utl > 5"]) == Exit.USAGE
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["column"], error["query"]) == (15, "temp > 60 and utl > 5")


def test_an_error_in_a_fleet_file_points_at_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text("name: lab\nsitse:\n  oslo: {}\n")
    assert run(["snapshot", "--json", "--fleet", str(file)]) == Exit.USAGE
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["file"], error["line"], error["column"]) == (str(file), 2, 1)
    assert "sites" in error["advice"]


def test_a_fault_of_our_own_is_told_apart(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(_of: str) -> str:
        raise RuntimeError("a plain fault")

    monkeypatch.setattr("watchfloor.commands.schema.schema_text", broken)
    assert run(["schema", "fleet"]) == Exit.INTERNAL
    assert "RuntimeError: a plain fault (at test_cli.py:" in capsys.readouterr().err


def test_schemas(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("fleet", "playbook", "snapshot"):
        assert run(["schema", name]) == Exit.OK
        jsonschema.Draft202012Validator.check_schema(json.loads(capsys.readouterr().out))


def test_metrics_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["metrics", "--json"]) == Exit.OK
    rows = json.loads(capsys.readouterr().out)["metrics"]
    temp = next(row for row in rows if (row["scope"], row["name"]) == ("accelerator", "temp"))
    assert (temp["unit"], temp["prometheus"]) == ("°C", "watchfloor_accelerator_temperature_celsius")


@pytest.mark.parametrize(
    ("read", "failed", "code"),
    [(3, 0, Exit.OK), (0, 0, Exit.OK), (2, 1, Exit.PARTLY_FAILED), (0, 3, Exit.NOTHING_READ)],
)
def test_the_code_of_a_fleet(read: int, failed: int, code: Exit) -> None:
    assert of_fleet(read, failed) is code


def test_this_machine_as_json(tmp_path: Path) -> None:
    found = json.loads(_run(tmp_path, "snapshot", "--json"))
    jsonschema.validate(found, json.loads((files("watchfloor.schemas") / "snapshot.schema.json").read_text("utf-8")))
    node = found["nodes"][0]
    assert node["status"]["phase"] == "live"
    assert node["values"]["cpus"] >= 1
    assert "cpu" in node["values"]  # a rate: the snapshot waited for a second reading


def test_the_software_of_this_machine_as_json(tmp_path: Path) -> None:
    found = json.loads(_run(tmp_path, "stack", "--json", "--by", "fleet"))
    kernel = next(thing for thing in found["things"] if thing["name"] == "kernel")
    assert [version["version"] for version in kernel["versions"]] == [os.uname().release]


def test_the_links_of_this_machine_as_json(tmp_path: Path) -> None:
    found = json.loads(_run(tmp_path, "links", "--json", "--by", "kind", "--odd", "--matrix"))
    assert found["format"] == "watchfloor.links/1"
    assert found["by"] == "kind"


def test_a_fleet_of_which_nothing_can_be_read(tmp_path: Path) -> None:
    found = json.loads(_run(tmp_path, "snapshot", "--json", NOBODY, code=Exit.NOTHING_READ))
    assert found["nodes"][0]["status"]["problem"] == "refused"
    assert found["nodes"][0]["status"]["advice"]


def test_a_fleet_of_which_a_part_can_be_read(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text('nodes:\n  here: {local: true}\n  gone: {host: "127.0.0.1", ssh: {port: 1}}\n')
    text = _run(tmp_path, "snapshot", "--fleet", str(fleet), code=Exit.PARTLY_FAILED)
    assert any(line.startswith("gone: not read: ") for line in text.splitlines())
    assert any(line.startswith("here ") for line in text.splitlines())


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        _command("metrics", "--json"), cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=PATIENCE_SECONDS) == Exit.OK


def _redirected(folder: Path, form: str, redirection: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The catalogue, with its streams redirected by a shell."""
    command = f"{shlex.join(_command('metrics', *form.split()))} {redirection}"
    whole = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(["sh", "-c", command], cwd=folder, env=whole, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_disk_that_is_full_is_told_in_words(tmp_path: Path) -> None:
    done = _redirected(tmp_path, "--json", ">/dev/full")
    assert (done.returncode, done.stdout) == (Exit.NOT_KEPT, "")
    assert done.stderr.startswith("watchfloor: the output can't be written: No space left on device\n")


def test_streams_that_are_closed_or_know_few_characters_end_nothing(tmp_path: Path) -> None:
    assert _redirected(tmp_path, "", "<&- >&- 2>&-").returncode == Exit.OK
    assert "?C" in _redirected(tmp_path, "", "", PYTHONIOENCODING="ascii").stdout
    rows = json.loads(_redirected(tmp_path, "--json", "", PYTHONIOENCODING="ascii").stdout)["metrics"]
    assert "°C" in {row["unit"] for row in rows}, "escaped, and so not lost"


def test_the_demo_is_read_by_snapshot_and_ends_when_told(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.yaml"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    serving = subprocess.Popen(
        _command("demo", "--nodes", "3", "--scenario", "steady", "--headless", "--write-fleet", str(fleet)),
        cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert serving.stderr is not None
        assert any("up until Ctrl-C" in line for line in serving.stderr)
        found = json.loads(_run(tmp_path, "snapshot", "--json", "--fleet", str(fleet), "--where", "mem_total > 1GB"))
        assert found["summary"]["nodes"] == {"total": 3, "read": 3, "failed": 0}
        assert found["summary"]["accelerators"]["shown"] > 0
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(timeout=PATIENCE_SECONDS) == 128 + signal.SIGTERM
    finally:
        serving.kill()
        serving.wait()
    assert fleet.stat().st_mode & 0o077 == 0
    assert [path for path in tmp_path.iterdir() if path.name.startswith("watchfloor")] == []


def test_the_demo_prints_itself(tmp_path: Path) -> None:
    for seconds in ("3", "9", "27"):  # how long it takes to start is the machine's affair
        done = _finished(tmp_path, "demo", "--nodes", "2", "--headless", "--seconds", seconds, "--json")
        found = json.loads(done.stdout)
        assert len(found["nodes"]) == 2
        if any(node["accelerators"] for node in found["nodes"]):
            assert done.returncode == Exit.OK
            return
    pytest.fail(f"no node of the demo was read: {done.stderr}")


def test_nodes_of_a_demo_that_are_on_their_way_when_it_prints_itself_are_told_as_such(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fleet = Fleet([NodeSpec("n1"), NodeSpec("n2")], lambda: 100.0)
    fleet.status(0, NodeStatus(Phase.STARTING))
    fleet.tick()
    assert demo.print_once(fleet.frame(), 0.5, True) == Exit.NOTHING_READ
    assert "2 of 2 nodes had not answered after 0.5 s: more --seconds wait longer" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["snapsot", "docter", "demos"])
def test_a_misspelt_command_is_not_looked_for_on_the_network(
    word: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("socket.getaddrinfo", _unknown)
    assert run([word]) == Exit.USAGE
    told = capsys.readouterr().err
    assert f"'{word}' is neither a command nor a known host" in told
    assert re.search(r"did you mean `watchfloor (snapshot|doctor|demo)`", told)
    assert run([word, "--table"]) == Exit.USAGE  # an option that only a command has
    assert "did you mean `watchfloor " in capsys.readouterr().err


def test_a_host_that_looks_like_a_command_is_a_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("socket.getaddrinfo", _unknown)
    config = tmp_path / "config"
    config.write_text("Host demo1\n  HostName 127.0.0.1\n")
    assert run(["demo1", "--ssh-config", str(config)]) == Exit.USAGE  # for want of a terminal
    assert "demo1" not in capsys.readouterr().err


def _unknown(*_arguments: object) -> None:
    raise OSError(-2, "Name or service not known")


@pytest.mark.parametrize("command", ["snapshot", "doctor"])
def test_a_broken_ssh_config_stops_before_anything_connects(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config"
    config.write_text("Host a\n  Port many\n")
    assert run([command, "--ssh-config", str(config), "nowhere"]) == Exit.USAGE
    assert f"{config}:2: not a value for it: 'Port many'" in capsys.readouterr().err
