"""A fault that names an account strikes this seller and no other."""

from __future__ import annotations

import pytest

from orchestrator.errors import CredentialsRejected
from orchestrator.marketplaces.spec import AnySession
from tests.support.scripted import CREDENTIALS, Sandbox, sandbox


def session(running: Sandbox, account: int) -> AnySession:
    """A session with one of the accounts."""
    given = CREDENTIALS[running.marketplace].items()
    credential = {
        name: value.replace("-0", f"-{account}").replace("_0", f"_{account}") for name, value in given
    }
    return running.session(credential=credential)


@pytest.mark.parametrize("marketplace", sorted(CREDENTIALS))
def test_one_account_is_refused_and_the_other_is_not(marketplace: str) -> None:
    """Also in the middle of a session, whose access token was issued before."""
    with sandbox(marketplace, orders=5, products=3) as running:
        connector, sessions = running.connector, [session(running, account) for account in (0, 1)]
        for opened in sessions:
            connector.check(opened)
        running.control("POST", "faults", {"status": 401, "account": 1})

        connector.check(sessions[0])
        connector.check(session(running, 0))
        # WooCommerce's has the shop's currency already, and keys that nobody issues.
        before = [] if marketplace == "woocommerce" else [sessions[1]]
        for opened in (*before, session(running, 1)):
            with pytest.raises(CredentialsRejected):
                connector.check(opened)
        running.control("DELETE", "faults")
        connector.check(session(running, 1))


def test_only_the_accounts_calls_are_counted() -> None:
    """Every second call of account 1 fails, however many calls account 0 makes between them."""
    with sandbox("takealot", orders=5, products=3) as running:
        running.control("POST", "faults", {"status": 401, "account": 1, "every": 2})
        refused = []
        for _ in range(4):
            running.connector.check(session(running, 0))
            try:
                running.connector.check(session(running, 1))
            except CredentialsRejected:
                refused.append(True)
            else:
                refused.append(False)

    assert refused == [False, True, False, True]


@pytest.mark.parametrize("account", [-1, 2, "x"])
def test_an_account_that_does_not_exist_is_refused(account: object) -> None:
    """A switch that can never strike would look like a product that stands the fault."""
    with sandbox("takealot", orders=5, products=3) as running, pytest.raises(AssertionError, match="account"):
        running.control("POST", "faults", {"account": account})
