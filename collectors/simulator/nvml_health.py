"""What the simulated driver answers of one board's links and errors: PCIe, memory, MIG, NVLink. See `nvml_device`."""

from __future__ import annotations

import uuid
from typing import Any

import pynvml

from collectors.simulator.hardware import Board
from collectors.simulator.machine import Machine
from collectors.simulator.nvml_common import NOT_SUPPORTED, board_of, datacenter_board, state_of
from collectors.simulator.nvml_fields import is_nvlink_5
from collectors.simulator.work import noise

# -- PCIe


def nvmlDeviceGetCurrPcieLinkGeneration(machine: Machine, index: int) -> int:
    board = board_of(machine)
    return board.pcie_gen if board.datacenter or state_of(machine, index).job else 1


def nvmlDeviceGetMaxPcieLinkGeneration(machine: Machine, index: int) -> int:
    return board_of(machine).pcie_gen


def nvmlDeviceGetCurrPcieLinkWidth(machine: Machine, index: int) -> int:
    return 16


def nvmlDeviceGetMaxPcieLinkWidth(machine: Machine, index: int) -> int:
    return 16


def nvmlDeviceGetPcieThroughput(machine: Machine, index: int, counter: int) -> int:
    state = state_of(machine, index)
    share = state.util / 100
    return int((1.4e6 if counter == pynvml.NVML_PCIE_UTIL_RX_BYTES else 0.9e6) * share)


def nvmlDeviceGetPcieReplayCounter(machine: Machine, index: int) -> int:
    return int(3 * noise(machine.plan.index, index, 5) ** 6)


# -- memory errors


def nvmlDeviceGetEccMode(machine: Machine, index: int) -> list[int]:
    datacenter_board(machine)
    return [1, 1]


def nvmlDeviceGetTotalEccErrors(machine: Machine, index: int, kind: int, counter: int) -> int:
    datacenter_board(machine)
    if kind != pynvml.NVML_MEMORY_ERROR_TYPE_CORRECTED:
        return machine.faults.uncorrected.get(index, 0)
    lifetime = int(40 * noise(machine.plan.index, index, 6) ** 9)
    now = int(machine.now(state_of(machine, index).ecc_corrected))
    return now if counter == pynvml.NVML_VOLATILE_ECC else lifetime + now


def nvmlDeviceGetRemappedRows(machine: Machine, index: int) -> tuple[int, int, int, int]:
    datacenter_board(machine)
    return (int(noise(machine.plan.index, index, 8) > 0.97), 0, 0, 0)


def nvmlDeviceGetSramEccErrorStatus(machine: Machine, index: int, pointer: Any) -> int:
    datacenter_board(machine)
    return pynvml.NVML_SUCCESS  # the structure is made of zeros


def nvmlDeviceGetMemoryErrorCounter(machine: Machine, index: int, kind: int, counter: int, location: int) -> int:
    datacenter_board(machine)
    return 0


def nvmlDeviceGetRepairStatus(machine: Machine, index: int) -> list[int]:
    datacenter_board(machine)
    return [0, 0]


def nvmlDeviceGetRetiredPages_v2(machine: Machine, index: int, source: int) -> list[Any]:
    raise pynvml.NVMLError(NOT_SUPPORTED)


def nvmlDeviceGetRetiredPagesPendingStatus(machine: Machine, index: int) -> int:
    raise pynvml.NVMLError(NOT_SUPPORTED)


def nvmlDeviceGetRetiredPages(machine: Machine, index: int, source: int) -> list[Any]:
    raise pynvml.NVMLError(NOT_SUPPORTED)


# -- MIG: whole boards only


def nvmlDeviceGetMigMode(machine: Machine, index: int) -> list[int]:
    board = board_of(machine)
    if not board.datacenter or not board.links:
        raise pynvml.NVMLError(NOT_SUPPORTED)
    return [0, 0]


def nvmlDeviceGetMaxMigDeviceCount(machine: Machine, index: int) -> int:
    return 7 if board_of(machine).links else 0


def nvmlDeviceGetGpuInstanceId(machine: Machine, index: int) -> int:
    raise pynvml.NVMLError(NOT_SUPPORTED)


def nvmlDeviceGetAttributes_v2(machine: Machine, index: int) -> Any:
    raise pynvml.NVMLError(NOT_SUPPORTED)


