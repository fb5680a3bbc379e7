"""Saved outputs of tpu-info, libtpu's library, neuron-ls and neuron-monitor: of several versions, and captured ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from collectors import captures
from collectors.captures import Capture, Refused
from collectors.probe.cells import UNSUPPORTED, Missing
from tests.support.golden import same_as_golden
from tests.support.neuron_host import GIB, TWO, counters, program, record
from tests.support.parts import samples
from tests.support.shown import shown

GOLDEN = Path(__file__).parent / "golden"

# tpu-info before 0.3, on a v3: cores in the table of memory, one duty cycle a chip repeated
BOXES = """
TPU Chips
┏━━━━━━━━━━━━━┳━━━━━━━━━━━━━┳━━━━━━━━━┳━━━━━━━━┓
┃ Chip        ┃ Type        ┃ Devices ┃ PID    ┃
┡━━━━━━━━━━━━━╇━━━━━━━━━━━━━╇━━━━━━━━━╇━━━━━━━━┩
│ /dev/accel0 │ TPU v3 chip │ 2       │ 130007 │
│ /dev/accel1 │ TPU v3 chip │ 2       │ None   │
└─────────────┴─────────────┴─────────┴────────┘
TPU Runtime Utilization
┏━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━┓
┃ Device ┃ HBM usage            ┃ Duty cycle ┃
┡━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━┩
│ 8      │ 1.00 GiB / 16.00 GiB │     50.00% │
│ 9      │ 2.00 GiB / 16.00 GiB │     50.00% │
│ 12     │ 0.50 GiB / 16.00 GiB │     10.00% │
│ 13     │ 0.50 GiB / 16.00 GiB │     20.00% │
└────────┴──────────────────────┴────────────┘
"""
IDLE = """TPU Chips
+--------------+--------------+---------+------+
| Chip         | Type         | Devices | PID  |
+--------------+--------------+---------+------+
| /dev/vfio/0  | TPU v6e chip | 1       | None |
+--------------+--------------+---------+------+
Libtpu metrics unavailable. Is there a framework using the TPU?
TPU Runtime Utilization
| Chip | HBM Usage (GiB) | Duty cycle |
|------|-----------------|------------|
| 0    | N/A             | N/A        |
"""
TABLE = """instance-type: trn2n.48xlarge
+--------+--------+---------+--------+-----------+---------+------+-----------------+---------+
| NEURON | NEURON | LOGICAL | NEURON | CONNECTED |   PCI   | PID  |     COMMAND     | RUNTIME |
| DEVICE | CORES  |   NC    | MEMORY |  DEVICES  |   BDF   |      |                 | VERSION |
+--------+--------+---------+--------+-----------+---------+------+-----------------+---------+
| 0      | 8      | 4       | 96 GB  | 1         | cc:00.0 | 4711 | python train.py | 2.0.0   |
|        |        |         |        |           |         | 4799 | neuron-ls -a    | NA      |
+--------+--------+---------+--------+-----------+---------+------+-----------------+---------+
| 1      | 8      | 4       | 96 GB  | 0         | b5:00.0 |      |                 |         |
+--------+--------+---------+--------+-----------+---------+------+-----------------+---------+
"""


def read(text: str, name: str = "saved.txt") -> Capture:
    return captures.read(name, text.encode())


def test_tables_of_cores_are_joined_to_chips() -> None:
    rows = read(BOXES).cells["accelerator"]
    assert [(row["model"], row["processes"]) for row in rows.values()] == [("TPU v3", 1), ("TPU v3", 0)]
    assert [(row["util"], row["mem_used"], row["mem_total"]) for row in rows.values()] == [
        (50.0, 3 * GIB, 32 * GIB),
        (15.0, GIB, 32 * GIB),
    ]


def test_a_chip_without_a_runtime_has_no_values() -> None:
    (row,) = read(IDLE).cells["accelerator"].values()
    assert (row["util"], row["mem_used"]) == (Missing(UNSUPPORTED.code, "N/A"), Missing(UNSUPPORTED.code, "N/A"))
    assert row["processes"] == 0


def test_a_version_alone_is_software() -> None:
    capture = read(
        "$ tpu-info --version\n- tpu-info version: 0.8.0\n- libtpu version: 0.0.18\n- accelerator type: v6e\n"
    )
    assert [(row.name, row.version) for row in capture.stack] == [("libtpu", "0.0.18")]
    assert capture.tool == "tpu-info 0.8.0"
    with pytest.raises(Refused, match="neither a chip nor a version"):
        read("TPU Chips\nno such device\n")


def test_the_librarys_metrics() -> None:
    told = {"duty_cycle_pct": ["20.00", "0.00"], "tpu_throttle_score": ["0-0", "1-2"], "hbm_capacity_usage": ["5", "6"],
            "ici_link_health": ["tray1.chip0.ici0.int: 0", "tray1.chip0.ici1.int: 10"]}  # fmt: skip
    capture = read(json.dumps({"libtpu": "0.0.52", "metrics": told}))
    assert [row["throttled"] for row in capture.cells["accelerator"].values()] == [0, 20]
    assert [row["mem_used"] for row in capture.cells["accelerator"].values()] == [5, 6]
    assert [row["up"] for row in capture.cells["link"].values()] == [1, 0]
    with pytest.raises(Refused, match="libtpu's metrics"):
        read('{"libtpu": "0.0.52", "metrics": 5}')


def test_the_table_of_neuron_ls() -> None:
    first, second = read(TABLE).cells["accelerator"].values()
    assert (first["bus_id"], first["mem_total"], first["processes"]) == ("0000:cc:00.0", 96 * GIB, 1)
    assert (first["runtime"], second["runtime"], second["processes"]) == ("Neuron 2.0.0", UNSUPPORTED, 0)
    assert {row["peer"] for row in read(TABLE).cells["link"].values()} == {"neuron0", "neuron1"}


def test_devices_of_neuron_ls_as_json() -> None:
    cells = read(json.dumps(TWO)).cells
    same_as_golden(GOLDEN / "aws-neuron-ls.txt", shown(cells))
    with pytest.raises(Refused, match="neuron-ls"):
        read('[{"neuron_device": 0, "nc_count": 2')


def test_records_of_neuron_monitor() -> None:
    lines = [record(), record(program(1, {0: 80.0, 5: 30.0}), neuron_hw_counters=counters((0, 1, 0), (2, 0, 0)))]
    capture = read("\n".join(lines))
    assert capture.notes == ("the newest of 2 records",)
    same_as_golden(GOLDEN / "aws-neuron-monitor.txt", shown(capture.cells))
    assert read(json.dumps(json.loads(lines[1]), indent=1)).cells == capture.cells


@pytest.mark.parametrize(
    ("text", "metric", "value"),
    [
        ('"neuroncore_counters": {\n "neuroncores_in_use": {\n  "0": {"neuroncore_utilization": 42.0},\n  [...]\n },\n '
         '"error": ""\n},', "util", 42.0),
        ('"memory_used": {\n "neuron_runtime_used_bytes": {\n  "neuron_device": 77,\n  "usage_breakdown": {\n   '
         '"neuroncore_memory_usage": {\n    "0": {"tensors": 5},\n    ...\n   }\n  }\n  '
         '"loaded_models": [\n   ...\n  ]\n}',
         "mem_used", 77),
        ('"execution_stats": {"latency_stats": {"total_latency": null, "device_latency": {"p99": 0.5}}}',
         "exec_latency", 0.5),
    ],
)  # fmt: skip
def test_a_group_cut_out_of_a_record(text: str, metric: str, value: float) -> None:
    assert read(text).cells["accelerator"]["neuron"][metric] == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('"instance_info": {"instance_id": "i-1"}', "nothing of devices"),
        ('"vcpu_usage": {"average_usage": {"idle": ', "can't be mended"),
        ('{"neuron_runtime_data": [', "neuron-monitor"),
    ],
)
def test_what_can_not_be_read_is_refused(text: str, words: str) -> None:
    with pytest.raises(Refused, match=words):
        read(text)


def test_groups_that_a_record_lacks_are_not_taken_for_idleness() -> None:
    row = read('"neuron_hardware_info": {"neuron_device_count": 1, "neuron_device_type": "trainium2"}').cells[
        "accelerator"
    ]
    assert row["neuron0"]["model"] == "Trainium2" and "util" not in row["neuron0"] and "mem_used" not in row["neuron0"]


@pytest.mark.parametrize(
    ("folder", "refused"), [("tpu-info", 0), ("tpu-sdk", 0), ("neuron-ls", 0), ("neuron-monitor", 2)]
)
def test_captured_outputs(folder: str, refused: int) -> None:
    words = []
    for file in sorted(samples(folder).iterdir()):
        try:
            captures.read(file.name, file.read_bytes())
        except Refused as why:
            words.append(str(why))
    assert len(words) == refused and all("nothing of devices" in word for word in words)


def test_captured_numberings_agree() -> None:
    cells = read((samples("tpu-info") / "v6e-4-static.txt").read_text()).cells["accelerator"]
    assert [row["tensor_active"] for row in cells.values()] == [13.6, 14.81, 14.36, 13.6]
    assert [round(row["mem_used"] / GIB, 2) for row in cells.values()] == [18.45, 10.4, 10.4, 10.4]


def test_a_captured_record_has_the_memory_that_its_program_names() -> None:
    capture = read((samples("neuron-monitor") / "wandb-record-0.json").read_text())
    assert capture.cells["accelerator"]["neuron0"]["mem_used"] == 102298328
    assert capture.cells["node"][""]["mem_total"] == 33117732864
