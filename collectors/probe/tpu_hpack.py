"""Header compression of HTTP/2 (RFC 7541), as much of it as a client of one service needs. Pure.

Sent are literals that nobody has to remember. Received may be anything that the RFC allows: indexed and Huffman-coded
headers, and a dynamic table of the size that RFC 7540 starts with.
"""

from functools import lru_cache

_STATIC = """
:authority|:method=GET|:method=POST|:path=/|:path=/index.html|:scheme=http|:scheme=https|:status=200|:status=204|
:status=206|:status=304|:status=400|:status=404|:status=500|accept-charset|accept-encoding=gzip, deflate|
accept-language|accept-ranges|accept|access-control-allow-origin|age|allow|authorization|cache-control|
content-disposition|content-encoding|content-language|content-length|content-location|content-range|content-type|
cookie|date|etag|expect|expires|from|host|if-match|if-modified-since|if-none-match|if-range|if-unmodified-since|
last-modified|link|location|max-forwards|proxy-authenticate|proxy-authorization|range|referer|refresh|retry-after|
server|set-cookie|strict-transport-security|transfer-encoding|user-agent|vary|via|www-authenticate
"""
# RFC 7541, appendix B: bits of the code of each byte and of the end of a string, "a" for 5. The code is canonical.
_BITS = (
    "isxxxxxxxtzxxzxxxxxxxxzxxxxxxxxxbffhibdgffdgdbbbaaabbbbbbbcdkbhfibccccccccccccccccccccccdcdioijbkabababbbaccbbba"
    "bcbaabccccckgjixprpprrrsrssssststtrstssssqrsrsstrqprrssqsrrtqrssqqrqsrssprrrsrrsvvporsruvvvwwvtuoqvwwvwtqqvvxwww"
    "ptpqrqqsrruuttvsvwvvwwwwwxwwwwwvz"
)
_TABLE_BYTES, _ENTRY_BYTES = 4096, 32
_END_OF_STRING = 256


class BadHeaders(Exception):
    """What came is no header block."""


def encoded(headers: "list[tuple[str, str]]") -> bytes:
    """A header block: every field a literal that isn't indexed, none of it Huffman-coded."""
    return b"".join(b"\0" + _plain(name) + _plain(value) for name, value in headers)


def _plain(text: str) -> bytes:
    data = text.encode()
    if len(data) >= 127:
        raise ValueError("a header of %d bytes: only short ones are sent" % len(data))
    return bytes((len(data),)) + data


class Decoder:
    """Reads the header blocks of one connection, in their order: each may refer to those before."""

    def __init__(self) -> None:
        self._dynamic = []  # (name, value), the newest first
        self._limit = _TABLE_BYTES

    def headers(self, block: bytes) -> dict:
        """Raises BadHeaders."""
        found, at = {}, 0
        try:
            while at < len(block):
                at, field = self._field(block, at)
                if field is not None:
                    found[field[0]] = field[1]
        except IndexError:
            raise BadHeaders("a header block ends within a field") from None
        return found

    def _field(self, block: bytes, at: int) -> tuple:
        """Where the next field begins, and this one as (name, value); None where it only sets the table's size."""
        first = block[at]
        if first & 0x80:
            index, at = _integer(block, at, 7)
            return at, self._entry(index)
        if first & 0xE0 == 0x20:
            self._limit, at = _integer(block, at, 5)
            self._evict()
            return at, None
        remembered = bool(first & 0x40)
        index, at = _integer(block, at, 6 if remembered else 4)
        if index:
            name = self._entry(index)[0]
        else:
            name, at = _string(block, at)
        value, at = _string(block, at)
        if remembered:
            self._dynamic.insert(0, (name, value))
            self._evict()
        return at, (name, value)

    def _entry(self, index: int) -> tuple:
        table = _static()
        if not 0 < index <= len(table) + len(self._dynamic):
            raise BadHeaders("a header refers to entry %d, which isn't there" % index)
        return table[index - 1] if index <= len(table) else self._dynamic[index - len(table) - 1]

    def _evict(self) -> None:
        if self._limit > _TABLE_BYTES:
            raise BadHeaders("a header table of %d bytes was not agreed to" % self._limit)
        while sum(len(name) + len(value) + _ENTRY_BYTES for name, value in self._dynamic) > self._limit:
            self._dynamic.pop()


@lru_cache(maxsize=None)
def _static() -> list:
    entries = (entry.partition("=") for entry in _STATIC.replace("\n", "").split("|"))
    return [(name, value) for name, _, value in entries]


def _integer(block: bytes, at: int, bits: int) -> "tuple[int, int]":
    """A number whose first `bits` bits stand in block[at], and where the next thing begins. Section 5.1."""
    value, most = block[at] & ((1 << bits) - 1), (1 << bits) - 1
    at += 1
    if value < most:
        return value, at
    for shift in range(0, 28, 7):
        part = block[at]
        at += 1
        value += (part & 0x7F) << shift
        if not part & 0x80:
            return value, at
    raise BadHeaders("a number in a header block has no end")


def _string(block: bytes, at: int) -> "tuple[str, int]":
    coded = bool(block[at] & 0x80)
    length, at = _integer(block, at, 7)
    data = block[at : at + length]
    if len(data) < length:
        raise BadHeaders("a header block ends within a string")
    return (huffman(data) if coded else data).decode("utf-8", "replace"), at + length


def huffman(data: bytes) -> bytes:
    """What a Huffman-coded string says. Raises BadHeaders."""
    codes = _codes()
    found, code, length = bytearray(), 0, 0
    for byte in data:
        for shift in range(7, -1, -1):
            code, length = code << 1 | (byte >> shift) & 1, length + 1
            symbol = codes.get((length, code))
            if symbol is not None:
                if symbol == _END_OF_STRING:
                    raise BadHeaders("a coded string goes on after its end")
                found.append(symbol)
                code = length = 0
    if length > 7 or code != (1 << length) - 1:
        raise BadHeaders("a coded string ends within a character")
    return bytes(found)


@lru_cache(maxsize=None)
def _codes() -> dict:
    """(bits, code) -> byte. Canonical: in the order of length and byte, each code is the one before plus one."""
    lengths = [ord(letter) - ord("a") + 5 for letter in _BITS]
    codes, code, before = {}, 0, 0
    for symbol in sorted(range(len(lengths)), key=lambda symbol: (lengths[symbol], symbol)):
        code <<= lengths[symbol] - before
        before = lengths[symbol]
        codes[before, code] = symbol
        code += 1
    return codes
