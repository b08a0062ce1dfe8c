"""Roles: the whole table, cell by cell, and what asks it."""

import pytest

from outworks.enforcement.desk.roles import PERMITTED, Forbidden, Operation, Reviewer, Role, check_may, may

R, L, A, U = Role.REVIEWER, Role.LEAD, Role.ADMIN, Role.AUDITOR

TABLE = {
    Operation.SEE_CASES: {R, L, A, U},
    Operation.SEE_CONTENT: {R, L, A, U},
    Operation.CLAIM: {R, L, A},
    Operation.NOTE: {R, L, A},
    Operation.OPEN_CASE: {R, L, A},
    Operation.DECIDE: {R, L, A},
    Operation.CONFIRM: {R, L, A},
    Operation.UNDO_OWN: {R, L, A},
    Operation.UNDO: {L, A},
    Operation.ANSWER_APPEAL: {R, L, A},
    Operation.TAKE_ESCALATED: {L, A},
    Operation.MOVE_QUEUE: {L, A},
    Operation.BULK: {L, A},
    Operation.SET_GOLDEN: {L, A},
    Operation.SEE_AGREEMENT: {L, A, U},
    Operation.LABEL: {R, L, A},
    Operation.SEE_NUMBERS: {R, L, A, U},
    Operation.SEE_AUDIT: {L, A, U},
    Operation.SEE_RULES: {R, L, A, U},
    Operation.WRITE_RULES: {A},
    Operation.SEE_FINGERPRINTS: {R, L, A, U},
    Operation.WRITE_FINGERPRINTS: {R, L, A},
    Operation.EXPORT: {L, A, U},
    Operation.PLAYGROUND: {R, L, A},
    Operation.MANAGE_REVIEWERS: {A},
    Operation.OWN_SETTINGS: {R, L, A, U},
}
"""Who may do what, written out a second time: a change of the one without the other fails here."""


def test_every_operation_is_in_the_table() -> None:
    """No operation is permitted by having been forgotten."""
    assert set(TABLE) == set(Operation)
    assert set(PERMITTED) == set(Role)


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("role", Role)
def test_each_cell(role: Role, operation: Operation) -> None:
    """Each role may do just what the table says."""
    person = Reviewer("eva", role)

    assert may(person, operation) is (role in TABLE[operation])
    if role in TABLE[operation]:
        check_may(person, operation)
    else:
        with pytest.raises(Forbidden, match=f"eva is {role.value}; '{operation.value}' is for: "):
            check_may(person, operation)


def test_an_auditor_changes_nothing() -> None:
    """Whatever he may do only shows something, or is his own."""
    shows = ("see_", "export", "own_settings")

    assert all(operation.value.startswith(shows) for operation in PERMITTED[Role.AUDITOR])


def test_who_is_nobody_may_nothing() -> None:
    """A role that there is not, and a person without a name, are refused."""
    assert not may(Reviewer("eva", "owner"), Operation.SEE_CASES)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="say who decides"):
        check_may(Reviewer("", Role.ADMIN), Operation.SEE_CASES)
