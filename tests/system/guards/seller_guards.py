"""The guards of adding and changing sellers' accounts."""

from __future__ import annotations

from tests.system.guards.guard import Guard

SELLERS = "tests/cli/sellers/"

SELLER_GUARDS = (
    Guard(
        "sellers: the secret of a connection that exists is never overwritten by adding it again",
        "orchestrator/operators/sellers/adding.py",
        "    check_is_new(services, connection_id, connection)\n",
        "",
        SELLERS + "test_adding_a_seller.py::test_the_secret_of_a_connection_that_exists_is_left_alone",
    ),
    Guard(
        "sellers: a token that the check replaced is the one that is stored",
        "orchestrator/operators/sellers/adding.py",
        "return account, replace(secret, content=held.content) if held is not None else secret",
        "return account, secret",
        SELLERS
        + "test_adding_a_seller.py::test_a_token_that_is_replaced_by_the_check_is_the_one_that_is_stored",
    ),
    Guard(
        "sellers: an address is taken only for the consent that asked for it",
        "orchestrator/operators/sellers/consenting.py",
        "if not hmac.compare_digest(state.encode(), self._state.encode()):",
        "if not state:",
        SELLERS + "test_authorizing.py::test_the_answer_to_another_consent_is_refused",
    ),
    Guard(
        "sellers: another seller's consent is refused",
        "orchestrator/operators/sellers/consenting.py",
        "if setting := self._consent.other_seller(arrived, self._request.connection.settings):",
        'if setting := "":',
        SELLERS + "test_authorizing.py::test_another_seller_is_refused",
    ),
    Guard(
        "sellers: a check forgets no refusal that came after it",
        "orchestrator/model/freshness.py",
        "if state.refused_at is not None and state.refused_at > before:",
        "if False:",
        SELLERS + "test_changing.py::test_a_refusal_after_the_check_began_stays",
    ),
    Guard(
        "sellers: forgetting a refusal is decided on the state that it changes",
        "orchestrator/vault/trial.py",
        '{**fields, "seq": before.seq + 1}, version=snapshot.version)]',
        '{**fields, "seq": before.seq + 1})]',
        SELLERS + "test_changing.py::test_a_claim_between_reading_and_storing_is_not_overwritten",
    ),
    Guard(
        "sellers: a change by somebody else in between is kept",
        "orchestrator/operators/sellers/changing.py",
        'if {**found.data, "pace": None} != {**snapshot.data, "pace": None}:',
        "if False:",
        SELLERS + "test_changing.py::test_a_change_by_somebody_else_in_between_is_kept",
    ),
    Guard(
        "sellers: another owner comes with another credential",
        "orchestrator/operators/sellers/changing.py",
        'if "organization_id" in changes.fields and not has_credential:',
        "if False:",
        SELLERS + "test_changing.py::test_what_cannot_be_is_refused",
    ),
    Guard(
        "sellers: two connections' secrets never share a name",
        "orchestrator/operators/sellers/credentials.py",
        "return f\"{connection_id.replace('.', '_')}-{digest}\"",
        "return connection_id.replace('.', '_')",
        SELLERS + "test_credentials.py::test_ids_with_dots_have_names_of_their_own",
    ),
    Guard(
        "sellers: a pasted secret is not shown",
        "orchestrator/cli/sellers/ask.py",
        "silent[3] &= ~termios.ECHO",
        "silent[3] |= 0",
        SELLERS + "test_adding_a_seller.py::test_a_pasted_secret_is_not_shown",
    ),
)
