"""`watchfloor [HOSTS…]`: the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from watchfloor.commands.arguments import Hosts, Source, refuse_misspelt
from watchfloor.commands.output import need_terminal, remark
from watchfloor.commands.signatures import heard
from watchfloor.errors import ConfigError
from watchfloor.ledgerfollower import LedgerFollower
from watchfloor.model import NodeSpec
from watchfloor.places import findings_file, ledger_file, lineage_place, sessions_folder

if TYPE_CHECKING:
    from watchfloor.actingfeed import ActingFeed
    from watchfloor.ports import Feed, Replay
    from watchfloor.runs import Grounds, RunRecord
    from watchfloor.session.recorder import Recorder


def terminal(
    *hosts: Hosts,
    source: Source = Source(),
    read_only: Annotated[bool, Parameter(help="Watch only: findings aren't acknowledged either.")] = False,
    act: Annotated[bool, Parameter(help="With keys that propose and sign plans; without, none is bound.")] = False,
    record: Annotated[bool, Parameter(help="Keep the session in a file: `watchfloor replay` shows it again.")] = False,
) -> int:
    """Open the terminal on these hosts; with no hosts, on the fleet file or else on this machine."""
    from watchfloor import lineagebook, wiring  # noqa: PLC0415 - every command imports this module for its signature

    refuse_misspelt(hosts, source)
    if act and read_only:
        raise ConfigError("a console that only watches doesn't act", "leave one of the two out", file="--act")
    need_terminal("`watchfloor snapshot` prints the fleet without one")
    specs, work = source.floor(hosts)
    kept = lineage_place()
    work, findings = replace(work, lineage=kept), findings_file()
    ledger = LedgerFollower(ledger_file(), heard)
    made = _acting if act else wiring.LiveFeed
    feed = made(specs, findings_file=findings, work=work, ledger=ledger)
    with lineagebook.opened(kept) as book, recording_of(feed, record, source.fleet_file()) as (shown, recording):
        acting, asked = feed if act else None, {"ledger": ledger, **what_reviews()}
        return wiring.run_terminal(shown, read_only=read_only, lineage=book, acting=acting, **asked, **recording)


def what_reviews() -> Mapping[str, Any]:
    """What AppOptions are told that old runs and recordings are looked at with."""
    return {"grounds": _grounds_of, "sessions": sessions_folder(), "replays": _replayed}


def _replayed(file: Path) -> Replay:
    """Raises SessionError."""
    from watchfloor.replayfeed import ReplayFeed  # noqa: PLC0415 - with the first that is shown again

    return ReplayFeed(file)


def _grounds_of(run: RunRecord, now: float) -> Grounds:
    """What policies and signers say of a run. `now`: seconds since the epoch."""
    from watchfloor import governance  # noqa: PLC0415 - with the first review

    return governance.grounds(run, now)


@contextmanager
def recording_of(feed: Feed, wanted: bool, fleet_file: Path | None = None) -> Iterator[tuple[Feed, Mapping[str, Any]]]:
    """The feed as it is; or one of which every frame is recorded, and what AppOptions are told of that."""
    if not wanted:
        yield feed, {}
        return
    from watchfloor.recording import RecordedFeed, recorded  # noqa: PLC0415 - what isn't recorded needs none of it
    from watchfloor.replayfeed import past_of  # noqa: PLC0415

    with recorded("terminal", fleet_file=fleet_file) as recorder:
        yield RecordedFeed(feed, recorder), {"recording": recorder, "past": past_of(lambda: recorder.path)}
    say_where(recorder)


def say_where(recorder: Recorder) -> None:
    """Below the terminal, once it is closed."""
    if recorder.trouble:
        remark(recorder.trouble)
    elif recorder.path is not None:
        remark(f"recorded in {recorder.path}; `watchfloor replay` shows it again")


def _acting(specs: Sequence[NodeSpec], **how: Any) -> ActingFeed:
    """`how`: as a LiveFeed takes it."""
    from watchfloor.actingfeed import ActingFeed  # noqa: PLC0415 - what only watches holds nothing that acts

    return ActingFeed(specs, **how)
