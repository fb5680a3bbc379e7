"""Which TCP sockets listen in a network, and where each is reached.

Of the node's own network the kernel is asked for those alone (sock_diag(7)). Its tables /proc/net/tcp and tcp6 say the
same, but to write them it walks all that it has room for: 8 ms of CPU on a large machine, whatever is open. They
are read where it doesn't answer, where it would load a module for that (nothing is to stay behind on a node), and for
the networks of containers.
"""

import socket
import struct
import zlib

LOOPBACK = "127.0.0.1"
_LISTENS, _MARK = "0A", " 0A "  # of the state, and as it stands in its line
_REST = 256  # characters that the rest of a line has at most
_OWN = "/proc/net/"
_NO_BYTES = b"\0" * 10

# linux/sock_diag.h, linux/inet_diag.h, linux/netlink.h
_SOCK_DIAG, _BY_FAMILY, _DUMP = 4, 20, 0x301
_ERROR, _DONE = 2, 3
_HEADER = struct.Struct("=IHHII")  # length, kind, flags, number, port
_REQUEST = struct.Struct("=BBBBI48s")  # family, protocol, extensions, padding, states; any socket
_LISTENING = 1 << 10
_MESSAGE = struct.Struct("!4xH2x16s")  # port, address
_INODE = struct.Struct("=68xI")
_GZIP = zlib.MAX_WBITS | 16
_ANSWER_BYTES = 1 << 15
_ANSWER_SECONDS = 2.0


def listening(world, folder: str = _OWN) -> "dict[int, tuple[str, str]]":
    """Port -> (address to reach it at, inode). `folder`: the tables of a network, of /proc/net or /proc/PID/net."""
    if folder == _OWN:
        try:
            return told(world.listening_sockets())
        except OSError:  # a kernel, or a sandbox, without it
            pass
    found = listed(world.read_or_blank(folder + "tcp6"))  # a kernel may be without IPv6
    found.update(listed(world.read_or_blank(folder + "tcp")))
    return found


def answers(world) -> bool:
    """Whether the kernel has what answers, loaded or built in."""
    return world.exists("/sys/module/tcp_diag") or _built_in(world)


def _built_in(world) -> bool:
    """By the list that is installed with the kernel, or by its own configuration (CONFIG_IKCONFIG_PROC)."""
    try:
        return "/tcp_diag.ko" in world.read("/lib/modules/%s/modules.builtin" % world.uname().release)
    except OSError:
        pass
    try:
        return b"CONFIG_INET_TCP_DIAG=y" in zlib.decompress(world.read_bytes("/proc/config.gz"), _GZIP)
    except (OSError, zlib.error):
        return False


def asked() -> "list[tuple[int, bytes]]":
    """Of this process's own network: family and message (struct inet_diag_msg) of each. Raises OSError."""
    found = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, _SOCK_DIAG) as kernel:
        kernel.settimeout(_ANSWER_SECONDS)
        for family in (socket.AF_INET6, socket.AF_INET):
            request = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0, _LISTENING, b"")
            kernel.send(_HEADER.pack(_HEADER.size + len(request), _BY_FAMILY, _DUMP, 0, 0) + request)
            found += [(family, message) for message in _dump(kernel)]
    return found


def _dump(kernel) -> "list[bytes]":
    """The messages of one answer. Raises OSError where the kernel refuses."""
    found = []
    while True:
        data, at = kernel.recv(_ANSWER_BYTES), 0
        while at + _HEADER.size <= len(data):
            length, kind, _, _, _ = _HEADER.unpack_from(data, at)
            body = data[at + _HEADER.size : at + length]
            if kind == _DONE:
                return found
            if kind == _ERROR or length < _HEADER.size:
                number = -struct.unpack_from("=i", body)[0] if len(body) >= 4 else 0
                raise OSError(number, "the kernel doesn't tell which sockets listen")
            found.append(body)
            at += (length + 3) & ~3


def told(sockets: "list[tuple[int, bytes]]") -> "dict[int, tuple[str, str]]":
    """As `listening`, of what `asked` gives."""
    found = {}
    for family, message in sockets:
        port, address = _MESSAGE.unpack_from(message)
        host = _reached_at(address[:4] if family == socket.AF_INET else address)
        if host:
            found[port] = host, str(_INODE.unpack_from(message)[0])
    return found


def listed(table: str) -> "dict[int, tuple[str, str]]":
    """As `listening`, of the text of /proc/net/tcp or tcp6. Of thousands of sockets few listen."""
    found = {}
    at = table.find(_MARK)
    while at >= 0:
        words = table[table.rfind("\n", 0, at) + 1 : at + _REST].partition("\n")[0].split()
        if len(words) > 9 and words[3] == _LISTENS:
            address, _, port = words[1].partition(":")
            host = _reached_at(_in_order(address))
            if host:
                found[int(port, 16)] = (host, words[9])
        at = table.find(_MARK, at + 1)
    return found


def _in_order(address: str) -> bytes:
    """The kernel's tables have addresses in the machine's order of bytes, four at a time."""
    return b"".join(struct.pack("=I", int(address[at : at + 8], 16)) for at in range(0, len(address), 8))


def _reached_at(address: bytes) -> str:
    """ "" for one of IPv6 alone."""
    if not any(address):
        return LOOPBACK
    if len(address) == 16:
        if address[:10] != _NO_BYTES or address[10:12] != b"\xff\xff":
            return ""
        address = address[12:]
    return socket.inet_ntoa(address)
