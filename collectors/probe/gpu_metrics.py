"""The table that amdgpu hands out as the file gpu_metrics: fields by the kernel's names. Pure: bytes in, numbers out.

One read of it replaces a dozen of sysfs files, and it alone tells energy, throttling and the traffic of XGMI links.
Layouts: drivers/gpu/drm/amd/include/kgd_pp_interface.h, x86-64 alignment; revisions 1.4 to 1.8 are no prefixes of one
another. From 1.9 on, the table names its fields itself. Revisions 2.x and 3.x are those of processors with graphics;
their units changed without notice, so they aren't read. All bits set means that the board doesn't have a field.
"""

from struct import Struct, calcsize, unpack_from

# name, format and offset; the fields of boards that nobody here asks for are left out
_DISCRETE = """
temperature_edge H 4, temperature_hotspot H 6, temperature_mem H 8, average_gfx_activity H 16,
average_umc_activity H 18, curr_socket_power H 22, energy_accumulator Q 24, current_gfxclk H 54, current_uclk H 58
"""
_HEAD = """
temperature_hotspot H 4, temperature_mem H 6, curr_socket_power H 10, average_gfx_activity H 12,
average_umc_activity H 14
"""
_LAYOUTS = {
    (1, 1): _DISCRETE,
    (1, 2): _DISCRETE,
    (1, 3): _DISCRETE + ", indep_throttle_status Q 112",
    (1, 4): _HEAD + """, energy_accumulator Q 24, throttle_status I 40, xgmi_link_width H 52, xgmi_link_speed H 54,
        pcie_bandwidth_inst Q 72, pcie_replay_count_acc Q 88, xgmi_read_data_acc 8Q 104, xgmi_write_data_acc 8Q 168,
        current_gfxclk 8H 240, current_uclk H 280""",
    (1, 5): _HEAD + """, energy_accumulator Q 56, throttle_status I 72, xgmi_link_width H 84, xgmi_link_speed H 86,
        pcie_bandwidth_inst Q 104, pcie_replay_count_acc Q 120, xgmi_read_data_acc 8Q 144,
        xgmi_write_data_acc 8Q 208, current_gfxclk 8H 280, current_uclk H 320""",
    (1, 6): _HEAD + """, energy_accumulator Q 16, accumulation_counter I 32, prochot_residency_acc I 36,
        ppt_residency_acc I 40, socket_thm_residency_acc I 44, vr_thm_residency_acc I 48,
        hbm_thm_residency_acc I 52, xgmi_link_width H 64, xgmi_link_speed H 66, pcie_bandwidth_inst Q 88,
        pcie_replay_count_acc Q 104, xgmi_read_data_acc 8Q 128, xgmi_write_data_acc 8Q 192, current_gfxclk 8H 264,
        current_uclk H 304""",
    (1, 7): _HEAD + """, energy_accumulator Q 24, accumulation_counter I 40, prochot_residency_acc I 44,
        ppt_residency_acc I 48, socket_thm_residency_acc I 52, vr_thm_residency_acc I 56,
        hbm_thm_residency_acc I 60, xgmi_link_width H 72, xgmi_link_speed H 74, pcie_bandwidth_inst Q 96,
        pcie_replay_count_acc Q 112, xgmi_read_data_acc 8Q 136, xgmi_write_data_acc 8Q 200, xgmi_link_status 8H 264,
        current_gfxclk 8H 296, current_uclk H 336""",
}  # fmt: skip
_LAYOUTS[1, 8] = _LAYOUTS[1, 7]  # differs only behind what is read here
_PARTITIONS = {(1, 6): (312, 168), (1, 7): (344, 232), (1, 8): (344, 376)}  # xcp_stats: offset, size of each
_NAMING_ITSELF = (1, 9)

# enum amdgpu_metrics_attr_id
_ATTRIBUTES = {
    0: "temperature_hotspot", 1: "temperature_mem", 3: "curr_socket_power", 4: "average_gfx_activity",
    5: "average_umc_activity", 7: "energy_accumulator", 9: "accumulation_counter", 10: "prochot_residency_acc",
    11: "ppt_residency_acc", 12: "socket_thm_residency_acc", 13: "vr_thm_residency_acc", 14: "hbm_thm_residency_acc",
    18: "xgmi_link_width", 19: "xgmi_link_speed", 23: "pcie_bandwidth_inst", 25: "pcie_replay_count_acc",
    29: "xgmi_read_data_acc", 30: "xgmi_write_data_acc", 31: "xgmi_link_status", 33: "current_gfxclk",
    37: "current_uclk",
}  # fmt: skip
_GFX_BUSY = 40  # of all dies
_SERIES = ("pcie_bandwidth_inst", "xgmi_read_data_acc", "xgmi_write_data_acc", "xgmi_link_status", "current_gfxclk")
_FORMATS = "BbHhIiQq"  # enum amdgpu_metrics_attr_type

