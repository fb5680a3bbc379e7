"""Commands where a scheduler is asked, with the slurm.conf and the folder of commands of its source: a real Slurm."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from collectors.acting.hands import FleetHands, Places
from collectors.transports.local import LocalTransport
from tests.support.slurm import Slurm
from watchfloor.change import Command, On, Place
from watchfloor.errors import HandsError
from watchfloor.systemclock import SystemClock


@pytest.fixture
async def local() -> AsyncIterator[LocalTransport]:
    made = LocalTransport()
    yield made
    await made.close()


@pytest.fixture
async def hands(
    slurm: Slurm, local: LocalTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[FleetHands]:
    monkeypatch.setenv("WATCHFLOOR_HANDS", str(tmp_path / "kept"))
    monkeypatch.delenv("SLURM_CONF", raising=False)
    wrong = replace(slurm.spec(), name="wrong", options={"conf": "not a path"})
    made = FleetHands(Places(sources=[slurm.spec(), wrong]), lambda spec: local, SystemClock(), tmp_path / "notes")
    yield made
    await made.close()


def _scontrol(source: str, *words: str) -> Command:
    return Command(Place(On.SCHEDULER, source), ("scontrol", *words))


async def test_a_node_is_drained_and_resumed(slurm: Slurm, hands: FleetHands) -> None:
    name = slurm.spec().name
    drain = _scontrol(name, "update", "nodename=gpu002", "state=drain", "reason=it's xid 79; $(id)")
    assert (await hands.do(drain, "run-1.0")).ok
    shown = await hands.look(_scontrol(name, "--oneliner", "show", "node", "gpu002"))
    assert "State=IDLE+DRAIN" in shown.stdout and "Reason=it's xid 79; $(id)" in shown.stdout
    assert (await hands.do(_scontrol(name, "update", "nodename=gpu002", "state=resume"), "run-2.0")).ok
    shown = await hands.look(_scontrol(name, "--oneliner", "show", "node", "gpu002"))
    assert "DRAIN" not in shown.stdout


async def test_what_slurm_refuses_is_told_with_its_words(slurm: Slurm, hands: FleetHands) -> None:
    done = await hands.do(_scontrol(slurm.spec().name, "update", "nodename=nowhere", "state=drain", "reason=x"), "op")
    assert done.exit_code == 1 and "Invalid node name" in done.stderr


async def test_a_source_whose_options_are_wrong_is_no_place(hands: FleetHands) -> None:
    with pytest.raises(HandsError, match="conf 'not a path' is not a path"):
        await hands.do(_scontrol("wrong", "ping"), "op")
