"""THE list: every line of defense, in the order in which they are asked.

Adding one is a file here, a test file, a row below, and a line in the changelog.
"""

from collections.abc import Sequence

from outworks.defenses import (
    adversarial_string,
    classifier,
    fingerprint,
    flow,
    injection,
    leak,
    links,
    parameter_lock,
    refusal,
    standing,
)
from outworks.defenses.adversarial_string import AdversarialString
from outworks.defenses.classifier import Classifier
from outworks.defenses.fingerprint import Fingerprint
from outworks.defenses.flow import Flow
from outworks.defenses.injection import Injection
from outworks.defenses.leak import Leak
from outworks.defenses.line import Lent, Line
from outworks.defenses.links import Links
from outworks.defenses.parameter_lock import ParameterLock
from outworks.defenses.refusal import Refusal
from outworks.defenses.standing import Standing


def _flow(settings: flow.Settings, lent: Lent) -> Flow:
    return Flow(settings, lent.seal, spend=lent.spend, count=lent.count, model=lent.model)


def _classifier(settings: classifier.Settings, lent: Lent) -> Classifier:
    return Classifier(settings, lent.looking(settings.second_stage != "never"))


def _injection(settings: injection.Settings, lent: Lent) -> Injection:
    return Injection(settings, lent.looking(settings.second_stage != "never"))


DEFENSES: Sequence[Line] = (
    # Standing comes first: a banned account costs one look-up, and none of its words are read.
    Line(Standing, standing.Settings, lambda settings, lent: Standing(settings, lent.standings)),
    Line(ParameterLock, parameter_lock.Settings, lambda settings, lent: ParameterLock(settings, lent.released)),
    Line(AdversarialString, adversarial_string.Settings, lambda settings, _: AdversarialString(settings)),
    Line(Fingerprint, fingerprint.Settings, lambda settings, lent: Fingerprint(settings, lent.bank)),
    # What is known comes before what is guessed.
    Line(Injection, injection.Settings, _injection),
    Line(Classifier, classifier.Settings, _classifier),
    Line(Leak, leak.Settings, lambda settings, _: Leak(settings)),
    Line(Links, links.Settings, lambda settings, _: Links(settings)),
    # Flow comes after every line that may stop the answer around a tool call: a confirmation that it takes is spent.
    Line(Flow, flow.Settings, _flow),
    # Refusal comes last and blocks nothing: it is the model's own alignment, heard by the other lines.
    Line(Refusal, refusal.Settings, lambda settings, _: Refusal(settings)),
)

__all__ = ["DEFENSES", "Lent", "Line"]
