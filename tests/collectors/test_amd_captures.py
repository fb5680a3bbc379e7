"""Saved outputs of AMD's tools and drivers: what each says, and that all samples are read or refused with a reason."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from collectors import captures
from collectors.captures import Capture, Refused
from collectors.probe import amd_smi, rocm_smi
from collectors.probe.cells import UNSUPPORTED, Missing
from tests.support.golden import same_as_golden
from tests.support.parts import samples
from tests.support.shown import shown

FIXTURES = Path(__file__).parent / "fixtures" / "amd"
GOLDEN = Path(__file__).parent / "golden"
_SAMPLES = {"amd-smi-text": 7, "rocm-smi-csv": 2, "rocm-smi-json": 5, "amdgpu-sysfs": 62, "amd-kfd-topology": 100}


def told(capture: Capture) -> str:
    """As text for the golden file."""
    stack = "".join(f"{row.layer} {row.name} {row.version} {row.subject}".rstrip() + "\n" for row in capture.stack)
    return f"{capture.tool}\n\n{shown(capture.cells)}\n{stack}"


@pytest.mark.parametrize("file", sorted(FIXTURES.iterdir()), ids=lambda file: file.name)
def test_what_an_output_says(file: Path) -> None:
    same_as_golden(GOLDEN / f"amd-{file.name.replace('.', '-')}.txt", told(captures.read(str(file), file.read_bytes())))


@pytest.mark.parametrize(("folder", "count"), _SAMPLES.items())
def test_every_sample_is_read_or_refused_with_a_reason(folder: str, count: int) -> None:
    files = [file for file in samples(folder).rglob("*") if file.is_file()]
    reasons = Counter(refusal(file) for file in files)
    assert len(files) == count and "no reader knows this output" not in reasons
    assert reasons.pop("") + reasons.total() == count


def refusal(file: Path) -> str:
    """Why a file is refused; "" where it is read."""
    try:
        captures.read(str(file), file.read_bytes())
    except Refused as refused:
        return str(refused)
    return ""


def test_the_cards_of_a_real_output_have_their_values() -> None:
    path = samples("rocm-smi-json") / "mi100_rocm571.json"
    rows = captures.read(str(path), path.read_bytes()).cells["accelerator"]
    assert len(rows) == 6
    first = rows["amd:0000:1e:00.0"]
    assert (first["temp"], first["power"], first["power_limit"], first["clock_sm"]) == (31, 39, 290, 300)
    assert (first["pcie_gen"], first["pcie_width"], first["mem_total"]) == (3, 16, 34342961152)


def test_a_warning_before_the_columns_is_passed_over() -> None:
    path = samples("rocm-smi-csv") / "mi210-warning-line-v2.csv"
    rows = captures.read(str(path), path.read_bytes()).cells["accelerator"]
    assert rows["GPU-18f68e602b8a790f"]["temp"] == 41 and len(rows) == 2


def test_the_uuid_of_amd_smi_is_that_of_the_driver() -> None:
    path = samples("amd-smi-text") / "mi300x-amd-smi-list.txt"
    rows = captures.read(str(path), path.read_bytes()).cells["accelerator"]
    assert rows["GPU-af54e92b0a5d57c8"]["bus_id"] == "0000:05:00.0"


def test_a_mesh_of_eight_has_seven_links_a_board() -> None:
    path = samples("amd-smi-text") / "mi300x-amd-smi-topology.txt"
    links = captures.read(str(path), path.read_bytes()).cells["link"]
    assert set(Counter(row["accelerator"] for row in links.values()).values()) == {7} and len(links) == 56


# -- readings


@pytest.mark.parametrize(
    ("reading", "value"),
    [
        ({"value": 234, "unit": "W"}, 234),
        ({"value": "N/A", "unit": "mV"}, UNSUPPORTED),
        ("N/A", UNSUPPORTED),
        (None, UNSUPPORTED),
        (True, UNSUPPORTED),
        ([], UNSUPPORTED),
        (16, 16),
        ("2102 MHz", 2102),
        ("7.3 GB", 7.3 * 2**30),
        ({"value": 196592, "unit": "MB"}, 196592 * 2**20),
        ("32 GT/s", 32),
    ],
)
def test_readings_of_amd_smi(reading: object, value: float | Missing) -> None:
    assert amd_smi.number(reading) == value


@pytest.mark.parametrize(
    ("text", "value"), [("41.0", 41), ("(300Mhz)", 300), ("N/A", UNSUPPORTED), ("", UNSUPPORTED), ("x16", 16)]
)
def test_readings_of_rocm_smi(text: str, value: float | Missing) -> None:
    assert rocm_smi.number(text) == value


def test_the_reason_that_rocm_smi_tells_is_kept() -> None:
    assert rocm_smi.number("N/A (Secondary die)") == Missing(UNSUPPORTED.code, "Secondary die")


@pytest.mark.parametrize("text", ["", "no JSON", '{"gpu_data": ', "[}"])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        amd_smi.decoded(text)


@pytest.mark.parametrize("document", [None, 7, "gpu", [], {}, [1, "x"], {"gpu_data": {}}, {"cpu_data": [{"cpu": 0}]}])
def test_what_holds_no_gpu_has_no_entries(document: object) -> None:
    assert amd_smi.entries(document) == []


@pytest.mark.parametrize(
    "text",
    [
        '[{"gpu": 0, "usage": "N/A"}]',
        '{"gpu_data": [{"gpu": 0, "usage": {"gfx_activity": {"val',
        "EVENT LISTENING:\n",
        '{"card0": {"GPU use (%)": ',
    ],
)
def test_outputs_without_anything_in_them_are_refused(text: str) -> None:
    with pytest.raises(Refused):
        captures.read("saved.txt", text.encode())


def test_sections_may_be_of_any_shape_and_cost_only_their_own_cells() -> None:
    entry = {
        "gpu": 0,
        "usage": [],
        "power": "N/A",
        "clock": {"gfx_0": "N/A"},
        "limit": None,
        "fan": {"speed": 1, "max": 0},
    }
    cells = amd_smi.cells({**entry, "temperature": {"edge": 30}})
    assert cells["temp"] == 30
    assert {name for name, value in cells.items() if not isinstance(value, Missing)} == {"temp"}