def nvmlDeviceGetMigDeviceHandleByIndex(machine: Machine, index: int, instance: int) -> Any:
    raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)


# -- the fabric: only boards that say so share NVLink across nodes


def nvmlDeviceGetGpuFabricInfoV(machine: Machine, index: int, pointer: Any) -> int:
    board = board_of(machine)
    if board.links < 18:
        raise pynvml.NVMLError(NOT_SUPPORTED)
    info = pointer._obj
    spans_nodes = board.model.endswith("GB200")
    cluster = uuid.uuid5(uuid.NAMESPACE_DNS, f"{machine.plan.rack}.watchfloor").bytes if spans_nodes else bytes(16)
    info.clusterUuid[:] = cluster
    info.cliqueId = 32766 if spans_nodes else 0
    info.state = pynvml.NVML_GPU_FABRIC_STATE_COMPLETED
    info.healthMask = _HEALTHY_FABRIC
    return pynvml.NVML_SUCCESS


def nvmlDeviceGetGpuFabricInfo(machine: Machine, index: int, pointer: Any) -> int:
    raise pynvml.NVMLError(NOT_SUPPORTED)


_HEALTHY_FABRIC = 0x1AA  # bandwidth, routes and access well; no incorrect configuration

# -- NVLink


def nvmlDeviceGetNvLinkState(machine: Machine, index: int, link: int) -> int:
    _link(machine, link)
    return int((index, link) not in machine.faults.links_down)


def nvmlDeviceGetNvLinkVersion(machine: Machine, index: int, link: int) -> int:
    _link(machine, link)
    return {7: 5, 9: 7}.get(
        nvmlDeviceGetArchitecture(machine, index), 8
    )  # as drivers count, which isn't as nvml.h does


def nvmlDeviceGetArchitecture(machine: Machine, index: int) -> int:
    model = board_of(machine).model
    return next(arch for name, arch in _ARCHITECTURES.items() if name in model)


_ARCHITECTURES = {
    "A100": pynvml.NVML_DEVICE_ARCH_AMPERE,
    "H100": pynvml.NVML_DEVICE_ARCH_HOPPER,
    "B200": pynvml.NVML_DEVICE_ARCH_BLACKWELL,
    "L40S": pynvml.NVML_DEVICE_ARCH_ADA,
    "4090": pynvml.NVML_DEVICE_ARCH_ADA,
}


def nvmlDeviceGetNvLinkRemoteDeviceType(machine: Machine, index: int, link: int) -> int:
    _link(machine, link)
    return pynvml.NVML_NVLINK_DEVICE_TYPE_SWITCH


def nvmlDeviceGetNvLinkRemotePciInfo_v2(machine: Machine, index: int, link: int) -> Any:
    _link(machine, link)
    bus = 0x05 + link % 4
    info = pynvml.nvmlPciInfo_t(domain=0, bus=bus, device=0, pciDeviceId=0x22A310DE)
    info.busId = f"00000000:{bus:02X}:00.0".encode()
    return info


def nvmlDeviceGetNvLinkRemotePciInfo(machine: Machine, index: int, link: int) -> Any:
    return nvmlDeviceGetNvLinkRemotePciInfo_v2(machine, index, link)


def nvmlDeviceGetNvLinkErrorCounter(machine: Machine, index: int, link: int, counter: int) -> int:
    if is_nvlink_5(_link(machine, link)):
        raise pynvml.NVMLError(NOT_SUPPORTED)
    struck = state_of(machine, index).struck.get(link)
    errors = machine.now(struck.errors) if struck else 0.0
    shares = {
        pynvml.NVML_NVLINK_ERROR_DL_CRC_FLIT: 1.0,
        pynvml.NVML_NVLINK_ERROR_DL_REPLAY: 0.3,
        pynvml.NVML_NVLINK_ERROR_DL_RECOVERY: 0.01,
    }
    return int(errors * shares.get(counter, 0.0))


def _link(machine: Machine, link: int) -> Board:
    """The board; raises as NVML does where it has no NVLink, or none of that number."""
    board = board_of(machine)
    if link >= board.links:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_INVALID_ARGUMENT if board.links else NOT_SUPPORTED)
    return board
