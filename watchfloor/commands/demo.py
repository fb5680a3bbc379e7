"""`watchfloor demo`: a simulated fleet behind real SSH servers on this machine, in the terminal or printed."""

from __future__ import annotations

import asyncio
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from watchfloor import lineagebook, trial, wiring
from watchfloor.commands import output
from watchfloor.commands.signatures import heard
from watchfloor.commands.snapshot import show
from watchfloor.commands.terminal import recording_of, what_reviews
from watchfloor.errors import ConfigError
from watchfloor.exits import Exit
from watchfloor.fleettext import fleet_text
from watchfloor.frame import Frame
from watchfloor.ledgerfollower import LedgerFollower
from watchfloor.model import Phase
from watchfloor.places import ledger_file, lineage_place, sessions_folder
from watchfloor.snapshot.selection import failed_nodes, select

if TYPE_CHECKING:
    from collectors.simulator.fleet import DemoFleet


def demo(
    *,
    nodes: Annotated[int, Parameter(help="Simulated nodes.")] = 32,
    scenario: Annotated[str, Parameter(help="What happens to them: docs/demo.md lists the scenarios.")] = "mixed",
    seed: Annotated[int, Parameter(help="Another seed is another fleet; the same seed is the same one.")] = 1,
    headless: Annotated[bool, Parameter(help="No terminal: serve the fleet, and print it with --seconds.")] = False,
    seconds: Annotated[float | None, Parameter(help="With --headless: print the fleet after so long and end.")] = None,
    json: Annotated[bool, Parameter(help="With --seconds: print as JSON instead of a table.")] = False,
    record: Annotated[bool, Parameter(help="Keep the session in a file, as `watchfloor --record` does.")] = False,
    write_fleet: Annotated[Path | None, Parameter(help="Write a fleet.yaml for other commands meanwhile.")] = None,
    act: Annotated[
        bool, Parameter(help="With keys that propose and sign, a throwaway ledger and two persons.")
    ] = False,
) -> int:
    """Open the terminal on a simulated fleet. The probe, the SSH connections and the screens are the real ones."""
    _check(seconds, headless, json, act, record)
    if not headless:
        output.need_terminal("--headless serves the fleet without one; `watchfloor snapshot --fleet` then prints it")
    with wiring.demo(nodes, scenario, seed) as fleet:
        if write_fleet is not None:
            _write(write_fleet, fleet_text(fleet.specs, fleet.work.sources))
        if act:
            _prepare(fleet, record)
        if not headless:
            output.remark(fleet.describe())  # below the terminal: there to be read again when it closes
            return (_act if act else _watch)(fleet, f"demo: {scenario}", record)
        if seconds is None:
            return _serve(fleet.describe(), fleet.ssh_config, write_fleet)
        return print_once(asyncio.run(wiring.collect(fleet.specs, seconds, _never)), seconds, json)


def _watch(fleet: DemoFleet, context: str, record: bool) -> int:
    """Its lineage goes with the demo: that of real nodes is never mixed with it."""
    work = fleet.work
    live = wiring.LiveFeed(fleet.specs, work=work)
    with lineagebook.opened(work.lineage or "") as book, recording_of(live, record) as (feed, recording):
        return wiring.run_terminal(feed, context, lineage=book, **what_reviews(), **recording)


def _prepare(fleet: DemoFleet, record: bool) -> None:
    """A folder for everything that acting needs, which goes with the demo. Raises ConfigError."""
    folder = fleet.service.folder / "act"
    recordings = str(sessions_folder()) if record else ""
    trial.prepare(folder, fleet_text(fleet.specs, fleet.work.sources), fleet.desk_url, recordings)
    trial.enter(folder)
    output.remark(trial.how_to(folder))


def _act(fleet: DemoFleet, context: str, record: bool) -> int:
    from watchfloor.actingfeed import ActingFeed  # noqa: PLC0415 - what only watches holds nothing that acts

    work = replace(fleet.work, lineage=lineage_place())  # the same that the second shells tell and ask
    ledger = LedgerFollower(ledger_file(), heard)
    acting = ActingFeed(fleet.specs, work=work, ledger=ledger)
    with lineagebook.opened(work.lineage or "") as book, recording_of(acting, record) as (feed, recording):
        asked = {"ledger": ledger, **what_reviews()}
        return wiring.run_terminal(feed, context, lineage=book, acting=acting, **asked, **recording)


def _check(seconds: float | None, headless: bool, json: bool, act: bool, record: bool) -> None:
    if record and headless:
        raise ConfigError("nobody watches a demo without a terminal", "leave one of the two out", file="--record")
    if act and seconds is not None:
        raise ConfigError("nobody acts on what is printed once", "leave one of the two out", file="--act")
    if seconds is not None and not seconds > 0:
        raise ConfigError(f"{seconds:g} seconds", "a number above 0", file="--seconds")
    if seconds is not None and not headless:
        raise ConfigError("the terminal doesn't end by itself", "add --headless", file="--seconds")
    if json and seconds is None:
        raise ConfigError("nothing would be printed", "add --headless --seconds N", file="--json")


def _write(path: Path, text: str) -> None:
    """Raises ConfigError where the file can't be written. It names private keys, so it is for its owner alone."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(f"can't write it: {error.strerror}", "another path", file=str(path)) from error


def _serve(story: str, ssh_config: Path, fleet_file: Path | None) -> int:
    """Keep the fleet up until Ctrl-C."""
    output.remark(story)
    if fleet_file:
        output.remark(f"up until Ctrl-C; read it with: watchfloor snapshot --fleet {fleet_file}")
    else:
        output.remark(
            f"up until Ctrl-C; reach a node with: ssh -F {ssh_config} NODE; --write-fleet FILE for a fleet file"
        )
    threading.Event().wait()
    return Exit.OK


_ON_ITS_WAY = (Phase.WAITING, Phase.CONNECTING, Phase.STARTING)


def print_once(frame: Frame, seconds: float, json: bool) -> int:
    """The fleet as it is when so many seconds are over."""
    show(select(frame), "json" if json else "table", [])
    starting = sum(status.phase in _ON_ITS_WAY for _, status in failed_nodes(frame))
    if starting:
        output.remark(
            f"{starting} of {len(frame.specs)} nodes had not answered after {seconds:g} s: more --seconds wait longer"
        )
    return Exit.OK if len(failed_nodes(frame)) < len(frame.specs) else Exit.NOTHING_READ


def _never(_frame: Frame) -> bool:
    return False
