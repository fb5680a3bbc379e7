"""What is read of nvidia-smi's outputs: fixtures of every generation of drivers, and all captured ones."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from collectors import captures
from collectors.captures import nvidia_smi_bundle, nvidia_smi_csv, nvidia_smi_tables
from collectors.probe.cells import FAILED_CODE, LOST_CODE, Missing
from collectors.smi_log import cells_of
from tests.support.golden import same_as_golden
from tests.support.parts import samples
from tests.support.shown import shown
from watchfloor.metrics import CATALOGUE
from watchfloor.model import Scope

_FIXTURES = Path(__file__).parent / "fixtures" / "nvidia"
_GOLDEN = Path(__file__).parent / "golden"


def read(path: Path) -> captures.Capture:
    return captures.read(str(path), path.read_bytes())


def described(capture: captures.Capture) -> str:
    """Cells, versions and notes as one text."""
    versions = [f"{one.layer} {one.name} {one.version} {one.subject}".rstrip() for one in capture.stack]
    return "\n".join([capture.tool, *capture.notes, "", shown(capture.cells), *versions, ""])


@pytest.mark.parametrize("path", sorted(_FIXTURES.iterdir()), ids=lambda path: path.name)
def test_outputs_of_every_generation(path: Path) -> None:
    same_as_golden(_GOLDEN / f"nvidia-{path.stem}.txt", described(read(path)))


def test_a_torn_file_is_read_to_its_last_whole_gpu() -> None:
    capture = read(_FIXTURES / "gb200-580.xml")
    assert len(capture.cells["accelerator"]) == 1
    assert capture.notes[0].startswith("not whole: ") and capture.notes[1] == "4 GPUs are attached, 1 told of"


@pytest.mark.parametrize("path", sorted(_FIXTURES.iterdir()), ids=lambda path: path.name)
def test_a_piece_of_an_output_is_read_or_refused(path: Path) -> None:
    data = path.read_bytes()
    for cut in range(0, len(data), 89):
        for piece in (data[:cut], data[cut:], data[:cut].replace(b"\n", b"\r\n")):
            with contextlib.suppress(captures.Refused):
                assert captures.read(path.name, piece).cells


@pytest.mark.parametrize("folder", ["nvidia-smi-xml", "nvidia-smi-xml-faults", "nvidia-smi-text", "nvidia-smi-capture"])
def test_every_captured_output(folder: str) -> None:
    """Nothing in them is beyond what is understood, and every board says what it is, how warm, and how full."""
    for path in sorted(samples(folder).iterdir()):
        capture = read(path)
        for scope, rows in capture.cells.items():
            for key, row in rows.items():
                assert set(row) <= set(CATALOGUE[Scope(scope)]), path.name
                failed = {name: value for name, value in row.items() if _code(value) == FAILED_CODE}
                assert not failed, f"{path.name}: {key}"
        boards = [row for row in capture.cells["accelerator"].values() if not row.get("partition_of")]
        assert all(row["model"] for row in boards)
        if "nvlink" not in path.name:
            assert all({"temp", "mem_used", "power"} <= set(row) for row in boards), path.name


def _code(value: object) -> int:
    return value.code if isinstance(value, Missing) else 0


@pytest.mark.parametrize("name", ["nvidia-geforce-rtx-2080-super", "nvidia-h100-80gb-hbm3", "nvidia-h200-mig"])
def test_the_table_of_captured_boards(name: str) -> None:
    """The framed tables of the captures say what the longer outputs say, as far as they say anything."""
    (path,) = samples("nvidia-smi-capture").glob(f"linux*{name}*")
    sections = dict(nvidia_smi_bundle.sections(path.read_text(errors="replace")))
    capture = captures.read("table.txt", sections["nvidia-smi"].encode())
    whole, *parts = capture.cells["accelerator"].values()
    (board,) = nvidia_smi_csv.parse(next(sections[key] for key in sections if "--query-gpu=" in key))[
        "accelerator"
    ].values()
    assert (whole["bus_id"], whole["pstate"], whole["mem_total"]) == (
        *(board["bus_id"], board["pstate"], board["mem_total"]),
    )
    assert whole["temp"] == pytest.approx(board["temp"], abs=3)
    assert whole["mig"] == board["mig"] and len(parts) == (5 if name.endswith("mig") else 0)


def test_injected_errors_and_lost_boards_show() -> None:
    folder = samples("nvidia-smi-xml-faults")
    healthy, injected, lost = (read(folder / f"gb200-{name}.xml") for name in ("healthy", "ecc-injected", "lost"))
    errors = [row["ecc_uncorrected"] for row in injected.cells["accelerator"].values()]
    assert any(errors) and not any(row["ecc_uncorrected"] for row in healthy.cells["accelerator"].values())
    gone = [row for row in lost.cells["accelerator"].values() if _code(row["temp"]) == LOST_CODE]
    assert len(gone) == 1 and gone[0]["model"] and gone[0]["uuid"]


def test_links_of_eight_boards() -> None:
    capture = read(samples("nvidia-smi-text") / "nvlink-status-a100.txt")
    assert len(capture.cells["link"]) == 96
    assert {(row["up"], row["speed"]) for row in capture.cells["link"].values()} == {(1, 25 * 10**9)}
    assert {(row["links_up"], row["links_max"]) for row in capture.cells["accelerator"].values()} == {(12, 12)}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("index, uuid, power.draw [W]\n", "no row"),
        (
            '<?xml version="1.0" ?>\n<nvidia_smi_log>\n<driver_version>1</driver_version>\n</nvidia_smi_log>',
            "without a GPU",
        ),
        ("<nvidia_smi_log><gpu>", "without a GPU: not whole"),
        ("==============NVSMI LOG==============\n\nDriver Version : 590\n", "without a GPU"),
        (
            "GPU 0: X (UUID: GPU-00000000-0000-0000-0000-000000000000)\nDevice does not have or support Nvlink\n",
            "does not have or support Nvlink",
        ),
        ("# $ nvidia-smi --version\n", "none of them tells of a GPU"),
        ("name, size\na, b\n", "no reader knows"),
    ],
)
def test_what_holds_nothing_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(captures.Refused, match=why):
        captures.read("output.txt", text.encode())


def test_pmon_is_no_dmon() -> None:
    assert not nvidia_smi_tables.matches("", "# gpu         pid   type     sm\n# Idx           #    C/G      %\n")


@pytest.mark.parametrize(("status", "told"), [("Success", "completed"), ("Unknown Error", "failed: Unknown Error")])
def test_a_fabric_that_completed_may_have_failed(status: str, told: str) -> None:
    assert cells_of({"fabric/state": "Completed", "fabric/status": status})["fabric_state"] == told
