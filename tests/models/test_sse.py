"""Server-sent events under any cutting of the bytes."""

from hypothesis import given, settings
from hypothesis import strategies as st

from outworks.models.sse import Events


def read(*chunks: bytes) -> list[bytes]:
    events = Events()
    read = [event for chunk in chunks for event in events.feed(chunk)]
    return read + events.end()


def by_the_book(stream: bytes) -> list[bytes]:
    """The algorithm of the standard, slowly: the whole stream at hand, one line after another."""
    stream = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    events, data = [], []
    for line in [*stream.split(b"\n"), b""]:
        if not line:
            if data:
                events.append(b"\n".join(data))
            data = []
            continue
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
    return events


def test_fields_other_than_data_are_dropped() -> None:
    """Names, ids, retry times, comments and unknown fields leave no trace."""
    stream = b": hello\nevent: ping\nid: 7\nretry: 10\nnonsense\ndata: a\n\ndatum: b\n\n"

    assert read(stream) == [b"a"]


def test_lines_of_one_event_are_joined() -> None:
    """Several data lines are one event, with newlines between; one space after the colon is not data."""
    assert read(b"data: a\ndata:  b\ndata:c\ndata\n\n") == [b"a\n b\nc\n"]


def test_every_line_ending_counts_wherever_it_is_cut() -> None:
    """CR, LF and CRLF end lines, also where a chunk ends between CR and LF."""
    assert read(b"data: a\r", b"\n\r", b"\ndata: b\r\rdata: c\n\n") == [b"a", b"b", b"c"]


def test_an_unterminated_event_counts() -> None:
    """The last event needs no blank line, nor even a newline."""
    assert read(b"data: a\n\ndata: b") == [b"a", b"b"]
    assert read(b"data: a\n\ndata: b\n") == [b"a", b"b"]


def test_a_byte_order_mark_is_dropped() -> None:
    """A BOM may come first, even cut in two; a later one is data."""
    assert read(b"\xef\xbb", b"\xbfdata: a\n\ndata: \xef\xbb\xbfb\n\n") == [b"a", b"\xef\xbb\xbfb"]


LINES = st.one_of(
    st.text(max_size=6).map(lambda text: b"data: " + text.encode()),
    st.sampled_from([b"", b"data", b"data:", b":c", b"event: x", "data: é漢🎉".encode(), b"dat"]),
)
STREAMS = st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r\n", b"\r"])).map(b"".join), max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.lists(STREAMS, max_size=3), st.binary(max_size=8), st.lists(st.integers(1, 9), max_size=40))
def test_cutting_changes_nothing(parts: list[list[bytes]], tail: bytes, sizes: list[int]) -> None:
    """However a stream is cut, between the bytes of a character too, it reads as the standard's slow algorithm does."""
    stream = b"".join(line for part in parts for line in part) + tail
    chunks, rest = [], stream
    for size in sizes:
        chunks.append(rest[:size])
        rest = rest[size:]

    assert read(*chunks, rest) == by_the_book(stream)
    assert read(*(bytes([byte]) for byte in stream)) == by_the_book(stream)
