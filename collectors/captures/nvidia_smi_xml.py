"""`nvidia-smi -q -x`: drivers 418 to 595, MIG, lost GPUs, and what is left of a torn file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast
from xml.etree import ElementTree

from collectors.captures import Capture, Refused
from collectors.captures._nvidia_smi import Gpu, Log, rows, stack
from collectors.smi_log import step

MATCHES = "nvidia-smi -q -x: XML with the root element nvidia_smi_log"

_LISTS = ("supported_clocks", "processes", "mig_devices", "accounted_processes", "vgpus")  # not fields of the GPU


def matches(name: str, head: str) -> bool:
    return "<nvidia_smi_log" in head or "nvsmi_device" in head


def read(name: str, text: str) -> Capture:
    log = parse(text)
    if not log.gpus:
        raise Refused("nvidia-smi -q -x without a GPU" + "".join(f": {note}" for note in log.notes))
    cells = rows(log)
    return Capture(
        f"nvidia-smi -q -x {log.version('driver_version')}".strip(),
        cells,
        stack=stack(log, _whole(cells["accelerator"])),
        notes=tuple(log.notes),
    )


def parse(text: str) -> Log:
    """Every GPU that the file holds in full; a note says where it ends too early."""
    head: dict[str, str] = {}
    log = Log(head, [])
    try:
        for element in _sections(text[text.index("<") :]):
            if element.tag == "gpu":
                log.gpus.append(_gpu(element))
            else:
                head[step(element.tag)] = (element.text or "").strip()
    except ElementTree.ParseError as error:
        log.notes.append(f"not whole: {error}")
    attached = head.get("attached_gpus", "")
    if attached.isdigit() and int(attached) != len(log.gpus):
        log.notes.append(f"{attached} GPUs are attached, {len(log.gpus)} told of")
    return log


def _sections(text: str) -> Iterator[ElementTree.Element]:
    """The children of the root, each as soon as it has ended. Raises ParseError where the text breaks off."""
    parser = ElementTree.XMLPullParser(["start", "end"])
    parser.feed(text)
    depth = 0
    for event, element in cast("Iterator[tuple[str, ElementTree.Element]]", parser.read_events()):
        depth += 1 if event == "start" else -1
        if event == "end" and depth == 1:
            yield element
    parser.close()


def _whole(accelerators: dict[str, dict]) -> list[str]:
    return [key for key, row in accelerators.items() if not row["partition_of"]]


def _gpu(element: ElementTree.Element) -> Gpu:
    fields = {"pci/pci_bus_id": element.get("id", ""), **dict(_fields(element, ""))}
    processes = element.find("processes")
    if processes is not None and not (processes.text or "").strip():  # a text there says why there is no list
        fields["processes"] = str(len(processes.findall("process_info")))
    partitions = [dict(_fields(partition, "")) for partition in element.iterfind("mig_devices/mig_device")]
    return Gpu(fields, partitions)


def _fields(element: ElementTree.Element, above: str) -> Iterator[tuple[str, str]]:
    for child in element:
        path = above + step(child.tag)
        if child.tag in _LISTS:
            continue
        if len(child):
            yield from _fields(child, path + "/")
        else:
            yield path, (child.text or "").strip()
