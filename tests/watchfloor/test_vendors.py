"""The vendors' source files: found by themselves, and true to the catalogue."""

from __future__ import annotations

import pkgutil
from importlib import import_module

import pytest

from collectors import probe
from watchfloor.metrics import CATALOGUE
from watchfloor.model import Scope
from watchfloor.vendors import Vendor, parse, sources, vendors

_PROBE = [module.name for module in pkgutil.iter_modules(probe.__path__)]


def test_every_source_is_that_of_a_metric() -> None:
    for vendor in vendors().values():
        for path in vendor.sources:
            scope, _, name = path.partition(".")
            assert name in CATALOGUE[Scope(scope)], f"{vendor.name}.txt names {path}, which the catalogue hasn't"


@pytest.mark.parametrize("vendor", vendors().values(), ids=lambda vendor: vendor.name)
def test_what_a_sampler_fills_has_a_source(vendor: Vendor) -> None:
    modules = [name for name in _PROBE if name == vendor.sampler or name.startswith(vendor.sampler + "_")]
    samplers = [getattr(import_module(f"{probe.__name__}.{name}"), "Sampler", None) for name in modules]
    filled = {name for sampler in samplers if sampler for name in sampler.metrics.get("accelerator", ())}
    assert filled and sorted(name for name in filled if f"accelerator.{name}" not in vendor.sources) == []


def test_sources_of_vendor_and_linux_stand_together() -> None:
    metric = CATALOGUE[Scope.LINK]["up"]
    assert next(iter(sources(metric))) != "linux" and "linux" in sources(metric) and "nvidia" in sources(metric)


@pytest.mark.parametrize("text", ["accelerator.util nothing", "accelerator.util | nvml"])
def test_a_broken_file_is_refused_with_its_name(text: str) -> None:
    with pytest.raises(ValueError, match=r"acme\.txt"):
        parse("acme.txt", text)
