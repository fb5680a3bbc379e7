"""Reset a board, so that what is wrong with its memory or state goes. R3: it is out meanwhile, and what runs ends.

nvidia-smi(1): nothing may use the board. From Ampere on one board may be reset by itself; on NVSwitch systems of Ampere
the fabric manager must run for that. Elsewhere all boards that are joined by NVLink go together, and so they are here.

A monitor counts as a user: what holds the driver's library open, as another nvidia-smi, DCGM, an exporter, or the probe
of every console that watches the node. So all probes of the node are asked to let go of it first, by a link in /run
that root alone can make: what they tell of its boards is missing meanwhile, and says for whom and until when. They come
back when it is taken back, and by themselves after 150 s, whatever became of who asked. What holds the driver all the
same (another monitor, a probe that hangs in it) makes it refuse: then nothing is reset, and the answer says so;
reboot_node does the same and asks nobody.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from agents.action import CannotPrepare, Scene
from agents.actions import _letting_go, _nvidia
from agents.actions._base import filled, node_row, took, unknown, without_effect
from agents.actions._nvidia import Board, OnBoard
from watchfloor.change import Done, Risk, Seen, Step
from watchfloor.errors import HandsError
from watchfloor.ports import Floor, Hands

_TOGETHER = re.compile(r"\b(?:[PV]100\w*|GP100|GV100|TITAN V|T4|RTX [568]000|TITAN RTX|RTX 20[78]0\w*)\b(?! Ada)")
_BY_THE_FABRIC_MANAGER = re.compile(r"\b(?:A100|A800|A30)\b")
_IN_USE = re.compile(r"\bin use by\b|\bbeing used by\b", re.IGNORECASE)
_SECONDS = 120.0
_RESET = 2  # its place among the deeds


class Action(OnBoard):
    summary = "reset a board, and those that must go with it"
    risk = Risk.TAKES_OUT
    harms = "ended"
    preparing = 2  # that the probes let go, which lapses by itself
    sudo_rules = (
        _letting_go.RULE,
        f"/usr/bin/nvidia-smi ^-i {_nvidia.UUID_RULE}(,{_nvidia.UUID_RULE})* --gpu-reset$",
    )
    runs = (
        "`sudo ln -sfT watchfloor:150:WHO /run/watchfloor-let-go`; a constant program of the node's python3 that waits "
        "until no probe holds the driver, for 20 s at the most; `sudo nvidia-smi -i UUID --gpu-reset`, of boards that "
        "can't be reset alone all of the node; the same link with 0"
    )
    seen_by = "the action that its driver asked for, or its uncorrected errors, which are gone by then"

    def prepare(self, scene: Scene, step: Step) -> Step:
        """Who uses it is asked when it is done: an earlier step of the same plan may take them away."""
        self.values(step)
        board = _nvidia.board_of(scene, step)
        if scene.frame.detail[node_row(scene, step)].is_paused:
            raise CannotPrepare(f"what is known of {board.label} is old: its probe has let go of the driver", "wait")
        if board.number("links_max") and board.text("model") == "":
            raise CannotPrepare(
                f"the model of {board.label} isn't known, and so not which boards it must be reset with"
            )
        boards = _together(scene, step, board)
        argv = ("-i", ",".join(one.uuid for one in boards), "--gpu-reset")
        others = f" with the {len(boards) - 1} others of {board.node}" if len(boards) > 1 else ""
        return filled(
            step,
            risk=self.risk,
            summary=f"reset {board.label}{others}",
            deeds=(
                _letting_go.asked(board.node, scene.who),
                _letting_go.awaited(board.node),
                _nvidia.smi(board.node, *argv, sudo=True, timeout_seconds=_SECONDS),
                _letting_go.asked(board.node, scene.who, 0),
            ),
            before={"uuid": board.uuid, "boards": ",".join(one.uuid for one in boards),
                    "recovery": _told(board, "recovery"), "uncorrected": _told(board, "ecc_uncorrected")},
            after={"recovery": 0.0, "uncorrected": 0.0},
            timeout_seconds=_SECONDS + 90.0,
            verify_seconds=180.0,
        )  # fmt: skip

    def precheck(self, scene: Scene, step: Step) -> str:
        if why := super().precheck(scene, step):
            return why
        uuids = str(step.before["boards"]).split(",")
        listed = {one.uuid: one for one in _nvidia.boards_of(scene, scene.frame.node_index[step.target.node])}
        missing = [uuid for uuid in uuids if uuid not in listed]
        if missing:
            return f"{', '.join(missing)} is no longer listed"
        return "; ".join(filter(None, (_nvidia.used_by(scene, listed[uuid]) for uuid in uuids)))

    async def guard(self, step: Step, hands: Hands) -> str:
        for uuid in str(step.before["boards"]).split(","):
            if why := await _nvidia.processes(hands, step.target.node, uuid):
                return why
        return ""

    async def apply(self, step: Step, hands: Hands, operation: str) -> Sequence[Done]:
        """Where the driver refuses, the probes come back at once; not where nobody knows whether it is at work yet."""
        done = [*await super().apply(step, hands, operation)]
        if len(done) != _RESET + 1 or done[_RESET].ok:
            return done
        done[_RESET] = _explained(done[_RESET], done[_RESET - 1].stdout.strip())
        if done[_RESET].exit_code is not None:
            done.append(await _taken_back(step, hands, f"{operation}.{_RESET + 1}"))
        return done

    async def observe(self, step: Step, hands: Hands, floor: Floor) -> Seen:
        values = await _nvidia.asked(hands, step, "ecc.errors.uncorrected.volatile.total")
        if isinstance(values, Seen):
            return values
        errors, recovery = _nvidia.number_of(values[0]), _recovery(floor, step)
        asked_for, had = float(step.before["recovery"]), float(step.before["uncorrected"])
        if asked_for > 0 and recovery is not None:
            said = f"its driver asks for action {recovery:.0f}, and asked for {asked_for:.0f}"
            return took(said) if recovery == 0 else without_effect(said)
        if had > 0 and errors is not None:
            said = f"{errors:.0f} uncorrected errors since its driver was loaded, {had:.0f} before"
            return took(said) if errors < had else without_effect(said)
        return unknown("it answers, and nothing of it tells whether it was reset")


async def _taken_back(step: Step, hands: Hands, operation: str) -> Done:
    try:
        return msgspec.structs.replace(await hands.do(step.deeds[_RESET + 1], operation), operation=operation)
    except HandsError as error:  # then the request lapses
        return Done(1, stderr=str(error), operation=operation)


def _explained(done: Done, waited: str) -> Done:
    """nvidia-smi says that a board is in use, and not that a monitor's open handle is use enough. `waited`: what was
    seen of the probes by then."""
    said = f"{done.stderr.strip()} {done.stdout.strip()}".strip()
    if done.ok or not _IN_USE.search(said):
        return done
    who = f"a monitor is use enough, as DCGM or nvitop: end it, or reboot_node; {waited}"
    return msgspec.structs.replace(done, stderr=f"{' '.join(said.split())} ({who})")


def _together(scene: Scene, step: Step, board: Board) -> list[Board]:
    """The board, and those that must be reset with it."""
    if not board.number("links_max"):
        return [board]
    model, node = board.text("model"), node_row(scene, step)
    manager = scene.frame.nodes.text(node, "unit_fabricmanager")
    alone = not _TOGETHER.search(model) and (not _BY_THE_FABRIC_MANAGER.search(model) or manager in ("", "running"))
    return [board] if alone else _nvidia.boards_of(scene, node)


def _told(board: Board, metric: str) -> float:
    """-1 where it isn't told."""
    value = board.number(metric)
    return -1.0 if value is None else value


def _recovery(floor: Floor, step: Step) -> float | None:
    scene_row = floor.frame().row(step.target.subject)
    if scene_row is None:
        return None
    view = floor.frame().accelerators
    return Board(step.target.node, "", "", scene_row, view).number("recovery")
