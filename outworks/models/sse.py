"""Server-sent events, parsed from bytes that may be cut anywhere."""

_BOM = b"\xef\xbb\xbf"


class Events:
    """Grows events from chunks, as the WHATWG HTML standard defines them; an event is its data.

    Names, ids, retry times and comments are dropped: both vendors repeat an event's type within its JSON. What stands
    unterminated at the end counts too, since servers do leave the last blank line out; whether the answer was whole is
    told by its own finish, not by the framing.
    """

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        self._data: list[bytes] = []
        self._after_cr = False
        self._first = True

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of the events that this chunk completes."""
        if self._after_cr and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._after_cr = False
        if not chunk:
            return []
        self._after_cr = chunk.endswith(b"\r")
        if b"\n" not in chunk and b"\r" not in chunk:
            # Joined only once a line ends: a long line in small pieces must not cost quadratic time.
            self._rest.append(chunk)
            return []
        if self._rest:
            chunk = b"".join((*self._rest, chunk))
        lines = chunk.splitlines(keepends=True)
        self._rest = [] if lines[-1].endswith((b"\n", b"\r")) else [lines.pop()]
        return self._read(lines)

    def end(self) -> list[bytes]:
        """The data of an event that the stream left unterminated."""
        rest, self._rest = b"".join(self._rest), []
        return self._read([rest, b""] if rest else [b""])

    def _read(self, lines: list[bytes]) -> list[bytes]:
        events = []
        for ended in lines:
            line = ended.rstrip(b"\r\n")
            if self._first:
                self._first = False
                line = line.removeprefix(_BOM)
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
            elif line == b"data":
                self._data.append(b"")
            elif not line and self._data:
                events.append(self._data[0] if len(self._data) == 1 else b"\n".join(self._data))
                self._data = []
        return events
