"""Gaudi cards: hl-smi for what only the vendor's tool tells, the driver's sysfs files for the rest.

`hl-smi -Q` is asked every five seconds, its long log every half minute. A card that is in reset, or whose tool is
missing, keeps its identity and says why it has no values.
"""

from . import hl_smi
from .cells import FAILED_CODE, NOT_YET, TIMED_OUT_CODE, UNSUPPORTED, Missing, Reading, rounded, trouble
from .device_files import DeviceFiles
from .gaudi import LASTING, LIVE, key_of
from .pci import ROOT
from .pcie import link_cells
from .sysfs import attribute

CLASSES = (("/sys/class/accel/", "accel"), ("/sys/class/habanalabs/", "hl"))  # since Linux 6.3, and before
_TOOL = "hl-smi"
_NO_TOOL = Missing(UNSUPPORTED.code, "hl-smi is not installed (looked in PATH and /opt/habanalabs/bin)")
_SECONDS = 20.0  # for an answer of the tool
_LOG_EVERY = 6  # samples
_WORKS = "operational"
_MILLI = 0.001


class Cards:
    """All cards of the node."""

    def __init__(self, world) -> None:
        self._world = world
        self._files = DeviceFiles(world)
        self._columns = (hl_smi.COLUMNS + hl_smi.ECC_COLUMNS, hl_smi.COLUMNS)
        self._logged = {}  # PCI address -> cells of the log
        self._samples = 0

    def sample(self, addresses: "list[str]") -> Reading:
        folders = device_folders(self._world)
        asked = self._asked()
        if self._samples % _LOG_EVERY == 0:
            self._logged = {} if isinstance(asked, Missing) else self._log()
        self._samples += 1
        self._files.look([_device_file(folder) for folder in folders.values()])
        accelerators, links, holders = {}, {}, {}
        for place, address in enumerate(addresses):
            key, folder = key_of(address), folders.get(address, "")
            link = link_cells(self._world, address)
            pids = self._files.holders(_device_file(folder)) if folder else UNSUPPORTED
            holders[key] = pids if isinstance(pids, Missing) else [(pid, -1, "compute") for pid in pids]
            row = self._card(address, folder, asked)
            row["name"] = "hpu%s" % (_number_of(folder) or place)
            row["processes"] = pids if isinstance(pids, Missing) else len(pids)
            row.update(("pcie_" + name, link[name]) for name in ("gen", "gen_max", "width", "width_max"))
            accelerators[key] = row
            links["pcie:" + key] = dict(link, name=row["name"] + "/pcie", accelerator=key)
        cells = {"accelerator": accelerators, "link": links}
        return Reading(cells, {"stack": list(_stack(accelerators))}, holders, trouble=trouble(asked))

    def _card(self, address: str, folder: str, asked: "dict | Missing") -> dict:
        """Its row, but for what needs its neighbours; every metric has a value or a reason."""
        read = driver_cells(self._world, folder) if folder else {}
        told = asked if isinstance(asked, Missing) else asked.get(address, _untold(read.get("status", "")))
        row: dict = dict.fromkeys(LASTING + LIVE, told if isinstance(told, Missing) else UNSUPPORTED)
        logged = self._logged.get(address, {})
        if isinstance(told, Missing):  # then the log is old as well: only what it says of the card itself holds
            logged = {name: value for name, value in logged.items() if name in LASTING}
        limit = {"power_limit": read.pop("power_limit", UNSUPPORTED)}  # of one rail: the log's is of all
        for cells in (limit, logged, read, {} if isinstance(told, Missing) else told):
            row.update((name, value) for name, value in cells.items() if name in row and _tells(value, row[name]))
        row["vendor"], row["bus_id"], row["numa"] = "Habana", address, _numa(self._world, address)
        others = logged.get("power_other_rails", UNSUPPORTED)
        if not isinstance(row["power"], Missing) and not isinstance(others, Missing):
            row["power"] += others
        return row

    # -- the tool

    def _asked(self) -> "dict | Missing":
        """PCI address -> cells, or why the tool told nothing. A release that lacks a column is asked for fewer."""
        if self._world.which(_TOOL) is None:
            return _NO_TOOL
        told = NOT_YET
        for columns in self._columns:
            told = self._told(["-Q", ",".join(columns), "-f", "csv"], hl_smi.parse_csv)
            if not isinstance(told, Missing):
                self._columns = (columns,)
            if not isinstance(told, Missing) or told.code == TIMED_OUT_CODE:
                break
        return told

    def _log(self) -> dict:
        told = self._told(["-q"], hl_smi.parse_log)
        return {} if isinstance(told, Missing) else told

    def _told(self, arguments: "list[str]", parse) -> "dict | Missing":
        """PCI address -> cells of one answer."""
        try:
            status, out, error = self._world.run([_TOOL, *arguments], _SECONDS)
            rows = parse(out) if not status else []
        except TimeoutError as late:
            return Missing(TIMED_OUT_CODE, str(late))
        except (OSError, ValueError) as error:
            return Missing(FAILED_CODE, "hl-smi %s: %s" % (arguments[0], error))
        known = {row["bus_id"].lower(): row for row in rows if isinstance(row.get("bus_id"), str)}
        if known:
            return known
        words = (error or out).strip().splitlines() or ["no card listed"]
        return Missing(FAILED_CODE, "hl-smi %s: status %d: %s" % (arguments[0], status, words[-1]))


