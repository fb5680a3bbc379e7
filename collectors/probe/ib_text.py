"""What the files of /sys/class/infiniband say. Pure."""

from .cells import FAILED_CODE, UNSUPPORTED, Missing, rounded

# Bits of the counters that all InfiniBand hardware has; there they stop, they don't wrap (IBTA PortCounters, and
# drivers/infiniband/core/sysfs.c, which shows them as they are)
_WIDTHS = {
    "symbol_error": 16,
    "link_error_recovery": 8,
    "link_downed": 8,
    "port_rcv_errors": 16,
    "port_xmit_discards": 16,
    "local_link_integrity_errors": 4,
    "excessive_buffer_overrun_errors": 4,
    "port_xmit_wait": 32,
    "port_rcv_data": 64,
    "port_xmit_data": 64,
}
_ENDS = {name: (1 << bits) - 1 for name, bits in _WIDTHS.items()}


def rate(text: str) -> dict:
    """speed (bytes a second in one direction), width and medium of "400 Gb/sec (4X NDR)" or "10 Gb/sec (4X)"."""
    figure, _, rest = text.partition("(")
    words = rest.rstrip(") ").split()
    lanes = words[0][:-1] if words and words[0].endswith("X") else ""
    try:
        speed = rounded(float(figure.split()[0]) * 1e9 / 8)
    except (IndexError, ValueError):
        speed = Missing(UNSUPPORTED.code, text)
    return {
        "speed": speed,
        "width": int(lanes) if lanes.isdigit() else UNSUPPORTED,
        "medium": words[1] if len(words) > 1 else UNSUPPORTED,
    }


def phase(text: str) -> str:
    """ "Polling" of "2: Polling"."""
    return text.partition(":")[2].strip() or text


def counter(name: str, text: str) -> "int | Missing":
    """A counter by the name of its file: a number, "N/A (no PMA)", or the most that it can count."""
    if not text.isdigit():
        return Missing(UNSUPPORTED.code, text)
    count = int(text)
    if count == _ENDS.get(name):
        return Missing(FAILED_CODE, "stopped at %d, the most it can count: perfquery -R sets it to 0" % count)
    return count


def kind(device: str, layer: "str | Missing") -> str:
    """Which fabric a port belongs to. EFA, whose layer is Unspecified, speaks over Ethernet."""
    if layer not in ("Ethernet", "Unspecified"):
        return "infiniband"
    return "ethernet" if "bond" in device else "roce"
