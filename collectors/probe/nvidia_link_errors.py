"""What goes wrong on NVLinks: up to NVLink 4 counters of their own, from NVLink 5 (Blackwell) on those of its packets.

On NVLink 5 the older counters are gone. What its correction mends is counted in a histogram, by how many symbols of a
block were broken; `fec_errors` is what was left broken.
"""

from .cells import UNSUPPORTED, Missing
from .nvml import ask
from .nvml_fields import FieldBatch, Numbers

METRICS = (
    "crc_errors replay_errors recovery_errors symbol_errors fec_errors fec_mended ber rx_errors tx_discards".split()
)
_COUNTERS = (("replay_errors", 0), ("recovery_errors", 1), ("crc_errors", 2))  # nvmlNvLinkErrorCounter_t
# field ids of nvml.h, with the link as their scope
_FIELDS = (
    ("replay_errors", 295),  # PLR_XMIT_RETRY_BLOCKS
    ("recovery_errors", 215),
    ("symbol_errors", 221),
    ("fec_errors", 219),  # EFFECTIVE_ERRORS
    ("rx_errors", 208),
    ("tx_discards", 212),
    ("ber", 220),
    ("symbol_ber", 222),
)
_MENDED = range(236, 251)  # FEC_HISTORY 1 to 15
_MENDED_EVERY = 3  # looks
# nvmlDeviceArchitecture_t -> generation. The version that drivers tell of a link is one of two numberings: 7 is
# NVLink 5 by nvml.h, and yet what they say of an H100
_GENERATIONS = {4: 1, 5: 2, 6: 2, 7: 3, 9: 4, 10: 5, 13: 6}
_OF_VERSIONS = {1: 1, 2: 2, 3: 2, 4: 3, 5: 3, 6: 4, 7: 5, 8: 6}  # nvmlNvlinkVersion_t


def generation(nvml, handle) -> "int | Missing":
    """Of the NVLinks of a GPU: by its architecture, else (a driver before 450) by the version of its first link."""
    architecture = ask(nvml, "nvmlDeviceGetArchitecture", handle)
    known = None if isinstance(architecture, Missing) else _GENERATIONS.get(architecture)
    if known is not None:
        return known
    version = ask(nvml, "nvmlDeviceGetNvLinkVersion", handle, 0)
    return version if isinstance(version, Missing) else _OF_VERSIONS.get(version, UNSUPPORTED)


class LinkErrors:
    """The errors of all links of one GPU."""

    def __init__(self, nvml, handle, links, generation: "int | Missing") -> None:
        self._links = links
        asked = [(handle, link, counter) for link in links for _, counter in _COUNTERS]
        self._counters = Numbers(nvml, "nvmlDeviceGetNvLinkErrorCounter", asked, "Q")
        self._counted, self._told = [], []  # what they said last, and the cells of it
        self._batch = self._mended = None
        self._mended_of = [UNSUPPORTED] * len(links)
        self._looks = 0
        if not isinstance(generation, Missing) and generation >= 5:
            self._batch = FieldBatch(nvml, handle, [(field, link) for link in links for _, field in _FIELDS])
            self._mended = FieldBatch(nvml, handle, [(field, link) for link in links for field in _MENDED])

    def look(self) -> "list[dict]":
        """The cells of each link."""
        if self._batch is None or self._mended is None:
            return self._of_counters(self._counters.values())
        if self._looks % _MENDED_EVERY == 0:
            counted = self._mended.values()
            self._mended_of = [_sum(counted[at : at + len(_MENDED)]) for at in range(0, len(counted), len(_MENDED))]
        self._looks += 1
        values = iter(self._batch.values())
        return [_of_packets({name: next(values) for name, _ in _FIELDS}, mended) for mended in self._mended_of]

    def _of_counters(self, counted: list) -> "list[dict]":
        """The very same cells where no counter has moved."""
        if counted != self._counted:
            values = iter(counted)
            self._counted, self._told = counted, [{name: next(values) for name, _ in _COUNTERS} for _ in self._links]
        return self._told


def _sum(bins: list) -> "int | Missing":
    """Of a histogram: a reason where any part of it is missing."""
    return next((count for count in bins if isinstance(count, Missing)), None) or sum(bins)


def _of_packets(row: dict, mended: "int | Missing") -> dict:
    row["fec_mended"] = mended
    effective, symbol = row["ber"], row.pop("symbol_ber")
    row["ber"] = bit_error_rate(symbol if isinstance(effective, Missing) else effective)
    return row


def bit_error_rate(value: "int | Missing") -> "float | Missing":
    """Of NVML's form: bits 8 to 11 are the mantissa, bits 0 to 7 the negative exponent of ten."""
    if isinstance(value, Missing):
        return value
    return float("%de-%d" % (value >> 8 & 0xF, value & 0xFF))
