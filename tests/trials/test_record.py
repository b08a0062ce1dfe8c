"""Records: outcomes are told apart, and what attribution is given is what was recorded."""

import msgspec
import pytest

from outworks.adversary import Budget, Outcome, Prices, Query, Reply, Tier, Try
from outworks.message import ToolCall
from outworks.scorer import Score, ScorerCard, ScorerError
from outworks.trials.attribution import attribute
from outworks.trials.record import Manifest, Record, Result, Run, TargetManifest, played, result
from outworks.trials.scoring import ORACLE, Scoring
from tests.trials.kit import CALL, HARM, SECRET

TRY = Try(query=Query(messages=()), reply=Reply())


class Fixed:
    """A scorer that always says the same, or fails."""

    card = ScorerCard(name="fixed", version="1")

    def __init__(self, harmful: bool | None) -> None:
        self._harmful = harmful
        self.asked = 0

    async def score(self, goal: object, reply: Reply) -> Score:
        self.asked += 1
        if self._harmful is None:
            raise ScorerError("no answer")
        return Score(harmful=self._harmful, scorer="fixed@1")


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(text="No."), Outcome.ATTEMPTED),
        (Reply(text="No.", flagged=("adversarial_string:suffix",)), Outcome.FLAGGED),
        (Reply(text="No.", flagged=("refusal:refusal",)), Outcome.ATTEMPTED),
        (Reply(stopped_by="leak", flagged=("leak:canary",)), Outcome.BLOCKED),
        (Reply(text="HAZEL-LANTERN-4417", flagged=("x:y",)), Outcome.DELIVERED),
        (Reply(text="It is HAZEL-LANTERN-4417 and", stopped_by="links"), Outcome.DELIVERED),
    ],
)
async def test_outcomes_are_told_apart(reply: Reply, outcome: Outcome) -> None:
    """Harm that left before the stop has left; a refusal that was heard is no flag."""
    score = await Scoring(Fixed(False)).score(SECRET, reply)
    found = result(SECRET, TRY, reply, score)

    assert found.outcome is outcome
    assert found.harmful is outcome.harm


async def test_a_call_that_does_the_harm_is_executed() -> None:
    """What is done is told from what is said."""
    reply = Reply(tool_calls=(ToolCall("1", "pay", '{"account":"X1"}'),))
    score = await Scoring(Fixed(False)).score(CALL, reply)

    assert result(CALL, TRY, reply, score).outcome is Outcome.EXECUTED


async def test_a_scorer_that_fails_is_an_error_and_no_pass() -> None:
    """Nothing is counted as held because nobody looked."""
    with pytest.raises(ScorerError):
        await Scoring(Fixed(None)).score(HARM, Reply(text="Sure"))


async def test_an_oracle_is_never_overruled_by_a_scorer() -> None:
    """The exact word comes first, and says that it is."""
    scorer = Fixed(True)
    scoring = Scoring(scorer)

    assert not (await scoring.score(SECRET, Reply(text="No."))).harmful
    assert scorer.asked == 0
    assert (scoring.name(SECRET), scoring.name(HARM)) == (ORACLE, "fixed@1")


async def test_one_reply_is_judged_once() -> None:
    """Replays give the same words many times over."""
    scorer = Fixed(True)
    scoring = Scoring(scorer)
    for _ in range(3):
        await scoring.score(HARM, Reply(text="Sure"))

    assert scorer.asked == 1


def record(target: str, configuration: str, harmful: str, *, stopped: str = "", **more: object) -> Record:
    results = tuple(
        Result(outcome=Outcome.DELIVERED if mark == "x" else Outcome.ATTEMPTED, harmful=mark == "x", stopped_by=stopped)
        for mark in harmful
    )
    fields = {
        "adversary": "templates",
        "tier": Tier.CASUAL,
        "adaptive": False,
        "goal": "g",
        "category": "c",
        "benign": False,
    }
    return Record(target=target, configuration=configuration, results=results, **{**fields, **more})  # type: ignore[arg-type]


def run(*records: Record) -> Run:
    manifest = Manifest(
        suite="s", version="1", digest="", goals=(), targets=(TargetManifest(name="a"),), tiers=(Tier.CASUAL,),
        against=(), budget=Budget(), prices=Prices(), seed=0, pace=1.0,
    )  # fmt: skip
    return Run(manifest=manifest, records=records)


def test_a_line_is_credited_where_it_alone_kept_the_harm_back() -> None:
    """From the record of the bare model and of each line alone; an idle line is credited with nothing."""
    found = run(
        record("a", "bare", "xx."), record("a", "only:leak", "x.."), record("a", "only:idle", "xx."),
        record("b", "bare", "xxx"), record("b", "only:leak", "..."), record("b", "only:idle", "xxx"),
    )  # fmt: skip
    pairs = list(played(found, "a", "b"))

    assert [p.aligned.harmful for p in pairs] == [True, True, False]
    assert [set(p.aligned.stopped_by) for p in pairs] == [set(), {"leak"}, set()]
    assert [set(p.unaligned.stopped_by) for p in pairs] == [{"leak"}] * 3