def _untold(status: str) -> Missing:
    """Why the tool says nothing of a card that is on the bus."""
    if status and status.lower() != _WORKS:
        return Missing(FAILED_CODE, "the driver says: %s" % status)
    return Missing(FAILED_CODE, "hl-smi doesn't list it, or not whole")


def _tells(value, before) -> bool:
    """Whether it says more than what is there: a reason never takes the place of a value."""
    return not isinstance(value, Missing) or isinstance(before, Missing)


# -- the driver's files


def device_folders(world) -> "dict[str, str]":
    """PCI address -> folder of its attributes, of every card that the driver has."""
    found = {}
    for root, start in CLASSES:
        try:
            names = [name for name in world.listdir(root) if name[len(start) :].isdigit() and name.startswith(start)]
        except OSError:
            continue
        for name in names:
            for folder in (root + name + "/device", root + name):
                address = attribute(world, folder + "/pci_addr", keep=False)
                if isinstance(address, str):
                    found.setdefault(address, folder)
    return found


def driver_cells(world, folder: str) -> dict:
    """What the driver's files say of one card, besides "status" (its words)."""
    clock = attribute(world, folder + "/clk_cur_freq_mhz", keep=False)
    best = attribute(world, folder + "/clk_max_freq_mhz", keep=False)
    limit = attribute(world, folder + "/max_power", keep=False)
    status = attribute(world, folder + "/status", keep=False)
    driver = attribute(world, folder + "/driver_ver", keep=False)
    return {
        "status": status if isinstance(status, str) else "",
        "clock_sm": _scaled(clock, 1),
        "clock_sm_max": _scaled(best, 1),
        "power_limit": _scaled(limit, _MILLI),
        "driver": driver,
    }


def _numa(world, address: str) -> "int | Missing":
    """The kernel writes -1 where the node has no such thing."""
    node = _scaled(attribute(world, ROOT + address + "/numa_node"), 1)
    return UNSUPPORTED if not isinstance(node, Missing) and node < 0 else node


def _scaled(text: "str | Missing", scale: float) -> "int | Missing":
    value = hl_smi.number(text) if isinstance(text, str) else text
    return value if isinstance(value, Missing) else rounded(value * scale)


def _number_of(folder: str) -> str:
    """ "3" of /sys/class/accel/accel3/device; "" of no folder."""
    words = folder.split("/")
    return "".join(letter for letter in words[4] if letter.isdigit()) if folder else ""


def _device_file(folder: str) -> str:
    """What a program opens: /dev/accel/accel3, or /dev/hl3 before Linux 6.3."""
    name = folder.split("/")[4] if folder else ""
    return "/dev/accel/" + name if name.startswith("accel") else "/dev/" + name


def _stack(accelerators: "dict[str, dict]"):
    """Rows of the detail "stack"."""
    for driver in sorted({row["driver"] for row in accelerators.values() if isinstance(row["driver"], str)}):
        yield {"layer": "driver", "name": "habanalabs", "version": driver, "where": "hl-smi, driver_ver"}
    for key, row in accelerators.items():
        if isinstance(row["firmware"], str):
            firmware = row["firmware"]
            yield {"layer": "firmware", "name": "gaudi", "version": firmware, "subject": key, "where": "hl-smi -q"}
