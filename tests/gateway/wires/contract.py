"""The contract of every wire: a new wire supplies its rows and its vendor's own parsers, and inherits the rest."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outworks.gateway.problem import Problem
from outworks.gateway.wires import Answer, Asked, Head, Wire
from outworks.label import Source
from outworks.message import Delta, Finish, Message, Output, Role, Text, ToolCall, ToolCallPiece, Usage

ID = "ex_0123456789abcdef01234567"
MODEL = "small"
CREATED = 1_760_000_000

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
"""Any text at all: control characters, other scripts, what lies beyond the basic plane."""
NAMES = st.from_regex(r"[a-zA-Z0-9_-]{1,20}", fullmatch=True)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
ARGUMENTS = st.dictionaries(TEXTS, JSON, max_size=3).map(json.dumps)
CALLS = st.lists(st.builds(ToolCall, NAMES.map("call_".__add__), NAMES, ARGUMENTS), max_size=3).map(tuple)
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
MANY = settings(QUICK, max_examples=400)


class Accepted(NamedTuple):
    """A body that the wire reads, and some of what it says."""

    name: str
    body: dict[str, Any]
    says: dict[str, Any]
    """Fields of `Asked` with their values."""


class Refused(NamedTuple):
    """A body that the wire refuses, and what the refusal must say."""

    name: str
    body: Any
    """`bytes`, or what becomes the body as JSON."""
    param: str
    words: Sequence[str]


class Seen(NamedTuple):
    """An answer as the vendor's own client understands it."""

    id: str
    text: str
    calls: tuple[ToolCall, ...]
    finish: str | None
    notice: str | None
    usage: Usage | None