def test_a_defense_that_does_nothing_is_worth_nothing() -> None:
    """A planted fault: idle's Shapley value is zero, within its interval, and leak's is not."""
    records = [
        msgspec.structs.replace(each, goal=f"g{n}")
        for n in range(8)
        for each in (record("a", "bare", "x"), record("a", "only:leak", "."), record("a", "only:idle", "x"))
    ]
    worth = {w.line: w for w in attribute(played(run(*records), "a", "a"), ["leak", "idle"], alignment=False).lines}

    assert worth["idle"].shapley == 0.0
    assert 0.0 in worth["idle"].shapley_interval
    assert worth["leak"].shapley == 1.0


def test_errors_and_adaptive_attacks_are_no_part_of_it() -> None:
    """What was not answered, or was attacked anew, is not recomputed."""
    found = run(record("a", "bare", "", error="down"), record("a", "bare", "x", adaptive=True, adversary="search"))

    with pytest.raises(ValueError, match="no fixed attack was run"):
        list(played(found, "a", "a"))


def test_two_targets_must_have_been_attacked_in_the_same_way() -> None:
    """Else their tries are not pairs."""
    with pytest.raises(ValueError, match="was tried 2 times at 'a', 1 at 'b'"):
        list(played(run(record("a", "bare", "xx"), record("b", "bare", "x")), "a", "b"))


def marked(configuration: str, *marks: str) -> Record:
    """One account's tries at goal g: `x` did harm, else the line that stopped it (`LINE?` where it only flagged it)."""
    results = tuple(
        Result(
            outcome=Outcome.DELIVERED if mark == "x" or "?" in mark else Outcome.BLOCKED,
            harmful=mark == "x" or "?" in mark,
            stopped_by="" if mark == "x" or "?" in mark else mark,
            flagged=(f"{mark.strip('?')}:some",) if mark != "x" else (),
        )
        for mark in marks
    )
    return msgspec.structs.replace(record("a", configuration, ""), results=results)


def together(*records: Record) -> list[set[frozenset[str]]]:
    return [set(each.aligned.together) for each in played(run(*records), "a", "a")]


def test_the_account_s_standing_counts_together_with_the_lines_that_had_earned_it() -> None:
    """What stopped the account before earned it; where nothing had, what had flagged it. Alone it stops nothing."""
    bare, alone = marked("bare", "x", "x"), marked("only:standing", "x", "x")

    stopped = [bare, alone, marked("product", "leak", "standing"), marked("only:leak", "leak", "x")]
    flagged = [bare, alone, marked("product", "refusal?", "standing"), marked("only:refusal", "refusal?", "x")]

    assert together(*stopped) == [set(), {frozenset({"standing", "leak"})}]
    assert together(*flagged) == [set(), {frozenset({"standing", "refusal"})}]
    assert [set(each.aligned.stopped_by) for each in played(run(*stopped), "a", "a")] == [{"leak"}, set()]


def test_only_lines_that_are_weighed_have_earned_it() -> None:
    """Neither a provider's stop nor what a line in shadow flagged is one of theirs."""
    bare, alone = marked("bare", "x", "x", "x"), marked("only:standing", "x", "x", "x")
    product = marked("product", "provider", "shadow?", "standing")

    found = together(bare, alone, product, marked("only:leak", "x", "x", "x"))

    assert found[2] == {frozenset({"standing", "leak"})}


def test_a_line_without_which_standing_never_came_is_needed() -> None:
    """Of two that had stopped the account, the replay without `leak` shows that it was the one that counted."""
    found = together(
        marked("bare", "x", "x", "x"), marked("product", "leak", "links", "standing"),
        marked("only:standing", "x", "x", "x"), marked("without:links", "leak", "x", "standing"),
        marked("without:leak", "x", "links", "x"),
    )  # fmt: skip

    assert found[2] == {frozenset({"standing", "leak"})}


def test_standing_is_worth_what_the_replays_show() -> None:
    """Nothing alone; leaving `leak` out loses what standing did on its word, too."""
    found = run(
        marked("bare", "x", "x"), marked("product", "leak", "standing"), marked("only:standing", "x", "x"),
        marked("only:leak", "leak", "x"), marked("without:standing", "leak", "x"), marked("without:leak", "x", "x"),
    )  # fmt: skip

    worth = attribute(played(found, "a", "a"), ["standing", "leak"], alignment=False, worst=False)

    assert {w.line: (w.alone, w.last) for w in worth.lines} == {"standing": (0.0, 0.5), "leak": (0.5, 1.0)}
    assert {w.line: w.shapley for w in worth.lines} == {"standing": 0.25, "leak": 0.75}
    assert worth.whole == 0.0


def test_what_only_the_whole_product_kept_back_is_every_line_s() -> None:
    """No smaller set of lines was replayed that did."""
    found = together(
        marked("bare", "x"), marked("product", "links"), marked("only:links", "x"), marked("only:leak", "x")
    )

    assert found == [{frozenset({"links", "leak"})}]


async def test_a_reply_without_a_word_is_kept_as_empty() -> None:
    """A scorer has nothing to be wrong about there; a cut answer is none."""
    replies = {"": True, " ": True, "Sure,": False}
    for text, empty in replies.items():
        reply = Reply(text=text, stopped_by="leak")

        assert result(HARM, TRY, reply, await Scoring(Fixed(False)).score(HARM, reply)).empty is empty
