"""An account's scores, as a reviewer sees them: every signal with its points and the events that show it."""

from outworks.enforcement.evidence.memory import Memory, Texts
from outworks.enforcement.evidence.scores import Scored, summed
from outworks.enforcement.history import Said, Spent, evidence, read
from outworks.enforcement.language.signals import SIGNALS
from outworks.enforcement.language.words import HALF_LIVES
from outworks.enforcement.rules import Measure, Rule, compile_rules
from outworks.ledger.reader import Reader

_LONGEST = max(weak.half_life for weak in SIGNALS.values())


def scores(reader: Reader, account: str, now: float) -> tuple[Scored, ...]:
    """What each signal comes to for an account, the most first. Whatever was done about it since is not looked at: this
    says what the account did, not what remains to be acted on."""
    since = now - HALF_LIVES * _LONGEST
    signals = Memory(reader).recall(account, since)
    texts = Texts(reader)
    said = Said(texts.recall(account, since), texts.probes(signals))
    days = int(_LONGEST // 86_400)
    when = f'score("{days}d") > 0.0'
    rules = compile_rules(
        [Rule(name="scores", description="For the page.", when=when, action=Measure.WARN, expires="1d")]
    )
    history = read(reader, account, rules, (), signals, now, said)
    (call,) = rules.compiled[0].condition.calls
    return summed(evidence(call, history, Spent()), now)
