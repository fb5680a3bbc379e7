"""Lines of the wire for thousands of nodes at next to no cost: made once, played in loops.

A *script* is a minute in the life of a node with N accelerators, drawn by numpy when the server starts: for each step
the JSON of what changed and of the whole state, in which only counters that must not run backwards are left open. A
node plays one script from a place of its own, so that no two neighbours look alike, and a line costs one `%`.

Pure: no clock, no I/O.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from collectors.probe.cells import RATE_BITS
from watchfloor.model import Missing
from watchfloor.report import PROTOCOL_VERSION

STEPS = 60
SCRIPTS = 24

NUMBERS = (
    "index", "util", "mem_util", "mem_used", "mem_total", "temp", "temp_mem", "temp_margin", "power", "power_limit",
    "energy", "clock_sm", "clock_mem", "throttle", "pstate", "pcie_gen", "pcie_width", "pcie_rx", "pcie_tx",
    "ecc_corrected", "ecc_uncorrected", "xid", "processes", "link_rx", "link_tx",
)  # fmt: skip
TEXTS = ("name", "vendor", "model", "uuid", "driver", "user", "job", "command")
METRICS = NUMBERS + TEXTS + ("fan",)
NODE_NUMBERS = (
    "uptime", "cpu", "cpu_iowait", "cpus", "load1", "mem_used", "mem_total",
    "disk_read", "disk_write", "net_rx", "net_tx",
)  # fmt: skip
NODE_TEXTS = ("hostname", "boot_id", "kernel", "os", "cpu_model")
NODE_METRICS = NODE_NUMBERS + NODE_TEXTS

_COLUMN = {name: column for column, name in enumerate(NUMBERS)}
_ENERGY = _COLUMN["energy"]
_USERS = ("mara", "jonas", "wei", "priya", "tomas", "aiko")
_COMMANDS = ("python train.py --config gpt-40b.yaml", "torchrun pretrain.py", "python -m vllm.entrypoints.openai")

Cube = NDArray[np.float64]  # [step, subject, metric]


@dataclass(frozen=True, slots=True)
class Script:
    """`changes[step]` and `full[step]` take (tick, wall clock, energies …, uptime); `energy[step]`: joules so far."""

    changes: list[bytes]
    full: list[bytes]
    energy: list[list[int]]
    loop_energy: list[int]  # joules of one whole loop, by accelerator

    def line(self, step: int, tick: int, at: float, uptime: int, full: bool) -> bytes:
        """The report of one tick. `step` counts on from where the node's probe started, and never back."""
        loops, place = divmod(step, STEPS)
        energies = [loops * loop + done for loop, done in zip(self.loop_energy, self.energy[place], strict=True)]
        template = self.full[place] if full else self.changes[place]
        return template % (tick, at, *energies, uptime)


def make_scripts(accelerators: int, seed: int, count: int = SCRIPTS) -> list[Script]:
    """`count` different scripts for nodes of this many accelerators. About 5 ms each for eight."""
    return [_script(accelerators, np.random.default_rng((seed, number)), number) for number in range(count)]


def _script(accelerators: int, rng: np.random.Generator, number: int) -> Script:
    cube, host = _accelerators(accelerators, rng), _host(rng)
    energy = np.cumsum(cube[:, :, _COLUMN["power"]], axis=0)
    first = energy - cube[:, :, _COLUMN["power"]]
    texts = _texts(accelerators, number)
    return Script(
        changes=[_changes(cube, host, step) for step in range(STEPS)],
        full=[_full(cube, host, texts, step) for step in range(STEPS)],
        energy=first.astype(int).tolist(),
        loop_energy=energy[-1].astype(int).tolist(),
    )


def _accelerators(accelerators: int, rng: np.random.Generator) -> Cube:
    """A job at work, as a loop: a busy level, a communication rhythm, and the noise of each board."""
    cube = np.zeros((STEPS, accelerators, len(NUMBERS)))
    phase = 2 * np.pi * np.arange(STEPS)[:, None] / STEPS
    rhythm = np.sin(phase * rng.integers(3, 9)) + 0.4 * np.sin(phase * 2 + rng.random(accelerators))
    noise = rng.normal(0, 1, (STEPS, accelerators))
    busy = np.clip(rng.uniform(55, 95) + 9 * rhythm + 2 * noise, 0, 100)
    heat = rng.uniform(46, 62) + rng.normal(0, 2, accelerators) + 3 * np.sin(phase)
    power = 90 + 5.9 * busy + noise
    columns = {
        "index": np.arange(accelerators), "util": busy.round(), "mem_util": (busy * 0.7 + noise).round().clip(0, 100),
        "mem_used": rng.integers(40, 78) * 2**30, "mem_total": 85_520_809_984, "temp": heat.round(),
        "temp_mem": (heat + 9).round(), "temp_margin": 87 - heat.round(), "power": power.round(), "power_limit": 700,
        "clock_sm": 1980 - 15 * (power > 640), "clock_mem": 2619, "throttle": np.where(power > 640, 4, 0),
        "pcie_gen": 5, "pcie_width": 16, "pcie_rx": _rate(busy * 2.1e7 + 1e6 * noise),
        "pcie_tx": _rate(busy * 0.8e7 + 1e6 * noise), "processes": 1,
        "link_rx": _rate(busy * 1.9e9 + 1e8 * noise), "link_tx": _rate(busy * 1.9e9),
    }  # fmt: skip
    for name, values in columns.items():
        cube[:, :, _COLUMN[name]] = values
    return cube


