"""Which plan a word means: a file, the beginning of a digest, a run. Plans of the ledger are what their digest says."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec

from watchfloor.change import Plan, read_plan
from watchfloor.commands import output
from watchfloor.commands.arguments import Source
from watchfloor.errors import ConfigError
from watchfloor.inventory import from_arguments
from watchfloor.model import NodeSpec
from watchfloor.places import ledger_file
from watchfloor.records.ledgerentry import Entry
from watchfloor.records.ledgerreader import LedgerReader, Wanted
from watchfloor.runs import RunRecord, fold

LARGEST_FILE_BYTES = 16 * 2**20
_DIGEST = re.compile(r"[0-9a-f]{4,64}")


def placed(plan: Plan, source: Source) -> list[NodeSpec]:
    """The plan's nodes as the fleet file has them. One that it doesn't know is told, and stands nowhere."""
    known = {spec.name: spec for spec in from_arguments((), source.fleet, source.ssh_options()).specs}
    names = dict.fromkeys(step.target.node for step in plan.steps if step.target.node)
    if lost := [name for name in names if name not in known]:
        output.remark(f"without site, rack, group and labels, for no fleet file has them: {', '.join(lost)}")
    return [known.get(name) or NodeSpec(name, name) for name in names]


def plan_of(word: str, ledger: Path | None) -> Plan:
    """Raises ConfigError; StoreError where the ledger can't be read."""
    path = Path(word)
    return _of_file(path) if path.is_file() else run_of(word, ledger)[1]


def run_of(word: str, ledger: Path | None) -> tuple[RunRecord, Plan]:
    """The newest run of a plan on record, and the plan. Raises ConfigError; StoreError."""
    with LedgerReader(ledger or ledger_file()) as reader:
        entries = list(reader.entries(Wanted(run=word)))
        if not entries and _DIGEST.fullmatch(word):
            entries = list(reader.entries(Wanted(plan=word)))
        digests = sorted({entry.plan for entry in entries if entry.plan})
        if len(digests) > 1:
            shown = ", ".join(digest[:12] for digest in digests[:5])
            raise ConfigError(f"{word} may be any of {len(digests)} plans: {shown}", "give more of its digest")
        if not digests:
            raise ConfigError(
                f"nothing is on record of a plan or run {word!r}", "a run's id, or at least four letters of a digest"
            )
        everything = list(reader.entries(Wanted(plan=digests[0])))
    return _newest(everything, digests[0], word)


def _newest(entries: list[Entry], digest: str, word: str) -> tuple[RunRecord, Plan]:
    runs = fold(entries)
    record = runs.get(word) or (list(runs.values())[-1] if runs else RunRecord(word))
    if record.plan is None:
        raise ConfigError(f"the plan {digest[:12]} is not on record as a whole", "see `watchfloor audit log --plan`")
    if record.plan.digest != digest:
        raise ConfigError(
            f"the plan on record isn't the one that {digest[:12]} names",
            "something of it was left out as a secret or for its length, or it was altered: `watchfloor audit verify`",
        )
    return record, record.plan


def _of_file(path: Path) -> Plan:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE_BYTES + 1)
        if len(data) > LARGEST_FILE_BYTES:
            raise ConfigError("is too large to be a plan", file=str(path))
        told = json.loads(data)
        return read_plan(told["plan"] if isinstance(told, dict) and isinstance(told.get("plan"), dict) else told)
    except OSError as error:
        raise ConfigError(f"can't be read: {error.strerror}", file=str(path)) from error
    except (ValueError, TypeError, RecursionError, msgspec.ValidationError) as error:
        raise ConfigError(
            f"is no plan: {error}", "as `watchfloor run PLAYBOOK --json` prints it", file=str(path)
        ) from error
