"""The gRPC client of the probe: against a real server, and against what no good server sends."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collectors.probe.tpu_grpc import NOT_FOUND, UNAVAILABLE, UNIMPLEMENTED, UNKNOWN, Channel, Failure, frame, message
from collectors.probe.tpu_hpack import BadHeaders, Decoder, encoded, huffman
from collectors.probe.tpu_proto import SERVICE, BadMessage, Distribution, request, response
from collectors.simulator import tpu_messages
from collectors.simulator.tpu_messages import attribute, gauge
from tests.support.tpu_service import serving

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, CONTINUATION = 0, 1, 3, 4, 6, 7, 9
OPENING = b"\x88" + encoded([("content-type", "application/grpc")])  # ":status: 200", indexed
TRAILERS = encoded([("grpc-status", "0")])


@contextmanager
def saying(*frames: bytes, hold: bool = False) -> Iterator[Channel]:
    """A channel to a server that answers the first request with these bytes, whatever it is."""
    near, far = socket.socketpair()

    def serve() -> None:
        with far:
            seen = b""
            while b"application/grpc" not in seen:
                seen += far.recv(1 << 16)
            far.sendall(frame(SETTINGS, 0, 0, b"") + b"".join(frames))
            if not hold:
                far.shutdown(socket.SHUT_WR)
            while far.recv(1 << 16):  # until the client closes its end
                pass

    thread = threading.Thread(target=serve)
    thread.start()
    channel = Channel(near, time.monotonic)
    try:
        yield channel
    finally:
        channel.close()
        thread.join()


def ask(channel: Channel, seconds: float = 5.0) -> bytes | Failure:
    return channel.calls(SERVICE, [b"x"], seconds)[0]


def four(name: str) -> bytes:
    if name != "duty":
        raise KeyError(name)
    return tpu_messages.response(name, [gauge(attribute("device-id", number), 25.0 * number) for number in range(4)])


LARGE = tpu_messages.response("many", [gauge(attribute("device-id", number), number) for number in range(9000)])


def dial(port: int) -> Channel:
    return Channel(socket.create_connection(("127.0.0.1", port)), time.monotonic)


def test_a_real_server_answers_many_requests_at_once() -> None:
    with serving(four) as port:
        channel = dial(port)
        for _ in range(30):  # the trailers of later calls refer to those of earlier ones
            told, unknown = channel.calls(SERVICE, [request("duty"), request("nothing")], 5.0)
            assert isinstance(told, bytes) and isinstance(unknown, Failure)
            assert [(point.device, point.value) for point in response(told)] == [(n, 25.0 * n) for n in range(4)]
            assert unknown.code == NOT_FOUND and "metric nothing" in str(unknown)
        channel.close()


def test_answers_larger_than_the_first_window_keep_coming() -> None:
    with serving(lambda name: LARGE) as port:
        channel = dial(port)
        answers = [channel.calls(SERVICE, [request("many")], 10.0)[0] for _ in range(10)]  # the window is a MiB
        channel.close()
    assert len(LARGE) > 200_000 and answers == [LARGE] * 10


def test_another_service_says_that_it_has_no_such_method() -> None:
    with serving(four) as port:
        channel = dial(port)
        answer = channel.calls("/other.Service/Method", [b""], 5.0)[0]
        channel.close()
    assert isinstance(answer, Failure) and answer.code == UNIMPLEMENTED


def test_headers_in_pieces_with_padding_and_priority() -> None:
    padded = b"\x03" + bytes(5) + OPENING[:4] + bytes(3)
    with saying(
        frame(HEADERS, 0x8 | 0x20, 1, padded),
        frame(CONTINUATION, 0x4, 1, OPENING[4:]),
        frame(PING, 0, 0, b"12345678"),
        frame(DATA, 0x8, 1, b"\x02" + message(b"yes") + bytes(2)),
        frame(HEADERS, 0x5, 1, TRAILERS),
    ) as channel:
        assert ask(channel) == b"yes"


@pytest.mark.parametrize(
    ("frames", "code", "words"),
    [
        ([frame(RST_STREAM, 0, 1, b"\0\0\0\x08")], UNAVAILABLE, "broke off the call"),
        ([frame(GOAWAY, 0, 0, bytes(8))], UNAVAILABLE, "about to end"),
        ([frame(HEADERS, 0x5, 1, encoded([(":status", "404")]))], UNIMPLEMENTED, "HTTP status 404"),
        ([frame(HEADERS, 0x5, 1, b"\x88" + encoded([("grpc-status", "14")]))], UNAVAILABLE, "gRPC status 14"),
        ([frame(HEADERS, 0x5, 1, b"\x88")], UNKNOWN, "gRPC status missing"),
        ([frame(HEADERS, 0x5, 1, b"\x88" + TRAILERS)], UNKNOWN, "no single uncompressed message"),
        ([frame(HEADERS, 0x4, 1, b"\x88"), frame(DATA, 0, 1, b"\1" + message(b"zip")[1:]),
          frame(HEADERS, 0x5, 1, TRAILERS)], UNKNOWN, "no single uncompressed message"),
    ],
)  # fmt: skip
def test_a_call_fails_with_its_reason(frames: list[bytes], code: int, words: str) -> None:
    with saying(*frames, hold=True) as channel:
        answer = ask(channel)
    assert isinstance(answer, Failure) and answer.code == code and words in str(answer)


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", OSError, "speaks no HTTP/2"),
        (b"", ConnectionError, "closed the connection"),
        (frame(HEADERS, 0, 1, b"\x88") + frame(DATA, 0, 1, b""), OSError, "broke off a header block"),
        (frame(HEADERS, 0x4, 1, b"\xff\xff"), OSError, "headers can't be read"),
    ],
)
def test_a_connection_that_is_none_ends_with_an_error(data: bytes, kind: type[OSError], words: str) -> None:
    with saying(data) as channel, pytest.raises(kind, match=words):
        ask(channel)


def test_silence_ends_at_the_deadline() -> None:
    with saying(hold=True) as channel, pytest.raises(TimeoutError):
        ask(channel, 0.05)


def test_indexed_and_coded_headers() -> None:
    decoder = Decoder()
    # RFC 7541, appendix C.6.1 and C.6.2: a response with Huffman coding, then one that refers to it
    first = bytes.fromhex(
        "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3"
    )
    told = decoder.headers(first)
    assert (told[":status"], told["cache-control"], told["location"]) == ("302", "private", "https://www.example.com")
    again = decoder.headers(bytes.fromhex("4883640effc1c0bf"))
    assert (again[":status"], again["location"]) == ("307", "https://www.example.com")


@pytest.mark.parametrize(
    ("call", "data"),
    [
        (Decoder().headers, b"\x40\x05ab"),
        (Decoder().headers, b"\xbe"),
        (Decoder().headers, b"\x3f\xff\xff\xff\xff\xff"),
        (Decoder().headers, b"\x3f\xe1\xff\x03"),
        (huffman, b"\xff\xff\xff\xff"),
        (huffman, b"\x00\x00"),
    ],
)
def test_broken_header_blocks_are_refused(call: Callable[[bytes], object], data: bytes) -> None:
    with pytest.raises(BadHeaders):
        call(data)


@pytest.mark.parametrize("data", [b"\x0a\x10abc", b"\x0a\x02\x1a\x7f", b"\x0a", b"\x0b", b"\x80"])
def test_broken_messages_are_refused(data: bytes) -> None:
    with pytest.raises(BadMessage):
        response(data)


def test_a_histogram_that_goes_on_tells_of_the_time_since() -> None:
    before = Distribution([1.0, 2.0, 4.0], [0, 10, 0, 0], cumulative=True)
    now = Distribution([1.0, 2.0, 4.0], [0, 10, 4, 0], cumulative=True)
    assert now.since(before).quantile(0.5) == 3.0
    assert now.since(None).quantile(0.5) == pytest.approx(1.7)
    assert before.since(now) is before  # it was reset
    assert before.since(before).quantile(0.99) is None
    assert Distribution([1.0], [0, 3]).quantile(0.5) == 1.0  # above all bounds: at least the last


@given(st.binary(max_size=200))
@example(b"\x0a\x7f" * 40)
def test_no_bytes_are_too_strange_for_the_readers(data: bytes) -> None:
    with suppress(BadHeaders):
        Decoder().headers(data)
    with suppress(BadMessage):
        response(data)
    with suppress(BadMessage):
        response(tpu_messages.part(1, tpu_messages.part(3, data)))


@given(
    st.lists(st.tuples(st.integers(0, 10), st.integers(0, 63), st.integers(0, 3), st.binary(max_size=20)), max_size=4)
)
def test_no_frames_are_too_strange_for_the_client(frames: list[tuple[int, int, int, bytes]]) -> None:
    with saying(*(frame(*each) for each in frames)) as channel, suppress(OSError):
        assert isinstance(ask(channel), bytes | Failure)


def test_what_would_take_for_ever_is_refused() -> None:
    endless = b"\x80" * 100_000
    deep = b""
    for _ in range(3000):
        deep = tpu_messages.part(2, tpu_messages.part(6, tpu_messages.part(1, deep)))
    wide = tpu_messages.part(5, tpu_messages.part(7, b"\1" * 5000))
    for metric in (tpu_messages.part(1, deep), wide):
        with pytest.raises(BadMessage):
            response(tpu_messages.part(1, tpu_messages.part(3, metric)))
    with pytest.raises(BadMessage):
        response(endless)
