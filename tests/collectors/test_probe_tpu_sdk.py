"""libtpu's monitoring library, asked in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from collectors.probe import tpu_sdk, tpu_sdk_text
from collectors.probe.cells import FAILED_CODE, NOT_YET_CODE, Absent, Board
from tests.support.golden import same_as_golden
from tests.support.shown import shown
from tests.support.tpu_host import TpuHost

GOLDEN = Path(__file__).parent / "golden"
FOUR = ["0000:00:04.0", "0000:00:05.0", "0000:00:06.0", "0000:00:07.0"]
HEALTH = [f"tray1.chip{chip}.ici{port}.{'int' if port < 2 else 'ext'}: 0" for chip in range(4) for port in range(4)]
TOLD = {
    "tensorcore_util": ["13.60", "14.81", "14.36", "0.00"],
    "tpu_throttle_score": ["0-0", "1-1", "2-0", "3-7"],
    "ici_link_health": [*HEALTH[:-2], "tray1.chip3.ici2.ext: 3", "tray1.chip3.ici3.ext: 10"],
}


def host(told: object, status: int = 0, error: str = "") -> TpuHost:
    made = TpuHost(FOUR, 0x006F)
    text = json.dumps({"libtpu": "0.0.52", "metrics": told})
    made.programs["python3"] = lambda argv: (status, f"noise of libtpu\n{text}\n", error)
    return made


def sampled(sampler: tpu_sdk.Sampler) -> tuple[list[dict], dict[str, dict]]:
    cells = sampler.sample().cells
    return list(cells["accelerator"].values()), cells["link"]


def test_golden() -> None:
    same_as_golden(GOLDEN / "google-sdk.txt", shown(tpu_sdk.Sampler(host(TOLD), Board()).sample().cells))


def test_links_belong_to_chips_by_their_order() -> None:
    rows, links = sampled(tpu_sdk.Sampler(host(TOLD), Board()))
    assert [(row["links_up"], row["links_max"]) for row in rows] == [(4, 4), (4, 4), (4, 4), (3, 4)]
    assert links["ici:tpu:0000:00:07.0:3"]["up"] == 0
    assert links["ici:tpu:0000:00:07.0:2"]["ici.health"] == 3
    assert [row["throttled"] for row in rows] == [0, 10, 0, 70]


def test_links_of_more_chips_than_there_are_go_by_their_place() -> None:
    other = ["tray0.chip0.ici0.int: 0", "tray1.chip0.ici0.int: 0", "not a link"]
    _, links = sampled(tpu_sdk.Sampler(host({"ici_link_health": other}), Board()))
    assert set(links) == {"ici:tray0.chip0:0", "ici:tray1.chip0:0"}
    assert {cells["accelerator"] for cells in links.values()} == {""}


def test_links_stay_when_the_program_has_ended() -> None:
    made = host(TOLD)
    sampler = tpu_sdk.Sampler(made, Board())
    sampled(sampler)
    made.programs["python3"] = lambda argv: (0, json.dumps({"libtpu": "", "metrics": {}}), "")
    rows, links = sampled(sampler)
    assert len(links) == 16 and all(cells["up"].code == NOT_YET_CODE for cells in links.values())
    assert rows[0]["links_up"].code == NOT_YET_CODE and rows[0]["links_max"] == 4


def test_an_error_of_one_metric_is_told_with_it() -> None:
    rows, _ = sampled(tpu_sdk.Sampler(host({"tensorcore_util": "metric not found"}), Board()))
    assert (rows[0]["tensor_active"].code, rows[0]["tensor_active"].note) == (FAILED_CODE, "metric not found")


def test_without_the_library_it_is_absent_and_not_asked_again_soon() -> None:
    made = host({}, 1, "Traceback …\nModuleNotFoundError: No module named 'libtpu'\n")
    sampler = tpu_sdk.Sampler(made, Board())
    with pytest.raises(Absent, match="libtpu is not there for /usr/bin/python3"):
        sampler.sample()
    made.programs.clear()
    with pytest.raises(Absent, match="libtpu is not there"):
        sampler.sample()


def test_another_failure_is_none_of_absence() -> None:
    with pytest.raises(OSError, match="SIGILL"):
        tpu_sdk.Sampler(host({}, 1, "SIGILL\n"), Board()).sample()


def test_the_script_runs_and_keeps_away_from_the_metadata_server(tmp_path: Path) -> None:
    (tmp_path / "libtpu" / "sdk").mkdir(parents=True)
    (tmp_path / "libtpu" / "__init__.py").write_text("__version__ = '0.0.1'\n")
    (tmp_path / "libtpu" / "sdk" / "__init__.py").write_text("")
    (tmp_path / "libtpu" / "sdk" / "tpumonitoring.py").write_text(
        "import os\n"
        "assert os.environ['TPU_SKIP_MDS_QUERY'] == '1'\n"
        "class Metric:\n    def data(self): return [20.0]\n"
        "def get_metric(name):\n"
        "    if name != 'tensorcore_util': raise KeyError(name)\n"
        "    return Metric()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", tpu_sdk_text.SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    told = tpu_sdk_text.answer(ended.stdout)
    assert told["libtpu"] == "0.0.1" and told["metrics"]["tensorcore_util"] == ["20.0"]
    assert told["metrics"]["ici_link_health"] == "'ici_link_health'"
