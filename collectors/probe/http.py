"""One GET over HTTP/1.1 on a connected socket, within a time and a size. The standard client costs 15 ms to compile.

Must not do: any other method, redirects, a second request on the connection.
"""

MOST_BYTES = 8 << 20
_MOST_HEAD = 64 * 1024
_CHUNK = 1 << 16


class BadAnswer(OSError):
    """What came back is no HTTP, or more than is read; the text says which."""


def get(socket, path: str, host: str, seconds: float, clock) -> "tuple[int, bytes]":
    """Status and body. `clock()` gives seconds that only grow. Raises OSError, TimeoutError among them."""
    request = "GET %s HTTP/1.1\r\nHost: %s\r\nAccept: text/plain;version=0.0.4\r\nConnection: close\r\n\r\n"
    reader = _Reader(socket, clock, clock() + seconds)
    socket.sendall((request % (path, host)).encode())
    head = reader.until(b"\r\n\r\n", _MOST_HEAD).decode("latin-1").split("\r\n")
    words = head[0].split(None, 2)
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit():
        raise BadAnswer("what listens there speaks no HTTP: %r" % head[0][:40])
    pairs = (line.partition(":")[::2] for line in head[1:])
    headers = {name.strip().lower(): text.strip() for name, text in pairs}
    return int(words[1]), _body(reader, headers)


def _body(reader: "_Reader", headers: dict) -> bytes:
    if headers.get("transfer-encoding", "").lower().endswith("chunked"):
        return _chunks(reader)
    length = headers.get("content-length", "")
    if length.isdigit():
        return reader.exactly(_bounded(int(length)))
    return reader.rest()


def _chunks(reader: "_Reader") -> bytes:
    parts, size = [], 0
    while True:
        line = reader.until(b"\r\n", _MOST_HEAD).partition(b";")[0].strip()
        try:
            length = int(line, 16)
        except ValueError as error:
            raise BadAnswer("a broken chunk: %r" % line[:20]) from error
        if length <= 0:
            return b"".join(parts)
        size = _bounded(size + length)
        parts.append(reader.exactly(length + 2)[:-2])


def _bounded(size: int) -> int:
    if size > MOST_BYTES:
        raise BadAnswer("more than %d MiB of metrics" % (MOST_BYTES >> 20))
    return size


class _Reader:
    """Bytes of a socket until a time."""

    def __init__(self, socket, clock, until: float) -> None:
        self._socket = socket
        self._clock = clock
        self._until = until
        self._held = bytearray()

    def until(self, mark: bytes, most: int) -> bytes:
        """What stands before the next mark; the mark is passed over."""
        looked = 0
        while True:
            at = self._held.find(mark, max(0, looked - len(mark)))
            if at >= 0:
                taken = bytes(self._held[:at])
                del self._held[: at + len(mark)]
                return taken
            looked = len(self._held)
            if looked > most:
                raise BadAnswer("a head of more than %d KiB" % (most >> 10))
            if not self._more():
                raise BadAnswer("the connection was closed before an answer")

    def exactly(self, size: int) -> bytes:
        while len(self._held) < size:
            if not self._more():
                raise BadAnswer("the connection was closed within an answer")
        taken = bytes(self._held[:size])
        del self._held[:size]
        return taken

    def rest(self) -> bytes:
        while self._more():
            _bounded(len(self._held))
        return bytes(self._held)

    def _more(self) -> bool:
        left = self._until - self._clock()
        if left <= 0:
            raise TimeoutError("no answer in time")
        self._socket.settimeout(left)
        try:
            chunk = self._socket.recv(_CHUNK)
        except OSError as error:
            if "timed out" in str(error):  # before Python 3.10 socket.timeout is no TimeoutError
                raise TimeoutError("no answer in time") from error
            raise
        self._held += chunk
        return bool(chunk)