_layouts = {}  # revision -> Layout, made once a board has asked for it
_named = {}  # size of a table of 1.9 -> (Struct of its encodings, the encodings, Layout), as met last


def parse(table: bytes) -> dict:
    """Name -> number, or a tuple with None for the instances that the board doesn't have. Fields it lacks are absent.

    Raises ValueError for a revision that isn't known, or a table that is cut off.
    """
    if len(table) < 8:
        raise ValueError("gpu_metrics of %d bytes" % len(table))
    revision = unpack_from("<BB", table, 2)
    if revision == _NAMING_ITSELF:
        return _self_named(table).read(table)
    if revision not in _LAYOUTS:
        raise ValueError("gpu_metrics of revision %d.%d is not known" % revision)
    layout = _layouts.get(revision)
    if layout is None:
        fields = [words.split() for words in _LAYOUTS[revision].split(",")]
        layout = _layouts[revision] = Layout([(name, form, int(offset)) for name, form, offset in fields])
    if len(table) < layout.size:
        raise ValueError("gpu_metrics %d.%d ends after %d bytes" % (*revision, len(table)))
    return layout.read(table)


def dies(table: bytes, partitions: int) -> "list[float | None]":
    """Share of time, in %, in which the dies of each partition were busy; None where a partition has none that tell."""
    revision, found = unpack_from("<BB", table, 2), []
    if revision == _NAMING_ITSELF:
        busy = [(kind, offset) for encoding, kind, offset in _walked(table) if encoding >> 10 & 0x3FF == _GFX_BUSY]
        every = unpack_from("<" + busy[0][0], table, busy[0][1]) if busy else ()
        share = len(every) // partitions
        found = [every[number * share : (number + 1) * share] for number in range(partitions)]
    elif revision in _PARTITIONS:
        start, size = _PARTITIONS[revision]
        there = max(0, len(table) - start) // size  # none of them, where the driver is the kernel's own
        found = [unpack_from("<8I", table, start + number * size) for number in range(min(partitions, there))]
    means = []
    for values in found:
        known = [value for value in values if value != 0xFFFFFFFF]
        means.append(sum(known) / len(known) if known else None)
    return means + [None] * (partitions - len(means))


class Layout:
    """Where some fields lie. All are read in one call: a dozen calls for each board and tick would cost more."""

    def __init__(self, fields: "list[tuple[str, str, int]]") -> None:
        form, end, start = "<", 0, 0
        self._fields = []  # name, index of its first value, how many, the value that stands for none
        for name, kind, offset in sorted(fields, key=lambda field: field[2]):
            count = int(kind[:-1] or 1)
            form += "%dx%s" % (offset - end, kind)
            end = offset + calcsize("<" + kind)
            self._fields.append((name, start, count, (1 << 8 * calcsize("<" + kind[-1])) - 1))
            start += count
        self._struct = Struct(form)
        self.size = end

    def read(self, table: bytes) -> dict:
        values, found = self._struct.unpack_from(table), {}
        for name, start, count, absent in self._fields:
            if name not in _SERIES:
                if values[start] != absent:
                    found[name] = values[start]
                continue
            series = values[start : start + count]
            if absent not in series:
                found[name] = series
            elif series.count(absent) < count:
                found[name] = tuple(None if value == absent else value for value in series)
        return found


def _self_named(table: bytes) -> Layout:
    """The layout of a table of revision 1.9; that of the last one where the encodings are the same."""
    known = _named.get(len(table))
    if known is not None and known[0].unpack_from(table) == known[1]:
        return known[2]
    fields, encodings, form, end = [], [], "<", 0
    for encoding, kind, offset in _walked(table):
        name = _ATTRIBUTES.get(encoding >> 10 & 0x3FF)
        if name is not None:
            fields.append((name, kind, offset))
        encodings.append(encoding)
        form += "%dxQ" % (offset - 8 - end)
        end = offset
    found = Layout(fields)
    _named[len(table)] = (Struct(form), tuple(encodings), found)
    return found


def _walked(table: bytes):
    """Encoding (unit, type, id, instances), format and offset of each field of a table of revision 1.9, unaligned."""
    (count,), offset = unpack_from("<I", table, 4), 8
    for _ in range(count):
        if offset + 8 > len(table):
            raise ValueError("gpu_metrics 1.9 ends after %d bytes" % len(table))
        (encoding,) = unpack_from("<Q", table, offset)
        if encoding >> 20 & 0xF >= len(_FORMATS):
            raise ValueError("gpu_metrics 1.9 has a field of type %d" % (encoding >> 20 & 0xF))
        kind = "%d%s" % (max(1, encoding & 0x3FF), _FORMATS[encoding >> 20 & 0xF])
        offset += 8
        if offset + calcsize("<" + kind) > len(table):
            raise ValueError("gpu_metrics 1.9 ends after %d bytes" % len(table))
        yield encoding, kind, offset
        offset += calcsize("<" + kind)
