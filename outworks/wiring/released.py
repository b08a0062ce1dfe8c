"""released: whether a text was this account's answer before."""

from outworks.ledger import Ledger
from outworks.message import Request


def was_released(ledger: Ledger, request: Request, text: str) -> bool:
    """Whether one of the account's recent exchanges in the request's conversation released just this text."""
    answers: dict[tuple[str, int], str] = {}
    for recorded in ledger.tail(500, kinds=("released",), account=request.account, with_content=True):
        if recorded.event.conversation != request.conversation:
            continue
        choice = getattr(recorded.event.body, "choice", 0)
        key = (recorded.event.exchange, choice)
        answers[key] = answers.get(key, "") + (recorded.event.content or "")
    wanted = text.strip()
    return bool(wanted) and any(answer.strip() == wanted for answer in answers.values())
