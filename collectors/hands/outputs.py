"""What a command wrote, within bounds: how it began, how it ended, and how much there was. Pure."""

HEAD_BYTES = 128 * 1024
TAIL_BYTES = 128 * 1024


class Output:
    """One stream."""

    def __init__(self, head_bytes=HEAD_BYTES, tail_bytes=TAIL_BYTES):
        self.total = 0
        self._head_bytes = head_bytes
        self._tail_bytes = tail_bytes
        self._head = b""
        self._tail = b""

    def feed(self, chunk):
        self.total += len(chunk)
        room = self._head_bytes - len(self._head)
        self._head += chunk[:room]
        rest = chunk[room:]
        if rest:
            self._tail = (self._tail + rest)[-self._tail_bytes :]

    def text(self):
        """What isn't UTF-8 stands as \\xNN."""
        left_out = self.total - len(self._head) - len(self._tail)
        if left_out <= 0:
            return (self._head + self._tail).decode("utf-8", "backslashreplace")
        between = "\n[%d of %d bytes left out]\n" % (left_out, self.total)
        head, tail = (part.decode("utf-8", "backslashreplace") for part in (self._head, self._tail))
        return head + between + tail
