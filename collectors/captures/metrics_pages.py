"""What inference servers and dcgm-exporter say at /metrics, saved as text; and vLLM's list of its metric families.

One page is one moment: rates and means need two, and are missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from collectors.captures import Capture, Refused
from collectors.probe import service_pages
from collectors.probe.cells import UNSUPPORTED
from collectors.probe.exposition import Exposition, parse
from collectors.sources._dcgm import Devices, fields
from collectors.sources._server import Series
from watchfloor.report import Software

MATCHES = "/metrics of vLLM, Triton, SGLang, TGI or dcgm-exporter; a list of vLLM's metric families"

_FAMILY = re.compile(r"^(vllm:\w+) (counter|gauge|histogram|summary)$", re.MULTILINE)
_IMAGE = re.compile(r"vllm[\w-]*:v(\d+(?:\.\d+)+\S*)")
_SERIES = re.compile(
    r"^(?:# (?:TYPE|HELP) )?(?:vllm:|sglang:|tgi_|nv_inference_|nv_trt_llm_|DCGM_FI_)\w+", re.MULTILINE
)


def matches(name: str, head: str) -> bool:
    return _SERIES.search(head) is not None


def read(name: str, text: str) -> Capture:
    if _FAMILY.search(text):
        return _families(text)
    page = parse(text, lambda name: service_pages.is_wanted(name) or name in fields())
    if not page.samples:
        raise Refused("metrics: families without one value")
    kind = service_pages.kind_of(page)
    cells = _devices(page) if not kind else {"service": {kind: _service(page, kind)}}
    broken = (f"{page.broken} lines are none of the exposition format",) if page.broken else ()
    return Capture(f"{kind or 'dcgm-exporter'} /metrics", cells, notes=broken)


def _families(text: str) -> Capture:
    """No values: which families a release has, and which of them we read."""
    found = _FAMILY.findall(text)
    ours = sum(any(service_pages.is_wanted(name + end) for end in ("", "_sum")) for name, _ in found)
    release = _IMAGE.search(text)
    stack = (Software("server", "vllm", release.group(1), where="the list's own heading"),) if release else ()
    if not stack:
        raise Refused(f"vLLM's metric families: {len(found)} names, without values or a release")
    return Capture("vLLM's metric families", {}, (), stack, (f"{len(found)} families, {ours} of them read",))


def _service(page: Exposition, kind: str) -> dict[str, Any]:
    told = service_pages.row(page, kind, service_pages.Window(), 0.0)
    models = service_pages.models(page, kind) or UNSUPPORTED
    return {"name": kind, "kind": kind, "model": models, "version": UNSUPPORTED, "up": 1, **told}


def _devices(page: Exposition) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
    """Boards of dcgm-exporter, whichever node they are of."""
    devices, told = Devices(""), {}
    for sample in page.samples:
        labels = {"Hostname": "unknown", **sample.labels}
        devices.take(sample.name, [Series(labels, (0.0, repr(sample.value)))])
    devices.finish(told)
    return {
        "accelerator": {key: row for node in told.values() for rows in node.rows.values() for key, row in rows.items()}
    }
