"""nvidia-smi in loop mode, over captured outputs of real boards."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from collectors.smi_csv import METRICS, cells_of, split
from collectors.smi_loop import COMMAND, SmiLoopReader
from collectors.smi_values import ACTIONS, Absence
from tests.support.parts import samples
from tests.support.probe import FAILED, LOST, NOT_PERMITTED, UNSUPPORTED, Mirror
from watchfloor.errors import StreamError
from watchfloor.metrics import CATALOGUE, RECOVERY_ACTIONS
from watchfloor.model import Missing, Scope
from watchfloor.report import Hello, Report, Schema

MIB = 1 << 20
CAPTURES = {
    "linux-x86_64__nvidia-geforce-rtx-2080-super__595.71.05.txt": {"temp": 40, "fan": 38, "ecc_mode": UNSUPPORTED},
    "linux-x86_64__nvidia-h100-80gb-hbm3__590.48.01.txt": {"temp": 41, "temp_margin": 46, "temp_mem": 48, "mig": 0},
    "linux-x86_64__nvidia-h200-mig__590.48.01.txt": {"mig": 1, "util": UNSUPPORTED, "rows_pending": UNSUPPORTED},
    "windows-x86_64__nvidia-geforce-rtx-2080-super__591.86.txt": {"persistence": UNSUPPORTED, "pstate": 8},
}


def blocks(path: Path) -> list[str]:
    """The outputs of every `nvidia-smi --query-gpu` of a capture file."""
    parts = re.split(r"^#{20,}\n", path.read_text(errors="replace"), flags=re.MULTILINE)
    return [parts[at + 1].strip() for at, part in enumerate(parts) if "# $ nvidia-smi --query-gpu" in part]


def mirrored(data: bytes, pieces: int = 0) -> Mirror:
    """What a console knows after these bytes; `pieces`: fed in chunks of that many bytes."""
    reader, mirror = SmiLoopReader(lambda: 1000.0), Mirror()
    step = pieces or len(data)
    for at in range(0, len(data), step):
        for line in reader.feed(data[at : at + step]):
            mirror.take(line)
    return mirror


@pytest.mark.parametrize("name", CAPTURES)
def test_captures_of_real_boards(name: str) -> None:
    outputs = blocks(samples("nvidia-smi-capture") / name)
    assert len(outputs) == 2  # idle, and under load
    for output in outputs:
        mirror = mirrored(output.encode() + b"\n")
        (gpu,) = mirror.cells["accelerator"].values()
        assert gpu["name"] == "gpu0" and isinstance(gpu["model"], str) and "NVIDIA" in gpu["model"]
        assert not [cell for cell in gpu.values() if cell == FAILED]
        assert isinstance(gpu["mem_total"], float) and gpu["mem_total"] > 8000 * MIB
    (first,) = mirrored(outputs[0].encode() + b"\n").cells["accelerator"].values()
    assert {metric: first[metric] for metric in CAPTURES[name]} == CAPTURES[name]


def test_sixteen_boards_of_an_older_driver() -> None:
    """A query without `count`: a round is over when its first board comes again."""
    text = (samples("nvidia-smi-text") / "v100-dgx2-x16-query-gpu.csv").read_text().strip()
    header, *rows = text.splitlines()
    mirror = mirrored("\n".join([header, *rows, rows[0], ""]).encode())
    assert len(mirror.cells["accelerator"]) == 16
    gpu = mirror.accelerator("GPU-3410aa41-502b-5cf1-d8c4-58dc1c22fbc9")
    assert (gpu["power"], gpu["temp"], gpu["util"]) == (383.55, 62, 98)
    assert (gpu["mem_used"], gpu["pstate"]) == (11149 * MIB, UNSUPPORTED)


HEADER = (
    "index, count, uuid, name, power.draw [W], temperature.gpu, gpu_recovery_action, clocks_throttle_reasons.active"
)


def row(index: int, power: str = "100.5", temperature: str = "40") -> str:
    return f"{index}, 2, GPU-{index}, NVIDIA X, {power}, {temperature}, None, 0x0000000000000004"


GREETING = "watchfloor-smi 1000 node7 6.1.0 0c1f-boot"


def loop(*lines: str) -> bytes:
    return ("\n".join(lines) + "\n").encode()


def test_the_stream_of_a_node() -> None:
    data = loop(GREETING, HEADER, row(0), row(1), row(0, power="120"), row(1))
    reader = SmiLoopReader(lambda: 1000.0)
    lines = reader.feed(data)
    assert [type(line) for line in lines] == [Hello, Schema, Report, Report]
    hello, schema, first, second = lines
    assert isinstance(hello, Hello) and isinstance(schema, Schema)
    assert isinstance(first, Report) and isinstance(second, Report)
    assert (hello.node, hello.boot_id, hello.facts) == ("node7", "0c1f-boot", {"kernel": "6.1.0"})
    assert first.full and not second.full
    assert second.cells["accelerator"].v == [120.0]  # the one value that changed
    assert first.samplers["nvidia-smi"].text == "no python3 on the node: GPUs only"
    assert schema.tables["accelerator"].keys == ["GPU-0", "GPU-1"]


@pytest.mark.parametrize("pieces", [1, 7, 64])
def test_bytes_may_be_cut_anywhere(pieces: int) -> None:
    data = loop(GREETING, HEADER, row(0), row(1), row(0, power="120"), row(1))
    assert mirrored(data, pieces).cells == mirrored(data).cells


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("[N/A]", UNSUPPORTED),
        ("N/A", UNSUPPORTED),
        ("[Not Supported]", UNSUPPORTED),
        ("[Requested functionality has been deprecated]", UNSUPPORTED),
        ("[Insufficient Permissions]", NOT_PERMITTED),
        ("[GPU is lost]", LOST),
        ("[Unknown Error]", FAILED),
        ("ERR!", FAILED),
        ("surprise", FAILED),
        ("", UNSUPPORTED),
        ("41.25 W", 41.25),
        ("-999999999999 W", FAILED),
        ("nan", FAILED),
    ],
)
def test_the_many_words_for_nothing(text: str, cell: object) -> None:
    mirror = mirrored(loop(HEADER, row(0, power=text), row(1)))
    assert mirror.accelerator("GPU-0")["power"] == cell
    assert mirror.accelerator("GPU-1")["power"] == 100.5
    if text == "surprise":
        assert mirror.note("accelerator.power", FAILED) == "nvidia-smi wrote 'surprise'"


def test_the_limit_field_is_a_margin_and_never_a_temperature() -> None:
    cells = cells_of(split("temperature.gpu, temperature.gpu.tlimit"), split("41, 46"))
    assert cells == {"temp": 41.0, "temp_margin": 46.0}


def test_retired_pages_are_added_up() -> None:
    header = split("retired_pages.single_bit_ecc.count, retired_pages.double_bit.count")
    assert cells_of(header, ["2", "3"]) == {"pages_retired": 5.0}
    assert cells_of(header, ["[N/A]", "[N/A]"]) == {"pages_retired": Absence(Missing.UNSUPPORTED)}


def test_words_instead_of_rows() -> None:
    mirror = mirrored(loop(GREETING, "No devices were found"))
    assert (mirror.samplers["nvidia-smi"].state, mirror.cells["accelerator"]) == ("absent", {})
    lost = "Unable to determine the device handle for GPU0000:C3:00.0: Unknown Error"
    mirror = mirrored(loop(GREETING, HEADER, row(0), row(1), lost))
    assert (mirror.samplers["nvidia-smi"].state, mirror.samplers["nvidia-smi"].text) == ("failed", lost)
    mirror = mirrored(loop(GREETING, HEADER, row(0), row(1), lost, row(0), row(1)))
    assert mirror.samplers["nvidia-smi"].state == "ok"
    mismatch = ["Failed to initialize NVML: Driver/library version mismatch", "NVML library version: 550.54"]
    mirror = mirrored(loop(GREETING, *mismatch, *mismatch))
    assert mirror.samplers["nvidia-smi"].text == "; ".join(mismatch), "each query that it refuses says the same"


def test_what_it_says_acts_on_no_terminal() -> None:
    *_, report = SmiLoopReader(lambda: 1.0).feed(b"\x1b[2JFailed to initialize NVML\n")
    assert isinstance(report, Report)
    assert report.samplers["nvidia-smi"].text.startswith("?[2JFailed")


def test_a_line_without_end_is_garbage() -> None:
    with pytest.raises(StreamError, match="without end"):
        SmiLoopReader().feed(b"x" * 70_000)


def test_boards_without_end_are_a_flood() -> None:
    with pytest.raises(StreamError, match="more than 1024 GPUs"):
        SmiLoopReader().feed(loop(HEADER, *(row(index).replace(", 2, ", ", 9999, ") for index in range(1100))))


def test_the_clock_of_the_node_is_kept() -> None:
    reader = SmiLoopReader(lambda: 5000.0)
    lines = reader.feed(loop(GREETING, HEADER, row(0), row(1)))
    assert [line.at for line in lines if isinstance(line, Hello | Report)] == [1000.0, 1000.0]


def test_fields_metrics_and_actions_are_known_ones() -> None:
    assert set(METRICS) <= set(CATALOGUE[Scope.ACCELERATOR])
    assert set(ACTIONS.values()) <= set(RECOVERY_ACTIONS)
    help_text = (samples("nvidia-smi-capture") / next(iter(CAPTURES))).read_text(errors="replace")
    valid = set(re.findall(r'"([\w.]+)"', help_text))
    asked = {field for query in re.findall(r"--query-gpu=(\S+)", COMMAND) for field in query.split(",")}
    assert asked <= valid


def test_the_command_survives_any_login_shell() -> None:
    assert COMMAND.count("'") == 2 and not set("!\\\n") & set(COMMAND)


def test_the_command_falls_back_to_what_an_older_driver_knows(tmp_path: Path) -> None:
    """The real command line under a real shell; nvidia-smi is a script that refuses the newest field."""
    program = tmp_path / "nvidia-smi"
    program.write_text(
        "#!/bin/sh\n"
        'case "$1" in *gpu_recovery_action*) echo "Field \\"gpu_recovery_action\\" is not a valid field to query."\n'
        "exit 2;; esac\n"
        f'echo "{HEADER}"\necho "{row(0)}"\necho "{row(1)}"\n'
    )
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    output = subprocess.run(["sh", "-c", COMMAND], env=environment, capture_output=True, check=True).stdout
    mirror = mirrored(output)
    assert mirror.hello is not None and mirror.hello.node == os.uname().nodename
    assert set(mirror.cells["accelerator"]) == {"GPU-0", "GPU-1"}
    assert mirror.samplers["nvidia-smi"].state == "ok"
