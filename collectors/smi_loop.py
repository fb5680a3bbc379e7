"""The way in where a node has no python3: `nvidia-smi` in loop mode, told in the same structs as the probe's lines.

Poorer than the probe (GPUs only, no links, no processes, no host), and said so in the sampler's text. Pure: bytes in,
structs out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from collectors.smi_csv import METRICS, cells_of, column_name, split
from collectors.smi_values import Absence, Value
from watchfloor.errors import StreamError
from watchfloor.harmless import harmless_words
from watchfloor.model import Missing, Problem
from watchfloor.report import PROTOCOL_VERSION, Cells, Hello, Report, SamplerStatus, Schema, Table, note_key

_GREETING = "watchfloor-smi"
_LONGEST_LINE = 64 * 1024
_MOST_GPUS = 1024  # in one round: more is a flood, not hardware
_FULL_EVERY = 60
_SAMPLER = "nvidia-smi"
_MOST_WORDS = 4  # lines that are told of what it writes instead of rows

# every driver knows these; the newer ones on top of them
_BASIC = (
    "index,count,uuid,name,serial,pci.bus_id,driver_version,vbios_version,utilization.gpu,utilization.memory,"
    "memory.used,memory.total,temperature.gpu,power.draw,enforced.power.limit,power.min_limit,power.max_limit,"
    "clocks.sm,clocks.mem,clocks.max.sm,clocks.max.mem,pstate,fan.speed,pcie.link.gen.current,pcie.link.gen.max,"
    "pcie.link.width.current,pcie.link.width.max,ecc.mode.current,ecc.errors.corrected.volatile.total,"
    "ecc.errors.uncorrected.volatile.total,ecc.errors.corrected.aggregate.total,"
    "ecc.errors.uncorrected.aggregate.total,retired_pages.single_bit_ecc.count,retired_pages.double_bit.count,"
    "persistence_mode"
)
_AMPERE = (
    _BASIC + ",clocks_throttle_reasons.active,temperature.memory,mig.mode.current,remapped_rows.correctable,"
    "remapped_rows.uncorrectable,remapped_rows.pending,remapped_rows.failure"
)
_HOPPER = _AMPERE + ",memory.reserved,temperature.gpu.tlimit,gpu_recovery_action"
_NEWEST = (
    _HOPPER + ",module.power.draw.average,module.power.draw.instant,ecc.errors.uncorrected.aggregate.sram,"
    "clocks_event_reasons_counters.sw_power_cap,clocks_event_reasons_counters.hw_power_brake_slowdown,"
    "clocks_event_reasons_counters.sw_thermal_slowdown,clocks_event_reasons_counters.hw_thermal_slowdown,"
    "fabric.state,fabric.clusterUuid,fabric.cliqueId"
)

_TIERS = (_NEWEST, _HOPPER, _AMPERE, _BASIC)

# A field that a driver doesn't know makes it refuse the whole query: the shorter list is tried then. One line, without
# ' ! and backslash, for any login shell; stdout closing ends it at its next row.
COMMAND = (
    f"exec sh -c 'echo {_GREETING} $(date +%s) $(uname -n) $(uname -r) $(cat /proc/sys/kernel/random/boot_id); "
    + " || ".join(f"nvidia-smi --query-gpu={fields} --format=csv,nounits -l 1" for fields in _TIERS)
    + "'"
)


class SmiLoopReader:
    """Feed it what COMMAND writes, cut anywhere. `now` stamps the reports: nvidia-smi's own times have no zone."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._rest = b""
        self._skew = 0.0  # node's clock minus ours, as of the greeting
        self._header: list[str] = []
        self._batch: dict[str, dict[str, Value]] = {}  # GPUs of the round that is coming in, by uuid
        self._keys: list[str] = []
        self._told: dict[int, Value] = {}  # position -> value
        self._generation = 0
        self._reports = 0
        self._words: list[str] = []  # what nvidia-smi wrote instead of rows, each line once

    @property
    def said(self) -> str:
        """What nvidia-smi has written since its last row, "" where that was a row."""
        return "; ".join(self._words)

    def feed(self, data: bytes) -> list[Hello | Schema | Report]:
        """The lines that became complete. Raises StreamError (GARBAGE) for one without end."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            raise StreamError(Problem.GARBAGE, "nvidia-smi wrote a line without end")
        texts = (harmless_words(line.decode("utf-8", "replace").strip("\r ")) for line in lines)
        return [item for text in texts for item in self._line(text)]

    def _line(self, line: str) -> list[Hello | Schema | Report]:
        if line.startswith(_GREETING):
            return [self._greeted(line.split()[1:])]
        cells = split(line)
        if "uuid" in map(column_name, cells):
            self._header = cells
            return []
        if not self._header or len(cells) != len(self._header):
            return self._spoke(line)
        return self._row(cells)

    def _greeted(self, words: list[str]) -> Hello:
        """The first line: clock, host name, kernel, boot id, as far as the node could tell them."""
        at, node, kernel, boot_id, *_ = [*words, "", "", "", ""]
        self._skew = float(at) - self._now() if at.isdigit() else 0.0
        if abs(self._skew) < 2.0:  # `date` tells whole seconds: less than that is no skew
            self._skew = 0.0
        return Hello(
            version=PROTOCOL_VERSION,
            node=node,
            boot_id=boot_id,
            at=self._now() + self._skew,
            probe=_SAMPLER,
            samplers=[_SAMPLER],
            facts={"kernel": kernel},
        )

    def _spoke(self, line: str) -> list[Hello | Schema | Report]:
        """Words instead of a row: "No devices were found", a device handle that can't be had."""
        if not line or line in self._words or len(self._words) == _MOST_WORDS:
            return []
        self._words.append(line)
        state = "absent" if "no devices" in line.lower() else "failed"
        return [*self._schema_for(self._keys), self._report(Cells(), {_SAMPLER: self._status(state, self.said)}, {})]

    def _row(self, cells: list[str]) -> list[Hello | Schema | Report]:
        values = cells_of(self._header, cells)
        key = values.get("uuid")
        if not isinstance(key, str):
            key = f"nvidia:{values.get('index', len(self._batch))}"
        if len(self._batch) >= _MOST_GPUS:
            raise StreamError(Problem.FLOOD, f"nvidia-smi lists more than {_MOST_GPUS} GPUs")
        done = self._complete() if key in self._batch else []  # the next round has begun before `count` told so
        values["name"] = f"gpu{index:.0f}" if isinstance(index := values.get("index"), float) else key
        values["vendor"] = "NVIDIA"
        self._batch[key] = values
        columns = dict(zip(map(column_name, self._header), cells, strict=True))
        return done + self._complete() if str(len(self._batch)) == columns.get("count") else done

    def _complete(self) -> list[Hello | Schema | Report]:
        """One round over all GPUs has come in."""
        batch, self._batch = self._batch, {}
        schema = self._schema_for(list(batch))
        flat = [values.get(metric, Absence(Missing.UNSUPPORTED)) for values in batch.values() for metric in METRICS]
        full = bool(schema) or self._reports % _FULL_EVERY == 0
        changed = {at: value for at, value in enumerate(flat) if full or self._told.get(at) != value}
        self._told = dict(enumerate(flat))
        statuses = {_SAMPLER: self._status("ok", "no python3 on the node: GPUs only")} if full or self._words else {}
        self._words.clear()
        return [*schema, self._report(_cells(changed.items()), statuses, _notes(changed.items()), full)]

    def _schema_for(self, keys: list[str]) -> list[Hello | Schema | Report]:
        if keys == self._keys and self._generation:
            return []
        self._keys, self._told = keys, {}
        self._generation += 1
        return [Schema(self._generation, {"accelerator": Table(keys, list(METRICS))})]

    def _report(
        self, cells: Cells, samplers: dict[str, SamplerStatus], notes: dict[str, str], full: bool = False
    ) -> Report:
        self._reports += 1
        return Report(
            n=self._reports,
            generation=self._generation,
            at=self._now() + self._skew,
            full=full,
            cells={"accelerator": cells},
            samplers=samplers,
            notes=notes,
        )

    def _status(self, state: str, text: str) -> SamplerStatus:
        return SamplerStatus(state=state, text=text, at=self._now() + self._skew)


def _cells(changed: Iterable[tuple[int, Value]]) -> Cells:
    cells = Cells([], [], [], [], [], [])
    for at, value in changed:
        if isinstance(value, str):
            cells.xp.append(at)
            cells.x.append(value)
        elif isinstance(value, Absence):
            cells.mp.append(at)
            cells.mc.append(int(value.reason))
        else:
            cells.p.append(at)
            cells.v.append(value)
    return cells


def _notes(changed: Iterable[tuple[int, Value]]) -> dict[str, str]:
    return {
        note_key(f"accelerator.{METRICS[at % len(METRICS)]}", value.reason): value.words
        for at, value in changed
        if isinstance(value, Absence) and value.words
    }
