"""released: whether a text was this account's answer before, and to the same question."""

from outworks.ledger import Ledger
from outworks.message import Request, asked_of


def was_released(ledger: Ledger, request: Request, text: str) -> bool:
    """Whether one of the account's recent exchanges in the request's conversation released just this text as the answer
    to the same messages, tools and schema: words that one question drew out begin the answer to no other."""
    answers: dict[tuple[str, int], str] = {}
    for recorded in ledger.tail(500, kinds=("released",), account=request.account, with_content=True):
        if recorded.event.conversation != request.conversation:
            continue
        choice = getattr(recorded.event.body, "choice", 0)
        key = (recorded.event.exchange, choice)
        answers[key] = answers.get(key, "") + (recorded.event.content or "")
    wanted = text.strip()
    exchanges = {exchange for (exchange, _), answer in answers.items() if answer.strip() == wanted}
    return bool(wanted) and any(_asked_the_same(ledger, exchange, request) for exchange in exchanges)


def _asked_the_same(ledger: Ledger, exchange: str, request: Request) -> bool:
    received = ledger.tail(1, kinds=("received",), exchange=exchange, with_content=True)
    try:
        return any(asked_of(recorded.event.content or "").is_of(request) for recorded in received)
    except ValueError:
        return False
