"""Cards of Intel: xpu-smi for what only the vendor's tool tells, the files of i915 and xe for the rest.

Both drivers' files: Documentation/ABI/testing/sysfs-driver-intel-{i915,xe}-hwmon, docs.kernel.org/gpu/xe.
"""

from . import xpu_smi
from .cells import FAILED_CODE, LOST_CODE, NOT_YET_CODE, UNSUPPORTED, Missing, Rates, Reading, rounded, trouble
from .device_files import DeviceFiles
from .pci import ROOT
from .pcie import link_cells
from .sysfs import attribute
from .xpu import LASTING, LIVE
from .xpu_tool import RENUMBERED, TOOL, Dumps, Listing, told

_NO_TOOL = Missing(UNSUPPORTED.code, "xpu-smi is not installed (looked in PATH)")
_UNLISTED = Missing(UNSUPPORTED.code, "xpu-smi doesn't list it")
_GONE = Missing(LOST_CODE, "xpu-smi doesn't list it any more")
_NO_ROW = Missing(FAILED_CODE, "xpu-smi dump: no whole row of it")
_DETAILS_EVERY = 60  # samples
_MICRO, _MILLI = 1e-6, 1e-3
# device id -> product, where no tool names it
_PRODUCTS = {
    0x0BD5: "Data Center GPU Max 1550", 0x0BDA: "Data Center GPU Max 1100", 0x56C0: "Data Center GPU Flex 170",
    0x56C1: "Data Center GPU Flex 140", 0x56A0: "Arc A770", 0x56A1: "Arc A750", 0xE20B: "Arc B580", 0xE20C: "Arc B570",
}  # fmt: skip
# reason in the file names of both drivers -> bits of the metric `throttle`
_REASONS = (
    ("pl1", 0x4), ("pl2", 0x4), ("pl4", 0x4), ("vr_tdc", 0x4), ("thermal", 0x40), ("ratl", 0x40), ("prochot", 0x80),
    ("vr_thermalert", 0x40),
)  # fmt: skip


class Cards:
    """All cards of the node."""

    def __init__(self, world) -> None:
        self._world = world
        self._files = DeviceFiles(world)
        self._dumps = Dumps(world)
        self._listing = Listing(world)
        self._known = {}  # PCI address -> cells of the discovery, of every card that was ever listed
        self._rates = Rates()
        self._samples = 0

    def sample(self, devices: list) -> Reading:
        asked = self._asked()
        nodes = {device.address: drm_nodes(self._world, device.address) for device in devices}
        self._files.look(["/dev/dri/" + render for _, render in nodes.values() if render])
        accelerators, links, holders = {}, {}, {}
        for device in devices:
            key, (card, render) = "intel:" + device.address, nodes[device.address]
            link = link_cells(self._world, device.address)
            pids = self._files.holders("/dev/dri/" + render) if render else UNSUPPORTED
            holders[key] = pids if isinstance(pids, Missing) else [(pid, -1, "compute") for pid in pids]
            row = self._card(device, card, asked)
            row["name"] = self._listing.name(device.address)
            row["processes"] = pids if isinstance(pids, Missing) else len(pids)
            row.update(("pcie_" + name, link[name]) for name in ("gen", "gen_max", "width", "width_max"))
            accelerators[key] = row
            rates = {"rx": row["pcie_rx"], "tx": row["pcie_tx"]}
            links["pcie:" + key] = dict(link, name=row["name"] + "/pcie", accelerator=key, **rates)
        cells = {"accelerator": accelerators, "link": links}
        return Reading(cells, {"stack": list(_stack(devices, accelerators))}, holders, trouble=trouble(asked))

    def _card(self, device, card: str, asked: "dict | Missing") -> dict:
        """Its row, but for what needs its neighbours; every metric has a value or a reason."""
        known, told = self._known.get(device.address, {}), asked
        if not isinstance(asked, Missing):
            told = asked.get(device.address, _GONE if known else _UNLISTED)
        row: dict = dict.fromkeys(LASTING + LIVE, told if isinstance(told, Missing) else UNSUPPORTED)
        row["numa"] = _numa(self._world, device.address)
        row["driver"] = device.driver or UNSUPPORTED  # its name, where no tool tells the version
        row["model"] = _PRODUCTS.get(device.device, "Intel GPU %04x" % device.device)
        read = driver_cells(self._world, device.address, card)
        if not isinstance(read["energy"], Missing):
            watts = self._rates.rate(device.address, read["energy"], self._world.monotonic())
            read["power"] = rounded(watts, 1)
            read["energy"] = rounded(read["energy"])
        listed = {"index": self._listing.cards.get(device.address, {}).get("index", row["index"])}
        for cells in (read, known, listed, {} if isinstance(told, Missing) else told):
            row.update((name, value) for name, value in cells.items() if name in row and _tells(value))
        row.update(vendor="Intel", bus_id=device.address)
        return row

    # -- the tool

    def _asked(self) -> "dict | Missing":
        """PCI address -> cells, or why there are none, of each card that is listed; or why the tool told nothing."""
        if self._world.which(TOOL) is None:
            return _NO_TOOL
        steady = set() if self._listing.cards else self._listing.renewed()
        if isinstance(steady, Missing):  # and without it nobody knows which device is meant: it is asked again
            return steady
        self._look_closer()
        dumped = self._dumps.told(-1, xpu_smi.METRICS, xpu_smi.parse_dump)
        if isinstance(dumped, Missing):
            return dumped
        steady = self._listing.renewed()
        if isinstance(steady, Missing):
            return steady
        ids = {address: row["index"] for address, row in self._listing.cards.items()}
        return {address: dumped.get(ids[address], _NO_ROW) if address in steady else RENUMBERED for address in ids}

    def _look_closer(self) -> None:
        """Ask for the details of cards that are new, and now and then of all."""
        for address, row in self._listing.cards.items():
            if address in self._known and self._samples % _DETAILS_EVERY:
                continue
            details = told(self._world, ["discovery", "-d", str(row["index"]), "-j"], xpu_smi.parse_discovery)
            cells = details[0] if isinstance(details, list) and details else {}
            same = str(cells.get("bus_id", address)).lower() == address  # its id may be another card's by now
            self._known[address] = dict(row, **cells) if same else row
        self._samples += 1


