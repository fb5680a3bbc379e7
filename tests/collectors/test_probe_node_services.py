"""The node's services as systemd has them, and the accelerators that its PCI bus lists."""

from __future__ import annotations

import pytest

from collectors.probe import bus, units
from collectors.probe.cells import FAILED_CODE, UNSUPPORTED, Absent, Missing
from tests.support.worlds import FileWorld

SLICE = "/sys/fs/cgroup/system.slice/"
POPULATED = {"cgroup.events": "populated 1\nfrozen 0\n"}


class Systemd(FileWorld):
    """A node with systemd; `said` is what systemctl answers."""

    def __init__(self, *installed: str) -> None:
        super().__init__({"/run/systemd/system/x": "", **{f"/usr/lib/systemd/system/{name}": "" for name in installed}})
        self.said: tuple[int, str, str] | OSError = (0, "", "")
        self.asked: list[list[str]] = []

    def run(self, argv: list[str], timeout_seconds: float) -> tuple[int, str, str]:
        self.asked.append(argv)
        if isinstance(self.said, OSError):
            raise self.said
        return self.said


def block(unit: str, active: str, sub: str, result: str = "success", enabled: str = "enabled") -> str:
    return f"Id={unit}\nActiveState={active}\nSubState={sub}\nResult={result}\nUnitFileState={enabled}\n"


def told(world: FileWorld) -> dict:
    return units.Sampler(world, None).sample().cells["node"][""]


def test_what_runs_is_seen_in_its_cgroup_and_costs_no_program() -> None:
    world = Systemd("nvidia-fabricmanager.service", "dcgm.service")
    world.files[SLICE + "nvidia-fabricmanager.service/cgroup.events"] = POPULATED["cgroup.events"]
    world.files["/sys/fs/cgroup/systemd/system.slice/dcgm.service/tasks"] = "17\n"
    found = told(world)
    assert (found["unit_fabricmanager"], found["unit_dcgm"], world.asked) == ("running", "running", [])
    assert found["unit_imex"] is UNSUPPORTED, "it isn't installed"


@pytest.mark.parametrize(
    ("said", "state"),
    [
        (("failed", "failed", "exit-code"), "failed: exit-code"),
        (("failed", "failed"), "failed"),
        (("activating", "auto-restart", "exit-code"), "restarting: exit-code"),
        (("activating", "start"), "starting"),
        (("inactive", "dead"), "stopped"),
        (("inactive", "dead", "success", "disabled"), "disabled"),
        (("inactive", "dead", "success", "static"), "disabled"),
        (("active", "exited"), "running"),
    ],
)
def test_of_what_does_not_run_systemctl_says_why(said: tuple[str, ...], state: str) -> None:
    world = Systemd("nvidia-imex.service")
    world.said = (0, block("nvidia-imex.service", *said), "")
    assert told(world)["unit_imex"] == state
    assert world.asked == [["systemctl", "show", units._ASKED, "nvidia-imex.service"]]


def test_all_of_them_are_asked_for_at_once_and_one_that_is_not_meant_to_run_seldom() -> None:
    world = Systemd("nvidia-imex.service", "munge.service")
    imex = block("nvidia-imex.service", "inactive", "dead", "success", "disabled")
    world.said = (0, imex + "\n" + block("munge.service", "failed", "failed", "signal"), "")
    sampler = units.Sampler(world, None)
    for _ in range(units._SELDOM):
        found = sampler.sample().cells["node"][""]
        assert (found["unit_imex"], found["unit_munge"]) == ("disabled", "failed: signal")
    assert [argv[3:] for argv in world.asked] == [
        ["nvidia-imex.service", "munge.service"],
        *[["munge.service"]] * (units._SELDOM - 1),
    ]
    sampler.sample()
    assert len(world.asked[-1]) == 5


def test_what_runs_in_a_slice_of_its_own_is_asked_for_seldom() -> None:
    world = Systemd("kubelet.service")
    world.said = (0, block("kubelet.service", "active", "running"), "")
    sampler = units.Sampler(world, None)
    for _ in range(units._SELDOM + 1):
        assert sampler.sample().cells["node"][""]["unit_kubelet"] == "running"
    assert len(world.asked) == 2


@pytest.mark.parametrize("said", [(1, "", "Failed to connect to bus"), OSError(2, "No such file or directory")])
def test_a_systemctl_that_fails_is_a_reason(said: tuple[int, str, str] | OSError) -> None:
    world = Systemd("munge.service")
    world.said = said
    found = told(world)["unit_munge"]
    assert isinstance(found, Missing) and found.code == FAILED_CODE and found.note


def test_a_node_without_systemd_is_no_failure() -> None:
    with pytest.raises(Absent, match="no systemd"):
        units.Sampler(FileWorld({"/sbin/openrc-init": ""}), None)


# -- the PCI bus


def devices(**uevents: str) -> FileWorld:
    """Devices by the bus that they are alone on: `kind vendor:device driver`."""
    files = {}
    for number, words in uevents.items():
        kind, identity, *driver = words.split()
        text = f"PCI_CLASS={kind}\nPCI_ID={identity}\n" + "".join(f"DRIVER={name}\n" for name in driver)
        files[f"{bus.ROOT}0000:{number.strip('_')}:00.0/uevent"] = text
    return FileWorld(files)


def listed(world: FileWorld) -> dict:
    return bus.Sampler(world, None).sample().cells["node"][""]


@pytest.mark.parametrize(
    "device",
    [
        "30200 10DE:2330 nvidia", "30200 10DE:2330", "30000 10DE:2684 nvidia", "120000 1002:74A1 amdgpu",
        "38000 1002:738C", "120000 1DA3:1060 habanalabs", "88000 1AE0:0062 vfio-pci", "88000 1D0F:7364 neuron",
        "38000 8086:0BD5 i915",
    ],
)  # fmt: skip
def test_accelerators_on_the_bus_whether_driven_or_not(device: str) -> None:
    assert listed(devices(_18=device)) == {"pci_accelerators": 1, "pci_addresses": "0000:18:00.0"}


@pytest.mark.parametrize(
    "device",
    [
        "68000 10DE:22A3 nvidia-nvswitch", "40300 10DE:22BA snd_hda_intel", "30000 10DE:2684 nouveau",
        "30200 10DE:2330 vfio-pci", "30000 1A03:2000 ast", "20000 1D0F:EC20 ena", "30000 1002:164E",
    ],
)  # fmt: skip
def test_what_is_no_accelerator_of_this_node(device: str) -> None:
    assert listed(devices(_18=device, _20="60400 8086:352A pcieport"))["pci_accelerators"] == 0


def test_two_functions_of_a_chip_are_one_and_virtual_functions_none() -> None:
    world = devices(_18="88000 1AE0:0076 vfio-pci", _20="30200 10DE:26B9 nvidia", _21="30200 10DE:26B9")
    world.files[f"{bus.ROOT}0000:18:00.1/uevent"] = world.files[f"{bus.ROOT}0000:18:00.0/uevent"]
    world.files[f"{bus.ROOT}0000:21:00.0/physfn/uevent"] = ""
    assert listed(world) == {"pci_accelerators": 2, "pci_addresses": "0000:18:00.0 0000:20:00.0"}


def test_graphics_within_the_processor_and_no_bus_at_all() -> None:
    world = FileWorld({f"{bus.ROOT}0000:00:02.0/uevent": "PCI_CLASS=30000\nPCI_ID=8086:4680\nDRIVER=i915\n"})
    assert listed(world)["pci_accelerators"] == 0
    with pytest.raises(Absent, match="no PCI bus"):
        listed(FileWorld({}))