class WireContract(ABC):
    """What holds for every wire."""

    wire: ClassVar[Wire]
    ACCEPTED: ClassVar[Sequence[Accepted]]
    REFUSED: ClassVar[Sequence[Refused]]
    FINISHES: ClassVar[Mapping[Finish, str]]
    """The vendor's word for each end."""
    RAISES: ClassVar[Mapping[int, type[Exception]]]
    """The vendor's exception for each status."""
    BROKEN: ClassVar[type[Exception]]
    """The vendor's exception for an error inside a stream."""

    @abstractmethod
    def body(self, text: str) -> dict[str, Any]:
        """The smallest request: one user turn."""

    @abstractmethod
    def ask(self, status: int, data: bytes, headers: Mapping[str, str]) -> Seen:
        """What the vendor's official client makes of a body that is not streamed."""

    @abstractmethod
    def ask_streamed(self, data: bytes) -> Seen:
        """What the vendor's official client makes of a stream."""

    @abstractmethod
    def check_strictly(self, data: bytes) -> None:
        """Raise where a whole answer does not fit the vendor's own types strictly."""

    @abstractmethod
    def listed(self, data: bytes) -> list[str]:
        """The names that the vendor's official client finds in a list of models."""

    @abstractmethod
    def told(self, data: bytes) -> str:
        """The name that the vendor's official client finds in a model."""

    def read(self, body: Any) -> Asked:
        """Decode a body given as bytes or as what becomes JSON."""
        return self.wire.read(body if isinstance(body, bytes) else json.dumps(body).encode())

    def refusal(self, body: Any) -> Problem:
        """The problem with a body that must be refused."""
        with pytest.raises(Problem) as caught:
            self.read(body)
        return caught.value

    def streamed(self, output: Output, cuts: Sequence[int], usage: Usage | None) -> bytes:
        """A whole output as a stream, its text cut at the given places."""
        writer = self.wire.stream(Head(id=ID, model=MODEL, created=CREATED, include_usage=True))
        places = sorted({0, len(output.text), *(cut % (len(output.text) + 1) for cut in cuts)})
        texts = [output.text[a:b] for a, b in pairwise(places)]
        deltas = [Delta(text=text, as_refusal=output.as_refusal) for text in texts]
        for i, call in enumerate(output.tool_calls):
            deltas.append(Delta(tool_call=ToolCallPiece(i, call.id, call.name, call.arguments)))
        deltas.append(
            Delta(
                as_refusal=output.as_refusal,
                finish=output.finish,
                stop_string=output.stop_string,
                notice=output.notice,
            )
        )
        deltas.append(Delta(usage=usage))
        return b"".join(writer.delta(delta) for delta in deltas) + writer.end(usage)

    # Decoding

    def test_rows_are_read(self, accepted: Accepted) -> None:
        """A body that the vendor's API takes says the same in the canonical form."""
        asked = self.read(accepted.body)

        assert {name: getattr(asked, name) for name in accepted.says} == accepted.says

    def test_rows_are_refused(self, refused: Refused) -> None:
        """A refusal names the field, what was given and what is expected."""
        problem = self.refusal(refused.body)

        assert (problem.status, problem.param) == (400, refused.param)
        for word in refused.words:
            assert word in problem.message

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"null",
            b"[]",
            b'"text"',
            b"{",
            b'{"a":1}}',
            b"\xff\xfe{}",
            b'{"model":NaN}',
            b"[" * 200_000,
            b'{"a":' * 200_000,
            b'{"model":' + b"1" * 10_000 + b"}",
        ],
        ids=lambda body: repr(body[:12]),
    )
    def test_what_is_no_object_is_refused(self, body: bytes) -> None:
        """Bytes that are no JSON object, however deep or long, are a problem and never a crash."""
        assert self.refusal(body).status == 400

    @pytest.mark.parametrize("escape", [r"\ud800", r"\udfff", r"\ude00\ud83d", r"\ud800A", "\\udc00 and more text"])
    def test_lone_surrogates_are_refused(self, escape: str) -> None:
        """A lone surrogate is refused, and the refusal says so."""
        body = json.dumps(self.body("HERE")).replace("HERE", escape).encode()

        assert "lone surrogate" in self.refusal(body).message

    def test_surrogate_pairs_are_characters(self) -> None:
        """An escaped pair is the one character it stands for."""
        body = json.dumps(self.body("HERE")).replace("HERE", r"\ud83d\ude00").encode()

        assert self.read(body).messages[0].text == "😀"

    def test_control_and_bidirectional_characters_are_kept(self) -> None:
        """NUL and bidirectional characters are legal JSON and reach the defenses as they are."""
        text = "a\x00b\u202ec\u2066d\u2028e\x7f"

        assert self.read(self.body(text)).messages[0].text == text

    def test_of_equal_keys_the_last_wins(self) -> None:
        """Of two equal keys the last one counts, and nothing is left of the first."""
        first, last = (json.dumps(self.body(text))[1:-1] for text in ("first", "last"))
        asked = self.read(f"{{{first},{last}}}".encode())

        assert asked == self.read(self.body("last"))

    @pytest.mark.parametrize("depth", [70, 500])
    def test_deep_parameters_are_refused(self, depth: int) -> None:
        """A parameter that nests deeper than encoders can follow is refused, brackets in texts notwithstanding."""
        body = json.dumps({**self.body("]}]}"), "metadata_x": "DEEP"}).replace('"DEEP"', "[" * depth + "]" * depth)

        assert "nests too deeply" in self.refusal(body.encode()).message

    def test_brackets_in_text_are_not_depth(self) -> None:
        """A text full of brackets nests nothing."""
        text = "[{" * 5000

        assert self.read(self.body(text)).messages[0].text == text

    def test_ten_thousand_messages_are_read(self) -> None:
        """Ten thousand messages are read, each in its place."""
        body = self.body("x")
        body["messages"] = [{"role": ("user", "assistant")[i % 2], "content": f"m{i}"} for i in range(10_000)]
        asked = self.read(body)

        assert [message.text for message in asked.messages] == [f"m{i}" for i in range(10_000)]

    def test_null_is_absent(self) -> None:
        """A field that is null was not given."""
        nulls = dict.fromkeys(("temperature", "tools", "tool_choice", "stream", "metadata", "nonsense"))

        assert self.read({**self.body("x"), **nulls}) == self.read(self.body("x"))

    def test_unknown_fields_are_kept_under_their_name(self) -> None:
        """A field that the wire does not know is left to the parameter lock."""
        asked = self.read({**self.body("x"), "tempreature": 3, "logit_bias": {"1": 100}})

        assert asked.parameters.items() >= {"tempreature": 3, "logit_bias": {"1": 100}}.items()

    def test_streaming_is_asked_for_by_a_boolean(self) -> None:
        """`stream` is true, false or absent."""
        assert self.read({**self.body("x"), "stream": True}).stream
        assert not self.read({**self.body("x"), "stream": False}).stream
        assert self.refusal({**self.body("x"), "stream": "yes"}).param == "stream"

    def test_errors_do_not_quote_at_length(self) -> None:
        """However long the name at fault, the error stays short, and its place is not the client's to say."""
        name = "x` - at `$.messages[7].content" * 1000
        body = self.body("x")
        body["messages"][0][name] = 1
        problem = self.refusal(body)

        assert problem.param == "messages[0]"
        assert len(problem.message) < 600

    @MANY
    @given(st.binary(max_size=200))
    def test_random_bytes_never_crash(self, data: bytes) -> None:
        """Whatever the bytes, reading them returns or says what is wrong."""
        self.returns_or_refuses(data)

    @MANY
    @given(st.data())
    def test_mutated_bodies_never_crash(self, data: st.DataObject) -> None:
        """A valid body with any value replaced, added or taken out is read, or refused with a reason."""
        body = json.loads(json.dumps(data.draw(st.sampled_from([row.body for row in self.ACCEPTED]))))
        for _ in range(data.draw(st.integers(1, 3))):
            _mutate(body, data)
        self.returns_or_refuses(json.dumps(body).encode("utf-8", "surrogatepass"))

    @MANY
    @given(st.data())
    def test_cut_and_flipped_bodies_never_crash(self, data: st.DataObject) -> None:
        """A valid body with bytes cut out or changed is read, or refused with a reason."""
        body = bytearray(json.dumps(data.draw(st.sampled_from([row.body for row in self.ACCEPTED]))).encode())
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, len(body) - 1))
            body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
            if not body:
                break
        self.returns_or_refuses(bytes(body))

    def returns_or_refuses(self, body: bytes) -> None:
        """Reading gives a request with labelled messages, or a short problem that can be told."""
        problem, messages = None, ()
        try:
            messages = self.wire.read(body).messages
        except Problem as caught:
            problem = caught

        if problem is None:
            assert messages
            assert all(message.label.sources for message in messages)
        else:
            assert problem.status in (400, 413)
            assert 0 < len(problem.message) < 1000
            json.loads(self.wire.problem(problem))

    # Labels

    def test_the_users_words_are_labelled_so(self) -> None:
        """A user turn is the user's."""
        (message,) = self.read(self.body("hello")).messages

        assert message == Message(Role.USER, (Text("hello"),), message.label)
        assert message.label.sources == {Source.USER}

    # Keys

    def test_the_key_is_found_in_either_header(self) -> None:
        """Both vendors' headers are accepted on both wires; a scheme other than Bearer holds no key."""
        assert self.wire.key({"authorization": "Bearer ow_1"}) == "ow_1"
        assert self.wire.key({"authorization": "bearer  ow_1 "}) == "ow_1"
        assert self.wire.key({"x-api-key": "ow_2"}) == "ow_2"
        assert self.wire.key({"authorization": "Basic ow_1", "x-api-key": "ow_2"}) == "ow_2"
        assert self.wire.key({"authorization": "Basic ow_1"}) == ""
        assert self.wire.key({}) == ""

    # Encoding

    @QUICK
    @given(TEXTS, CALLS)
    def test_a_whole_answer_is_what_the_client_sees(self, text: str, calls: tuple[ToolCall, ...]) -> None:
        """The vendor's client reads text, calls and counts as they were; the vendor's types fit strictly."""
        finish = Finish.TOOL_CALLS if calls else Finish.STOP
        output = Output(text=text, tool_calls=calls, finish=finish, done=True)
        data = self.wire.whole(_answer(output))
        self.check_strictly(data)

        assert self.ask(200, data, {}) == Seen(ID, text, calls, self.FINISHES[finish], None, Usage(3, 4))

    @QUICK
    @given(st.just("") | TEXTS, CALLS, st.lists(st.integers(0, 60), max_size=8), st.sampled_from(Finish))
    def test_a_stream_says_what_the_whole_says(
        self, text: str, calls: tuple[ToolCall, ...], cuts: list[int], finish: Finish
    ) -> None:
        """However it is cut, a stream joined by the vendor's client is the answer that is not streamed."""
        notice = "held back" if finish is Finish.CONTENT_FILTER else ""
        calls = calls if finish is Finish.TOOL_CALLS else ()
        output = Output(text=text, tool_calls=calls, finish=finish, done=True, notice=notice)
        whole = self.ask(200, self.wire.whole(_answer(output)), {})

        assert self.ask_streamed(self.streamed(output, cuts, Usage(3, 4))) == whole
        assert (whole.text, whole.calls) == (text, calls)

    @pytest.mark.parametrize("finish", Finish)
    def test_every_end_has_the_vendors_word(self, finish: Finish) -> None:
        """Each way to end is told in the vendor's own word."""
        seen = self.ask(200, self.wire.whole(_answer(Output(text="x", finish=finish, done=True))), {})

        assert seen.finish == self.FINISHES[finish]

    def test_a_held_back_answer_says_why(self) -> None:
        """What a line of defense ended says so, in the vendor's field and in ours."""
        output = Output(text="so far", finish=Finish.CONTENT_FILTER, notice="why it stopped", done=True)
        data = self.wire.whole(_answer(output))
        self.check_strictly(data)
        seen = self.ask(200, data, {})

        assert (seen.text, seen.notice) == ("so far", "why it stopped")
        assert b'"outworks":{"code":"blocked_by_policy","request_id":"%s"' % ID.encode() in data

    def test_an_empty_answer_is_an_answer(self) -> None:
        """An answer without a word or a call is empty, streamed or not."""
        output = Output(finish=Finish.STOP, done=True)
        data = self.wire.whole(_answer(output))
        self.check_strictly(data)

        assert self.ask(200, data, {}).text == ""
        assert self.ask_streamed(self.streamed(output, (), None)).text == ""

    def test_a_delta_leaves_at_once(self) -> None:
        """The writer keeps no text: a delta's words are in the bytes for that delta."""
        writer = self.wire.stream(Head(id=ID, model=MODEL, created=CREATED))
        for word in ("alpha", "beta", "gamma"):
            assert word.encode() in writer.delta(Delta(text=word))

    def test_usage_alone_says_nothing_yet(self) -> None:
        """A delta with nothing but counts writes nothing."""
        writer = self.wire.stream(Head(id=ID, model=MODEL, created=CREATED))

        assert writer.delta(Delta(usage=Usage(1, 2))) == b""

    # Problems

    def test_each_status_raises_the_vendors_own_exception(self) -> None:
        """The official client raises the class that it raises for its vendor."""
        for status, expected in self.RAISES.items():
            problem = Problem(status, "some_code", "what is wrong", param="temperature")
            with pytest.raises(expected) as caught:
                self.ask(status, self.wire.problem(problem), problem.headers())
            assert type(caught.value) is expected
            assert "what is wrong" in str(caught.value)

    def test_a_problem_carries_code_request_and_appeal(self) -> None:
        """What a user needs to ask and to appeal is in the body, in one place on every wire."""
        problem = Problem(403, "account_suspended", "no", appeal="act_7", request_id=ID, param="user")

        assert json.loads(self.wire.problem(problem))["error"]["outworks"] == {
            "code": "account_suspended",
            "request_id": ID,
            "param": "user",
            "appeal": "act_7",
        }

    def test_a_problem_inside_a_stream_raises(self) -> None:
        """A stream that breaks off raises in the official client, after the words that had left."""
        writer = self.wire.stream(Head(id=ID, model=MODEL, created=CREATED))
        data = writer.delta(Delta(text="so far")) + writer.problem(Problem(502, "upstream_broken", "it broke off"))

        assert b"so far" in data
        with pytest.raises(self.BROKEN, match="it broke off"):
            self.ask_streamed(data)

    def test_models_are_listed(self) -> None:
        """The official client lists the policy's models."""
        assert self.listed(self.wire.models(["large", "small"], CREATED)) == ["large", "small"]
        assert self.listed(self.wire.models([], CREATED)) == []

    def test_a_model_is_told(self) -> None:
        """The official client reads one of them as its list does."""
        assert self.told(self.wire.model("small", CREATED)) == "small"


def _answer(*outputs: Output) -> Answer:
    return Answer(id=ID, model=MODEL, created=CREATED, outputs=outputs, usage=Usage(3, 4))


def _mutate(value: Any, data: st.DataObject) -> None:
    """Go down a random way into a value, and change something there."""
    while isinstance(value, dict | list) and value:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = data.draw(st.sampled_from(keys))
        deeper = isinstance(value[key], dict | list) and value[key] and data.draw(st.booleans())
        if deeper:
            value = value[key]
            continue
        how = data.draw(st.sampled_from(["replace", "remove", "add"]))
        if how == "remove":
            del value[key]
        elif how == "replace" or isinstance(value, list):
            value[key] = data.draw(JSON | st.sampled_from(["user", "tool", "text", "auto", 1e300, 2**70, {}, []]))
        else:
            value[data.draw(TEXTS | st.just("type"))] = data.draw(JSON)
        return