def _tells(value) -> bool:
    """Whether it is more than the reason that stands there: a value, that it will come, or a reason with words."""
    return not isinstance(value, Missing) or value.code == NOT_YET_CODE or bool(value.note)


# -- the drivers' files


def drm_nodes(world, address: str) -> "tuple[str, str]":
    """("card1", "renderD128") of a device; "" where there is none."""
    try:
        names = sorted(world.listdir(ROOT + address + "/drm"))
    except OSError:
        return "", ""
    cards, renders = ([name for name in names if name.startswith(start)] for start in ("card", "renderD"))
    return (cards or [""])[0], (renders or [""])[0]


def driver_cells(world, address: str, card: str) -> dict:
    """What the driver's files say of one card; "energy" in J with all its digits."""
    root, sensors = ROOT + address + "/", hwmon(world, address)
    gt_xe, gt_i915 = root + "tile0/gt0/freq0/", "%sdrm/%s/gt/gt0/" % (root, card)
    return {
        "energy": _first(world, [sensors + "energy1_input", sensors + "energy2_input"], _MICRO),
        "power_limit": _enabled(_first(world, [sensors + "power1_max", sensors + "power2_max"], _MICRO)),
        "power_max": _first(world, [sensors + "power1_rated_max", sensors + "power2_rated_max"], _MICRO),
        "temp": _first(world, [sensors + "temp2_input"], _MILLI),
        "temp_mem": _first(world, [sensors + "temp3_input"], _MILLI),
        "clock_sm": _first(world, [gt_xe + "act_freq", gt_i915 + "rps_act_freq_mhz"], 1),
        "clock_sm_max": _first(world, [gt_xe + "rp0_freq", gt_i915 + "rps_RP0_freq_mhz"], 1),
        "mem_total": _memory(world, root, card),
        "throttle": _throttle(world, gt_xe, gt_i915),
    }


def hwmon(world, address: str) -> str:
    """The folder of the card's own sensors: those of its tiles are named i915_gt0 …"""
    root = ROOT + address + "/hwmon/"
    try:
        names = sorted(world.listdir(root))
    except OSError:
        return root
    of_card = [name for name in names if attribute(world, root + name + "/name") in ("i915", "xe")]
    return root + (of_card or [""])[0] + "/"


def _first(world, paths: "list[str]", scale: float) -> "float | Missing":
    """The first of some files that tells; the reason of the first one where none does."""
    told = [attribute(world, path, keep=False) for path in paths]
    read = [text if isinstance(text, Missing) else xpu_smi.number(text) for text in told]
    known = [value for value in read if not isinstance(value, Missing)]
    if not known:
        return read[0]
    value = known[0] * scale
    return int(value) if value == int(value) else value


def _numa(world, address: str) -> "float | Missing":
    """The kernel writes -1 where the node has no such thing."""
    node = _first(world, [ROOT + address + "/numa_node"], 1)
    return UNSUPPORTED if not isinstance(node, Missing) and node < 0 else node


def _enabled(limit: "float | Missing") -> "float | Missing":
    return Missing(UNSUPPORTED.code, "the limit is disabled") if limit == 0 else limit


def _memory(world, root: str, card: str) -> "float | Missing":
    """Bytes: of i915 as one, of xe tile by tile."""
    whole = _first(world, ["%sdrm/%s/lmem_total_bytes" % (root, card)], 1)
    tiles = [_first(world, ["%stile%d/physical_vram_size_bytes" % (root, tile)], 1) for tile in (0, 1)]
    known = [size for size in tiles if not isinstance(size, Missing)]
    return sum(known) if isinstance(whole, Missing) and known else whole


def _throttle(world, gt_xe: str, gt_i915: str) -> "int | Missing":
    mask, told = 0, False
    for reason, bit in _REASONS:
        state = _first(world, ["%sthrottle/reason_%s" % (gt_xe, reason), gt_i915 + "throttle_reason_" + reason], 1)
        told = told or not isinstance(state, Missing)
        mask |= bit if state == 1 else 0
    return mask if told else UNSUPPORTED


def _stack(devices: list, accelerators: "dict[str, dict]"):
    """Rows of the detail "stack"."""
    for driver in sorted({device.driver for device in devices if device.driver}):
        versions = {row["driver"] for row in accelerators.values()} - {driver, UNSUPPORTED}
        for version in sorted(versions):
            yield {"layer": "driver", "name": driver, "version": version, "where": "xpu-smi driver_version"}
    for key, row in accelerators.items():
        if isinstance(row["firmware"], str):
            where = "xpu-smi gfx_firmware_version"
            yield {"layer": "firmware", "name": "gfx", "version": row["firmware"], "subject": key, "where": where}
