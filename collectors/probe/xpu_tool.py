"""Asking xpu-smi: one question, its answer parsed, or why there is none.

Trap: it answers by device ids, which it gives out anew whenever it starts, in the order of the cards that it finds.
"""

from . import xpu_smi
from .cells import FAILED_CODE, NOT_YET, NOT_YET_CODE, TIMED_OUT_CODE, Missing

TOOL = "xpu-smi"
RENUMBERED = Missing(NOT_YET_CODE, "xpu-smi has just given it another device id")
_SECONDS = 20.0


def told(world, arguments: "list[str]", parse):
    """What `parse` makes of the output, or a Missing; `parse` raises ValueError for what it doesn't understand."""
    try:
        status, out, error = world.run([TOOL, *arguments], _SECONDS)
        if not status:
            return parse(out)
    except TimeoutError as late:
        return Missing(TIMED_OUT_CODE, str(late))
    except (OSError, ValueError) as error:
        return Missing(FAILED_CODE, "xpu-smi %s: %s" % (arguments[0], error))
    words = (error or out).strip().splitlines() or ["silent"]
    return Missing(FAILED_CODE, "xpu-smi %s: status %d: %s" % (arguments[0], status, words[-1]))


class Dumps:
    """`dump` for one round of some metrics, asked as the release on the node wants it: 1.x and 2.x have other flags."""

    def __init__(self, world) -> None:
        self._world = world
        self._flags = (("-m", "-i", "-n"), ("--metrics", "--interval", "--number"))

    def told(self, device: int, metrics: str, parse):
        """As `told`; device -1 stands for all."""
        answer = NOT_YET
        for flags in self._flags:
            which, every, rounds = flags
            arguments = ["dump", "-d", str(device), which, metrics, every, "1", rounds, "1"]
            answer = told(self._world, arguments, parse)
            if not isinstance(answer, Missing):
                self._flags = (flags,)
            if not isinstance(answer, Missing) or answer.code == TIMED_OUT_CODE:
                break
        return answer


class Listing:
    """Which card has which device id. What the tool says of an id is true of a card that had it before and after."""

    def __init__(self, world) -> None:
        self._world = world
        self.cards = {}  # PCI address -> cells, "index" among them, of those that are listed

    def renewed(self) -> "set | Missing":
        """Ask anew. Addresses of the cards that have the id that they had; or why there is no list."""
        rows = told(self._world, ["discovery", "-j"], xpu_smi.parse_discovery)
        if isinstance(rows, Missing):
            return rows
        before = self.cards
        known = [row for row in rows if isinstance(row.get("bus_id"), str) and isinstance(row["index"], int)]
        self.cards = {row["bus_id"].lower(): row for row in known}
        return {address for address, row in self.cards.items() if before.get(address, {}).get("index") == row["index"]}

    def name(self, address: str) -> str:
        """ "xpu0" by its device id; "xpu-29" of a card that has none, by its bus."""
        return "xpu%s" % (self.cards[address]["index"] if address in self.cards else "-" + address[5:7])
