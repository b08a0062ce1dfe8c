"""Planner: which functions a request asks for, as a model says that sees trusted text and the tools' schemas alone."""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Collection

import msgspec

from outworks import label
from outworks.defenses.flow.provenance import Provenance
from outworks.message import Message, Request, Role, Text
from outworks.model import Model, join

_REMEMBERED = 512
_ASK = (
    "You plan which functions an assistant will need in order to do what its user asks, before anything is read. Below "
    "are the functions, what the product tells the assistant, and the user's words. Answer with a JSON list of the "
    "names of the functions that are needed, and nothing else. Leave out every function that changes something unless "
    'the user\'s words ask for it. Example: ["search_mail", "send_mail"]'
)


class Planner:
    """Asks the model once for the same trusted text; it remembers the latest plans."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._plans: OrderedDict[bytes, frozenset[str]] = OrderedDict()

    async def plan(self, request: Request, provenance: Provenance) -> Collection[str]:
        """The names of the functions. What is no plan authorises nothing."""
        said = msgspec.json.encode(
            {
                "functions": [[tool.name, tool.description, tool.schema] for tool in request.tools],
                "product": provenance.system.texts,
                "before": provenance.user.texts,
                "user": provenance.turn.texts,
            }
        )
        key = hashlib.blake2b(said, digest_size=16).digest()
        if key in self._plans:
            return self._plans[key]
        messages = (
            Message(Role.SYSTEM, (Text(_ASK),), label.SYSTEM),
            Message(Role.USER, (Text(said.decode()),), label.USER),
        )
        asked = Request(id=request.id, model=self._model.name, messages=messages, parameters={"temperature": 0})
        joined = await join(self._model.generate(asked))
        self._plans[key] = plan = _read(joined.outputs[0].text if joined.outputs else "")
        if len(self._plans) > _REMEMBERED:
            self._plans.popitem(last=False)
        return plan


def _read(answer: str) -> frozenset[str]:
    found = re.search(r"\[[^\[\]]*\]", answer)
    try:
        return frozenset(msgspec.json.decode(found[0], type=list[str])) if found else frozenset()
    except msgspec.DecodeError:
        return frozenset()
