"""What only AMD's own tool tells of boards whose table gpu_metrics is missing, or of a layout newer than this probe.

amd-smi (or its predecessor rocm-smi) takes about a second of processor time to answer: it is asked once a minute, and
not at all where the driver's files tell everything.
"""

from .amd import boards
from .cells import Absent, Reading
from .pci import ROOT

_TIMEOUT_SECONDS = 30.0


class Sampler:
    period, deadline = 60.0, 45.0
    metrics = {"accelerator": ["energy", "throttle", "throttle_power_time", "throttle_thermal_time"]}
    owns = lasting = ()
    awaited, follows_holders = False, False

    def __init__(self, world, board) -> None:
        self._world = world

    def sample(self) -> Reading:
        without = [board for board in boards(self._world) if not _has_table(self._world, board)]
        if not without:
            raise Absent("the files of the driver tell what amd-smi would")
        told = self._asked()
        rows = {}
        for board in without:
            cells = told.get(board.address)
            if cells is not None:
                rows[_key(self._world, board)] = {name: cells[name] for name in self.metrics["accelerator"]}
        return Reading({"accelerator": rows})

    def _asked(self) -> dict:
        """PCI address -> cells."""
        for program in ("amd-smi", "rocm-smi"):
            path = self._world.which(program)
            if path is not None:
                return _read(self._world, program, path)
        raise Absent("no table gpu_metrics of a known layout, and neither amd-smi nor rocm-smi is installed")


def _has_table(world, board) -> bool:
    from . import gpu_metrics  # noqa: PLC0415 - only where there is a board

    try:
        return bool(gpu_metrics.parse(world.read_bytes(ROOT + board.address + "/gpu_metrics", keep=True)))
    except (OSError, ValueError):
        return False


def _key(world, board) -> str:
    from .amd_identity import key_of  # noqa: PLC0415 - only where there is such a board

    return key_of(world, board)


def _amd_smi(world, path: str) -> dict:
    from . import amd_smi  # noqa: PLC0415 - only where the tool is asked

    listed = amd_smi.entries(amd_smi.decoded(_output(world, [path, "list", "--json"])))
    addresses = {entry["gpu"]: entry["bdf"].lower() for entry in listed if "gpu" in entry and "bdf" in entry}
    measured = amd_smi.entries(amd_smi.decoded(_output(world, [path, "metric", "--json"])))
    return {addresses[entry["gpu"]]: amd_smi.live(entry) for entry in measured if entry.get("gpu") in addresses}


def _rocm_smi(world, path: str) -> dict:
    from . import rocm_smi  # noqa: PLC0415 - only where the tool is asked

    cards = rocm_smi.cards(_output(world, [path, "--showbus", "--showenergycounter", "--json"]))
    told = [rocm_smi.cells(card) for card in cards.values()]
    return {cells["bus_id"]: rocm_smi.live(cells) for cells in told if "bus_id" in cells}


_ANSWERS = {"amd-smi": _amd_smi, "rocm-smi": _rocm_smi}


def _read(world, program: str, path: str) -> dict:
    """PCI address -> cells. Raises OSError."""
    try:
        return _ANSWERS[program](world, path)
    except (ValueError, TypeError, AttributeError) as error:
        raise OSError("the answer of %s can't be read: %s" % (path, error)) from error


def _output(world, argv: "list[str]") -> str:
    """Raises OSError with the tool's last words where it fails."""
    status, out, error = world.run(argv, _TIMEOUT_SECONDS)
    if status:
        words = (error.strip() or out.strip()).splitlines()
        raise OSError("%s ended with status %d: %s" % (argv[0], status, words[-1] if words else "no word"))
    return out