def _host(rng: np.random.Generator) -> Cube:
    steps = np.arange(STEPS)
    wave = np.sin(2 * np.pi * steps / STEPS)
    noise = rng.normal(0, 1, STEPS)
    columns = (
        np.zeros(STEPS), (18 + 4 * wave + noise).round(1), (0.4 + 0.2 * wave).round(1), np.full(STEPS, 192),
        (34 + 5 * wave).round(2), ((310 + 4 * wave) * 1e9).round(-8), np.full(STEPS, 2_164_000_000_000),
        _rate((90 + 60 * wave + noise) * 1e6), _rate((40 + 9 * noise) * 1e6),
        _rate((400 + 30 * noise) * 1e6), _rate((380 + 30 * noise) * 1e6),
    )  # fmt: skip
    return np.stack(columns, axis=1)[:, None, :]


def _rate(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """With as many digits as the probe tells rates (collectors.probe.cells.told_rate)."""
    values = values.clip(1.0)
    worth = np.exp2(np.maximum(np.frexp(values)[1] - RATE_BITS, 0))
    return np.rint(values / worth) * worth


def _texts(accelerators: int, number: int) -> list[list[str]]:
    """By accelerator, in the order of TEXTS; the uuid is the key, and is left to the schema."""
    user, command = _USERS[number % len(_USERS)], _COMMANDS[number % len(_COMMANDS)]
    shared = ["570.124.06", user, f"slurm:{41_000 + number % SCRIPTS}", command]
    return [[f"gpu{index}", "nvidia", "NVIDIA H100 80GB HBM3", "", *shared] for index in range(accelerators)]


def _changes(cube: Cube, host: Cube, step: int) -> bytes:
    moved = cube[step] != cube[step - 1]
    moved[:, _ENERGY] = False  # open: see _cells
    accelerator = _cells(cube[step], moved, len(METRICS), _ENERGY)
    moved = host[step] != host[step - 1]
    moved[:, 0] = False
    return _report(accelerator, _cells(host[step], moved, len(NODE_METRICS), 0), "")


def _full(cube: Cube, host: Cube, texts: list[list[str]], step: int) -> bytes:
    width = len(METRICS)
    open_energy = np.ones_like(cube[step], bool)
    open_energy[:, _ENERGY] = False
    at = [g * width + len(NUMBERS) + t for g, row in enumerate(texts) for t, text in enumerate(row) if text]
    words = [text for row in texts for text in row if text]
    fans = [g * width + width - 1 for g in range(len(texts))]
    more = (
        f',"xp":{_json(at)},"x":{_json(words)},"mp":{_json(fans)},"mc":{_json([int(Missing.UNSUPPORTED)] * len(fans))}'
    )
    open_uptime = np.ones_like(host[step], bool)
    open_uptime[:, 0] = False
    node = _cells(host[step], open_uptime, len(NODE_METRICS), 0)
    status = '"full":true,"samplers":{"host":{"state":"ok"},"nvidia":{"state":"ok"}},'
    return _report(_cells(cube[step], open_energy, width, _ENERGY, more), node, status)


def _cells(values: NDArray[np.float64], which: NDArray[np.bool_], width: int, left_open: int, more: str = "") -> str:
    """JSON of the cells in `which`, after those of the column `left_open`, whose values are `%d`."""
    rows, columns = np.nonzero(which)
    places = [row * width + left_open for row in range(len(values))] + (rows * width + columns).tolist()
    numbers = ["%d"] * len(values) + [_number(value) for value in values[which].tolist()]
    return f'{{"p":{_json(places)},"v":[{",".join(numbers)}]{more.replace("%", "%%")}}}'


def _report(accelerator: str, node: str, status: str) -> bytes:
    head = '{"t":"report","n":%d,"generation":1,"at":%.3f,' + status
    return f'{head}"cells":{{"accelerator":{accelerator},"node":{node}}}}}\n'.encode()


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def hello_line(name: str, boot_id: str, digest: str, at: float) -> bytes:
    facts = {"user": name, "architecture": "x86_64"}
    line = {"t": "hello", "version": PROTOCOL_VERSION, "node": name, "boot_id": boot_id, "at": round(at, 6),
            "probe": digest, "python": "3.11", "samplers": ["host", "nvidia"], "facts": facts}  # fmt: skip
    return _json(line).encode() + b"\n"


def schema_line(keys: list[str]) -> bytes:
    tables = {
        "node": {"keys": [""], "metrics": NODE_METRICS},
        "accelerator": {"keys": keys, "metrics": METRICS},
    }
    return _json({"t": "schema", "generation": 1, "tables": tables}).encode() + b"\n"


def accelerator_keys(node: int, accelerators: int) -> list[str]:
    return [f"GPU-{node:08x}-0000-4000-8000-{index:012x}" for index in range(accelerators)]


def identity_line(name: str, boot_id: str, keys: list[str], tick: int, at: float) -> bytes:
    """The texts that belong to this node alone: a report of its own beside each full one."""
    words = [name, boot_id, "6.8.0-52-generic", "Ubuntu 24.04.2 LTS", "AMD EPYC 9654 96-Core Processor"]
    uuid = len(NUMBERS) + TEXTS.index("uuid")
    cells = {
        "node": {"xp": list(range(len(NODE_NUMBERS), len(NODE_METRICS))), "x": words},
        "accelerator": {"xp": [gpu * len(METRICS) + uuid for gpu in range(len(keys))], "x": keys},
    }
    return _json({"t": "report", "n": tick, "generation": 1, "at": round(at, 3), "cells": cells}).encode() + b"\n"
