"""A gRPC client for unary calls over plaintext HTTP/2 (RFC 7540), in the standard library.

libtpu's service listens on the loopback of the node, without encryption (what gRPC calls local channel credentials
only checks that). It is asked here, on the node, so that the console forwards no port: a TPU host behind SSH and the
local machine take the same road.

Not kept: the windows of single streams, since requests are smaller than any that a server grants. An answer of more
than a MiB never ends; its deadline does.
"""

import re
import select
import struct

from .tpu_hpack import BadHeaders, Decoder, encoded

# gRPC status codes (doc/statuscodes.md)
OK, CANCELLED, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, PERMISSION_DENIED = 0, 1, 2, 3, 4, 5, 7
UNIMPLEMENTED, UNAVAILABLE, UNAUTHENTICATED = 12, 14, 16

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE, _CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
_ACK = _END_STREAM = 0x1
_END_HEADERS, _PADDED, _PRIORITY = 0x4, 0x8, 0x20
_NO_PUSH, _STREAM_WINDOW = (2, 0), (4, 1 << 20)  # settings
_FIRST_WINDOW, _MOST_FRAME, _HEAD = 65535, 16384, 9  # bytes


class Failure(Exception):
    """A call that was answered with a status other than OK; `code` as above."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Channel:
    """One connection, for one thread. After an OSError it is good for nothing more."""

    def __init__(self, socket, clock) -> None:
        """`socket` is connected; `clock()` gives seconds that only grow."""
        self._socket = socket
        self._clock = clock
        self._rest = b""
        self._decoder = Decoder()
        self._next = 1
        self._credit = _FIRST_WINDOW  # bytes of requests that the server takes
        self._eaten = 0  # bytes of answers that the server isn't told of yet
        settings = b"".join(struct.pack("!HI", *setting) for setting in (_NO_PUSH, _STREAM_WINDOW))
        wider = struct.pack("!I", _STREAM_WINDOW[1] - _FIRST_WINDOW)
        socket.sendall(_PREFACE + frame(_SETTINGS, 0, 0, settings) + frame(_WINDOW_UPDATE, 0, 0, wider))

    def calls(self, path: str, requests: "list[bytes]", seconds: float) -> "list[bytes | Failure]":
        """The answers to several requests of one method, asked at once. Raises OSError, TimeoutError among them."""
        until = self._clock() + seconds
        streams = {self._next + 2 * index: _Stream() for index in range(len(requests))}
        self._next += 2 * len(requests)
        head = encoded(_request_headers(path, seconds))
        sent = b"".join(
            frame(_HEADERS, _END_HEADERS, number, head) + frame(_DATA, _END_STREAM, number, message(request))
            for number, request in zip(streams, requests)
        )
        self._spend(sum(len(request) + 5 for request in requests))
        self._socket.sendall(self._grant() + sent)  # in one piece: a second small one would wait for the first's ACK
        while not all(stream.ended for stream in streams.values()):
            self._take(streams, until)
        return [stream.answer() for stream in streams.values()]

    def close(self) -> None:
        self._socket.close()

    def _spend(self, size: int) -> None:
        if self._credit < size:
            raise OSError("the server has not taken the last requests yet")
        self._credit -= size

    def _grant(self) -> bytes:
        """The frame that lets the server send as much again as it has."""
        eaten, self._eaten = self._eaten, 0
        return frame(_WINDOW_UPDATE, 0, 0, struct.pack("!I", eaten)) if eaten else b""

    def _take(self, streams: dict, until: float) -> None:
        """Read one frame, and act on it."""
        kind, flags, number, payload = self._frame(until)
        stream = streams.get(number, _Stream())  # of an earlier call that nobody waits for any more
        if kind == _DATA:
            self._eaten += len(payload)
            stream.data += _unpadded(payload, flags)
        elif kind == _HEADERS:
            stream.headers.update(self._headers(number, flags, payload, until))
        elif kind == _RST_STREAM:
            stream.end(UNAVAILABLE, "the server broke off the call, HTTP/2 error %d" % _number(payload))
        elif kind == _GOAWAY:
            for other in (other for at, other in streams.items() if at > _number(payload)):
                other.end(UNAVAILABLE, "the server is about to end")
        elif kind == _WINDOW_UPDATE and number == 0:
            self._credit += _number(payload)
        elif kind in (_SETTINGS, _PING) and not flags & _ACK:
            self._socket.sendall(frame(kind, _ACK, 0, payload if kind == _PING else b""))
        if kind in (_DATA, _HEADERS) and flags & _END_STREAM:
            stream.ended = True

    def _headers(self, number: int, flags: int, payload: bytes, until: float) -> dict:
        """A block and its continuations; it is read whoever waits for it, since later ones build upon it."""
        block = _unpadded(payload, flags)
        block = block[5:] if flags & _PRIORITY else block
        while not flags & _END_HEADERS:
            kind, flags, at, more = self._frame(until)
            if (kind, at) != (_CONTINUATION, number):
                raise OSError("the server broke off a header block")
            block += more
        try:
            return self._decoder.headers(block)
        except BadHeaders as error:
            raise OSError("the server's headers can't be read: %s" % error) from error

    def _frame(self, until: float) -> "tuple[int, int, int, bytes]":
        """Kind, flags, stream and payload of the next frame."""
        head = self._exactly(_HEAD, until)
        size = int.from_bytes(head[:3], "big")
        if size > _MOST_FRAME:
            raise OSError("what listens there speaks no HTTP/2: %r" % head)
        return head[3], head[4], _number(head[5:]), self._exactly(size, until)

    def _exactly(self, size: int, until: float) -> bytes:
        while len(self._rest) < size:
            left = until - self._clock()
            if left <= 0 or not select.select([self._socket], [], [], left)[0]:
                raise TimeoutError("no answer in time")
            chunk = self._socket.recv(1 << 16)
            if not chunk:
                raise ConnectionError("the server closed the connection")
            self._rest += chunk
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken


class _Stream:
    """One call that is under way."""

    def __init__(self) -> None:
        self.headers = {}  # those before the answer, and the trailers
        self.data = b""
        self.ended = False

    def end(self, code: int, text: str) -> None:
        self.headers = {":status": "200", "grpc-status": str(code), "grpc-message": text}
        self.ended = True

    def answer(self) -> "bytes | Failure":
        if self.headers.get(":status") != "200":
            return Failure(UNIMPLEMENTED, "no gRPC service: HTTP status %s" % self.headers.get(":status", "missing"))
        status = self.headers.get("grpc-status", "")
        if status != "0":
            text = _words(self.headers.get("grpc-message", "")) or "gRPC status %s" % (status or "missing")
            return Failure(int(status) if status.isdigit() else UNKNOWN, text)
        if len(self.data) < 5 or self.data[0] or len(self.data) != 5 + _number(self.data[1:5], whole=True):
            return Failure(UNKNOWN, "an answer of %d bytes is no single uncompressed message" % len(self.data))
        return self.data[5:]


def _words(text: str) -> str:
    """A status message without its percent coding."""
    return re.sub(rb"%([0-9A-Fa-f]{2})", lambda coded: bytes((int(coded.group(1), 16),)), text.encode()).decode(
        "utf-8", "replace"
    )


def _request_headers(path: str, seconds: float) -> "list[tuple[str, str]]":
    return [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("grpc-timeout", "%dm" % max(1, seconds * 1000)),
    ]


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One HTTP/2 frame."""
    return len(payload).to_bytes(3, "big") + struct.pack("!BBI", kind, flags, stream) + payload


def message(data: bytes) -> bytes:
    """One gRPC message, not compressed."""
    return struct.pack("!BI", 0, len(data)) + data


def _number(data: bytes, whole: bool = False) -> int:
    """The first 4 bytes; in HTTP/2 the first bit of them is reserved."""
    value = int.from_bytes(data[:4], "big")
    return value if whole else value & 0x7FFFFFFF


def _unpadded(payload: bytes, flags: int) -> bytes:
    return payload[1 : len(payload) - payload[0]] if flags & _PADDED and payload else payload
