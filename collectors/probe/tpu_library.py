"""libtpu's monitoring library, asked in a process of its own, seldom: its values by chip and by link.

Only the node's own python3 is run: an interpreter that belongs to whoever runs a program on the chips is nothing that
the probe may execute.
"""

from . import tpu_chips, tpu_sdk_text
from .cells import FAILED_CODE, NOT_YET, NOT_YET_CODE, UNSUPPORTED, Absent, Missing, Reading, rounded

_SECONDS = 20.0
_WITHOUT_SECONDS = 600.0  # until it is looked for again where it isn't installed
_NO_DATA = Missing(NOT_YET_CODE, "libtpu tells nothing: no program uses the chips")


class Library:
    """The library of one host."""

    def __init__(self, world) -> None:
        self._world = world
        self._links = {}  # key -> cells; those of links that were once told of
        self._absent_until = 0.0
        self._why = ""

    def sample(self) -> Reading:
        chips = tpu_chips.chips(self._world)
        if not chips:
            raise Absent("no TPU among the devices of Google (vendor 1ae0) on the PCI bus")
        told = self._ask()
        metrics = told.get("metrics", {})
        self._renew_links(metrics.get("ici_link_health"), chips)
        cells = {chip.key: {"runtime": "libtpu %s" % told["libtpu"] if told.get("libtpu") else UNSUPPORTED}
                 for chip in chips}  # fmt: skip
        tensor = self._tensor(metrics.get("tensorcore_util"), chips)
        throttled = self._throttled(metrics.get("tpu_throttle_score"), chips)
        for chip in chips:
            cells[chip.key].update(
                self._counts(chip.key), tensor_active=tensor[chip.key], throttled=throttled[chip.key]
            )
        return Reading({"accelerator": cells, "link": dict(self._links)})

    def _ask(self) -> dict:
        """What the library says. Raises Absent where it can't be had, OSError and ValueError."""
        now = self._world.monotonic()
        if now < self._absent_until:
            raise Absent(self._why)
        python = self._world.which("python3")
        status, out, error = self._world.run([python or "python3", "-c", tpu_sdk_text.SCRIPT], _SECONDS)
        if status == 0:
            return tpu_sdk_text.answer(out)
        words = error.strip().splitlines()[-1:] or ["exit status %d" % status]
        if "ModuleNotFoundError" in words[0] or "ImportError" in words[0]:
            self._absent_until, self._why = now + _WITHOUT_SECONDS, "libtpu is not there for %s" % python
            raise Absent(self._why)
        raise OSError("libtpu's monitoring library: " + words[0])

    # -- chips

    def _tensor(self, data, chips: list) -> dict:
        if not isinstance(data, list) or not data:
            return dict.fromkeys((chip.key for chip in chips), _why(data))
        shares = tpu_sdk_text.percentages(data)
        owners = tpu_chips.matched(list(range(len(shares))), chips, [])
        if isinstance(owners, Missing):
            return dict.fromkeys((chip.key for chip in chips), owners)
        by_chip = {}
        for number, share in enumerate(shares):
            by_chip.setdefault(owners[number].key, []).append(share)
        return {key: rounded(sum(values) / len(values), 1) for key, values in by_chip.items()}

    def _throttled(self, data, chips: list) -> dict:
        scores = tpu_sdk_text.throttled(data) if isinstance(data, list) else {}
        owners = tpu_chips.matched(list(scores), chips, []) if scores else _why(data)
        if isinstance(owners, Missing):
            return dict.fromkeys((chip.key for chip in chips), owners)
        found = {}
        for number, share in scores.items():
            found[owners[number].key] = max(share, found.get(owners[number].key, 0))
        return found

    # -- links

    def _renew_links(self, data, chips: list) -> None:
        told = tpu_sdk_text.links(data) if isinstance(data, list) else []
        if not told:
            gone = dict.fromkeys(("up", "ici.health"), _why(data))
            self._links = {key: dict(cells, **gone) for key, cells in self._links.items()}
            return
        places = sorted({(link.tray, link.chip) for link in told})
        owners = tpu_chips.matched(list(range(len(places))), chips, [])
        self._links = {}
        for link in told:
            place = places.index((link.tray, link.chip))
            self._links.update([_row(link, None if isinstance(owners, Missing) else owners[place])])

    def _counts(self, key: str) -> dict:
        ups = [cells["up"] for cells in self._links.values() if cells["accelerator"] == key]
        known = [up for up in ups if not isinstance(up, Missing)]
        if not ups:
            return {"links_up": NOT_YET, "links_max": NOT_YET}
        return {"links_up": sum(known) if len(known) == len(ups) else _NO_DATA, "links_max": len(ups)}


def _row(link, chip) -> tuple:
    """Key and cells. A link of a chip that can't be told from its place goes by the place."""
    place = "tray%d.chip%d" % (link.tray, link.chip)
    owner, name = ("", place) if chip is None else (chip.key, chip.name)
    return "ici:%s:%d" % (owner or place, link.number), {
        "name": "%s/ici%d" % (name, link.number),
        "kind": "ici",
        "accelerator": owner,
        "up": int(link.health < tpu_sdk_text.UNUSABLE),
        "phys": link.side or UNSUPPORTED,
        "ici.health": link.health,
    }


def _why(data) -> Missing:
    """Why a metric has no data: the library's words, or that it is silent."""
    return Missing(FAILED_CODE, data) if isinstance(data, str) and data else _NO_DATA
