"""Saved pages of metrics, read like the other tools' outputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.captures import Capture, Refused, read
from collectors.probe.cells import Missing
from tests.support.parts import samples

FIXTURES = Path(__file__).parent / "fixtures" / "services"


def capture(name: str) -> Capture:
    return read(name, (FIXTURES / name).read_bytes())


@pytest.mark.parametrize(
    ("name", "kind"), [("vllm-0.6.prom", "vllm"), ("vllm-0.26.prom", "vllm"), ("triton.prom", "triton")]
)
def test_pages_of_servers(name: str, kind: str) -> None:
    found = capture(name)
    row = found.cells["service"][kind]
    assert found.tool == f"{kind} /metrics" and row["up"] == 1 and row["waiting"] > 0
    assert isinstance(row["latency"], Missing) and "takes two" in row["latency"].note


def test_a_page_of_dcgm_exporter() -> None:
    found = capture("dcgm.prom")
    assert found.tool == "dcgm-exporter /metrics" and found.cells["accelerator"]["GPU-aaaa"]["util"] == 97


def test_families_without_a_value_are_refused() -> None:
    with pytest.raises(Refused, match="without one value"):
        read("x", b"# TYPE vllm:num_requests_running gauge\n")
    with pytest.raises(Refused, match="1 names"):
        read("x", b"vllm:num_requests_running gauge\n")


def test_every_sample_is_read() -> None:
    for path in sorted(samples("vllm-metrics").iterdir()):
        found = read(path.name, path.read_bytes())
        assert [(row.layer, row.name, row.version) for row in found.stack] == [("server", "vllm", "0.26.0")]
        assert found.notes == ("36 families, 12 of them read",)
