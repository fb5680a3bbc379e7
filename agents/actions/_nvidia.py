"""What the actions on NVIDIA boards share: boards as targets, nvidia-smi's command lines and what it prints.

A board is named by its UUID, which is its own wherever it hangs. Options of nvidia-smi(1): -pl, -lgc, -rgc, -pm, -mig,
--gpu-reset and `mig` need root; queries don't.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from agents.action import CannotPrepare, Scene
from agents.actions._base import Base, looked, node_row, silent_node, unknown
from watchfloor.change import Command, On, Place, Seen, Step
from watchfloor.model import Missing, Scope
from watchfloor.ports import Hands
from watchfloor.view import View

SMI = "nvidia-smi"
UUID_RULE = "GPU-[0-9a-f-]+"  # in sudoers
_UUID = re.compile(r"GPU-[\w-]{1,64}")
_NOTHING = (
    "",
    "[N/A]",
    "N/A",
    "[Not Supported]",
    "[Unknown Error]",
    "[GPU requires reset]",
    "[Insufficient Permissions]",
)


@dataclass(frozen=True, slots=True)
class Board:
    """One whole board of NVIDIA's, as the newest frame has it."""

    node: str
    uuid: str
    label: str  # "n2/gpu3"
    row: int
    view: View

    def number(self, metric: str) -> float | None:
        """None where it isn't told just now."""
        cell = self.view.cell(self.row, metric)
        return float(cell.value) if cell.missing is Missing.NO and isinstance(cell.value, int | float) else None

    def text(self, metric: str) -> str:
        return self.view.text(self.row, metric)


def board_of(scene: Scene, step: Step) -> Board:
    """Raises CannotPrepare where the target is no whole board of NVIDIA's."""
    node, view = node_row(scene, step), scene.frame.accelerators
    row = view.roster.row(node, step.target.key)
    if row is None:
        raise CannotPrepare(f"{step.target.node} has no accelerator {step.target.key!r}", "see the keys of its page")
    board = _board(scene, node, row)
    vendor = board.text("vendor")
    if vendor != "NVIDIA":
        raise CannotPrepare(
            f"{board.label} is made by {vendor or 'nobody knows whom'}", "this is done by nvidia-smi alone"
        )
    if parent := board.text("partition_of"):
        raise CannotPrepare(f"{board.label} is a part of {parent}", "act upon the board itself")
    if not _UUID.fullmatch(board.uuid):
        raise CannotPrepare(f"{board.label} tells no UUID", "it must be known which board is meant")
    return board


def _board(scene: Scene, node: int, row: int) -> Board:
    view, name = scene.frame.accelerators, scene.frame.specs[node].name
    label = view.text(row, "name") or view.keys[row]
    return Board(name, view.text(row, "uuid"), f"{name}/{label}", row, view)


def boards_of(scene: Scene, node: int) -> list[Board]:
    """The whole boards of NVIDIA's on a node, in the order in which its probe names them."""
    rows = scene.frame.rows_of(Scope.ACCELERATOR, node).tolist()
    found = [_board(scene, node, row) for row in rows]
    return [one for one in found if one.text("vendor") == "NVIDIA" and not one.text("partition_of")]


def parts_of(scene: Scene, board: Board) -> list[Board]:
    """Its MIG instances."""
    node = scene.frame.node_index[board.node]
    found = (_board(scene, node, row) for row in scene.frame.rows_of(Scope.ACCELERATOR, node).tolist())
    return [one for one in found if one.text("partition_of") in (board.uuid, board.view.keys[board.row])]


def used_by(scene: Scene, board: Board) -> str:
    """Who is on a board, or why nobody knows; "" where nobody is."""
    job = scene.frame.jobs.job_of(board.row)
    if job is not None and not job.state.is_over:
        return f"job {job.number} of {job.user or 'somebody'} is on {board.label}"
    count = board.number("processes")
    if count is None:
        return f"it isn't known whether a process is on {board.label}"
    return f"{count:.0f} processes are on {board.label}" if count else ""


# -- command lines


def smi(node: str, *arguments: str, sudo: bool = False, timeout_seconds: float = 30.0) -> Command:
    return Command(Place(On.NODE, node), (SMI, *arguments), sudo, timeout_seconds)


def root(board: Board, *arguments: str, timeout_seconds: float = 30.0) -> Command:
    """What changes one board."""
    return smi(board.node, "-i", board.uuid, *arguments, sudo=True, timeout_seconds=timeout_seconds)


def query(node: str, uuid: str, *fields: str) -> Command:
    return smi(node, "-i", uuid, f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits")


async def asked(hands: Hands, step: Step, *fields: str) -> list[str] | Seen:
    """The values of these fields of the step's board, "" where there is none; Seen where there was no answer."""
    answer = await looked(hands, query(step.target.node, str(step.before["uuid"]), *fields))
    if isinstance(answer, Seen):
        return answer
    row = row_of(answer.stdout)
    return row if len(row) == len(fields) else unknown(f"nvidia-smi says: {answer.stdout.strip()[:120]!r}")


async def processes(hands: Hands, node: str, uuid: str) -> str:
    """Who is on a board now, or why nobody knows; "" where nobody is."""
    deed = smi(node, "-i", uuid, "--query-compute-apps=pid,process_name", "--format=csv,noheader")
    answer = await looked(hands, deed)
    if isinstance(answer, Seen):
        return answer.text
    pids = pids_of(answer.stdout)
    return f"processes are on {uuid}: {', '.join(map(str, pids[:8]))}" if pids else ""


# -- what it prints


def row_of(text: str) -> list[str]:
    """The values of one board; what it doesn't have is ""."""
    line = next((line for line in text.splitlines() if line.strip()), "")
    values = [value.strip() for value in line.split(",")] if line else []
    return ["" if value in _NOTHING else value for value in values]


def pids_of(text: str) -> list[int]:
    first = (line.split(",")[0].strip() for line in text.splitlines())
    return [int(word) for word in first if word.isdecimal()]


def number_of(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


class OnBoard(Base):
    """An action on one board."""

    scope = Scope.ACCELERATOR

    def precheck(self, scene: Scene, step: Step) -> str:
        return silent_node(scene, step) or _another_board(scene, step)


def _another_board(scene: Scene, step: Step) -> str:
    try:
        board = board_of(scene, step)
    except CannotPrepare as error:
        return error.message
    return "" if board.uuid == step.before["uuid"] else f"{board.label} is another board by now: {board.uuid}"
