"""nvidia-bug-report.sh of simulated nodes: it writes what nvidia-smi and the kernel say."""

from __future__ import annotations

from collectors.simulator.hardware import Shape
from collectors.simulator.order import Ended, Order
from collectors.simulator.record import Kind

PROGRAM = "nvidia-bug-report.sh"


def on(shape: Shape) -> bool:
    return shape.vendor == "nvidia"


def act(order: Order) -> Ended:
    words = list(order.argv)
    if not order.root or "--output-file" not in words[:-1]:
        return Ended(1, err="ERROR: Please run nvidia-bug-report.sh as root, with --output-file.\n")
    path = words[words.index("--output-file") + 1]
    parts = [order.run(question, True).out for question in (["nvidia-smi", "-q"], ["journalctl", "--dmesg"])]
    order.note(Kind.FILE, path, "\n".join(parts))
    return Ended(out=f"The file {path} has been created.\n")
