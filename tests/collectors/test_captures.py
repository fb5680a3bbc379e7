"""Saved outputs of the vendors' tools: every sample is read, or refused with a reason that a person understands."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from collectors import captures
from collectors.captures import Refused
from tests.support.parts import samples
from watchfloor.cli import run
from watchfloor.exits import Exit
from watchfloor.metrics import CATALOGUE
from watchfloor.model import Scope

# what is about jobs, or about hosts in another program's format: not to be read by anybody here
_NOT_OURS = ("slurm", "kubernetes", "ray", "cgroup", "sonar-node", "SOURCES.md")


def _outcome(file: Path) -> tuple[str, str]:
    try:
        capture = captures.read(str(file), file.read_bytes())
    except Refused as refused:
        return "refused", str(refused)
    for scope, rows in capture.cells.items():
        for row in rows.values():
            unknown = set(row) - set(CATALOGUE[Scope(scope)])
            assert not unknown, f"{file.name}: no metrics of the catalogue: {unknown}"
    return "read", capture.tool


def test_every_sample_is_read_or_refused(tell: Callable[[str], None]) -> None:
    root = samples(".")
    outcomes = {file: _outcome(file) for file in sorted(root.rglob("*")) if file.is_file()}
    counts = Counter((file.relative_to(root).parts[0], *outcome) for file, outcome in outcomes.items())
    read = sum(outcome == "read" for outcome, _ in outcomes.values())
    tell(f"{len(outcomes)} sample files: {read} read, {len(outcomes) - read} refused")
    for (folder, outcome, why), count in sorted(counts.items()):
        tell(f"  {count:>4}  {folder:<24} {outcome}  {why}")
    unread = [
        str(file.relative_to(root))
        for file, (_, why) in outcomes.items()
        if why == captures.UNKNOWN and not file.relative_to(root).parts[0].startswith(_NOT_OURS)
    ]
    assert unread == [], f"nobody reads {len(unread)} samples of accelerators, links or their logs"


def test_readers_say_what_they_read() -> None:
    for name, module in captures.readers().items():
        assert module.MATCHES, name


def test_a_file_that_nobody_knows_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "letter.txt").write_text("Dear operator,\n")
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "core").write_bytes(b"\x7fELF\0\0")
    assert run(["read", str(tmp_path), "--json"]) == Exit.NOTHING_READ
    files = json.loads(capsys.readouterr().out)["files"]
    assert [Path(file["file"]).name for file in files] == ["core", "empty.txt", "letter.txt"]
    assert [file["refused"] for file in files] == ["it is not text", "it is empty", captures.UNKNOWN]


def test_what_is_named_may_be_a_pipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`watchfloor read <(dmesg)`."""
    os.mkfifo(tmp_path / "dmesg")
    line = "NVRM: Xid (PCI:0000:05:00): 79, pid=1, GPU has fallen off the bus.\n"
    with ThreadPoolExecutor() as pool:
        pool.submit((tmp_path / "dmesg").write_text, line)
        assert run(["read", "--brief", str(tmp_path / "dmesg")]) == Exit.OK
    assert "kernel log: 1 event" in capsys.readouterr().out


def test_a_schedulers_output_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "squeue.txt").write_text("  JOBID PARTITION  NAME USER ST\n  42 gpu train ada R\n")
    assert run(["read", "--brief", str(tmp_path)]) == Exit.NOTHING_READ
    assert "an output of Slurm" in capsys.readouterr().out


def test_a_file_that_is_not_there_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["read", "/no/such/file"]) == Exit.USAGE
    assert "there is no such file" in capsys.readouterr().err


def test_nothing_to_read_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["read"]) == Exit.USAGE
