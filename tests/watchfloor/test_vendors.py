"""The vendors' source files: found by themselves, and true to the catalogue."""

from __future__ import annotations

import pytest

from collectors.probe import nvidia
from watchfloor.metrics import CATALOGUE
from watchfloor.model import Scope
from watchfloor.vendors import parse, sources, vendors


def test_every_source_is_that_of_a_metric() -> None:
    for vendor in vendors().values():
        for path in vendor.sources:
            scope, _, name = path.partition(".")
            assert name in CATALOGUE[Scope(scope)], f"{vendor.name}.txt names {path}, which the catalogue hasn't"


def test_what_a_sampler_fills_has_a_source() -> None:
    told = vendors()["nvidia"].sources
    missing = [name for name in nvidia.Sampler.metrics["accelerator"] if f"accelerator.{name}" not in told]
    assert missing == []


def test_sources_of_vendor_and_linux_stand_together() -> None:
    metric = CATALOGUE[Scope.LINK]["up"]
    assert next(iter(sources(metric))) != "linux" and "linux" in sources(metric) and "nvidia" in sources(metric)


@pytest.mark.parametrize("text", ["accelerator.util nothing", "accelerator.util | nvml"])
def test_a_broken_file_is_refused_with_its_name(text: str) -> None:
    with pytest.raises(ValueError, match=r"acme\.txt"):
        parse("acme.txt", text)
