"""`connections add`: the account is named first, then the secret is stored, then the connection."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.adapters.embedded.store import SqliteStore
from orchestrator.cli.app import main
from orchestrator.ports import Query
from tests.cli.sellers.terminal import piped, typed
from tests.support.scripted import CREDENTIALS, Sandbox

ROTATING = {
    "client_id": "sandbox-client-0",
    "client_secret": "shpss_sandbox_0",
    "refresh_token": "shprt_sandbox_0",
}


def options(running: Sandbox, *more: str) -> list[str]:
    """A Shopify connection to a running sandbox."""
    return [
        *("connections", "add", "my-shop", "--marketplace", "shopify", "--organization", "my-company"),
        *("--setting", "shop=sandbox-0.myshopify.com", "--setting", f"base_url={running.url}", *more),
    ]


def secret_file(folder: Path, content: object) -> str:
    """A file with a secret's JSON."""
    path = folder / "given.json"
    path.write_text(json.dumps(content))
    return str(path)


def stored(store: SqliteStore, folder: Path) -> list[object]:
    """All that a refused command must not leave behind."""
    found = [*store.query(Query("connections", limit=9)), *store.query(Query("audit", limit=9))]
    return [*found, *folder.glob("store-secrets/*")]


def test_secret_then_connection_are_stored(
    shopify: Sandbox, folder: Path, store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    """The secret's file is its owner's alone; the answer names the account and what happens next."""
    given = CREDENTIALS["shopify"]

    assert main(options(shopify, "--secret-file", secret_file(folder, given))) == 0

    told = capsys.readouterr()
    assert "my-shop: the marketplace answers: shopify: Sandbox 0" in told.out
    assert "marketplace-sync connections show my-shop" in told.out
    file = folder / "store-secrets" / "my-shop.json"
    assert json.loads(file.read_text()) == given
    assert file.stat().st_mode & 0o777 == 0o600
    document = store.get("connections/my-shop")
    assert document is not None
    assert document.data["credential"] == f"file:{file}"
    (audit,) = store.query(Query("audit", limit=9))
    assert (audit.data["action"], audit.data["connection_id"]) == ("add", "my-shop")
    everything = f"{told}{document.data}{audit.data}"
    assert given["access_token"] not in everything
    assert main(["connections", "check", "my-shop"]) == 0


def test_nothing_is_stored_if_the_marketplace_refuses(
    shopify: Sandbox, folder: Path, store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither secret nor connection nor audit; the canary is in no output."""
    path = secret_file(folder, {"access_token": "shpat_canary"})

    assert main(options(shopify, "--secret-file", path)) == 1

    told = capsys.readouterr()
    assert "401" in told.err
    assert "canary" not in f"{told}"
    assert stored(store, folder) == []


def test_the_secret_of_a_connection_that_exists_is_left_alone(
    shopify: Sandbox, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An id that is taken is refused before anything is asked or stored."""
    assert main(options(shopify, "--secret-file", secret_file(folder, CREDENTIALS["shopify"]))) == 0
    calls = shopify.control("GET", "stats")["calls"]

    assert main(options(shopify, "--secret-file", secret_file(folder, {"access_token": "other"}))) == 1

    assert "exists already" in capsys.readouterr().err
    assert json.loads((folder / "store-secrets" / "my-shop.json").read_text()) == CREDENTIALS["shopify"]
    assert shopify.control("GET", "stats")["calls"] == calls


def test_a_token_that_is_replaced_by_the_check_is_the_one_that_is_stored(
    shopify: Sandbox, folder: Path
) -> None:
    """The first one is worth nothing any more."""
    assert main(options(shopify, "--secret-file", secret_file(folder, ROTATING))) == 0

    found = json.loads((folder / "store-secrets" / "my-shop.json").read_text())
    assert found["refresh_token"] == "shprt_issued_1"
    assert main(["connections", "check", "my-shop"]) == 0


def test_a_replaced_token_that_is_not_stored_is_told(
    shopify: Sandbox, folder: Path, store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    """If the check fails after the exchange, the person needs a new token."""
    shopify.control("POST", "faults", {"kind": "status", "status": 400, "every": 2})

    code = main(options(shopify, "--secret-file", secret_file(folder, ROTATING)))

    told = capsys.readouterr().err
    assert code != 0
    assert "the refresh token was replaced by this call" in told
    assert stored(store, folder) == []


@pytest.mark.processes
def test_the_secret_comes_from_standard_input(shopify: Sandbox, folder: Path) -> None:
    """`--secret-file -`, as a script gives it; the answer in JSON names the account."""
    done = piped(
        *options(shopify, "--secret-file", "-", "-o", "json"), text=json.dumps(CREDENTIALS["shopify"]) + "\n"
    )

    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["account"].startswith("shopify: Sandbox 0")
    assert answer["credential"] == f"file:{folder}/store-secrets/my-shop.json"
    assert "shpat" not in done.stdout + done.stderr


@pytest.mark.processes
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("x" * 70_000, "at most 65536 bytes"),
        ("canary", "credential"),
        ('{"access_token": 1, "canary": 2}', "Expected `str"),
    ],
)
def test_a_secret_of_another_form_is_refused(
    text: str, told: str, shopify: Sandbox, folder: Path, store: SqliteStore
) -> None:
    """In one line that shows none of it."""
    done = piped(*options(shopify, "--secret-file", "-"), text=text)

    assert done.returncode == 1
    assert told in done.stderr
    assert "canary" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert stored(store, folder) == []


@pytest.mark.processes
@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (["connections", "add", "x"], "--marketplace, --organization"),
        (["connections", "add", "x", "--marketplace", "ebay"], "--organization"),
        (
            ["connections", "add", "x", "--marketplace", "ebay", "--organization", "o"],
            "--secret-file or --credential",
        ),
    ],
)
def test_a_script_is_told_all_that_is_missing(arguments: list[str], missing: str) -> None:
    """Nobody is asked where nobody can answer."""
    done = piped(*arguments)

    assert done.returncode == 1
    assert f"missing: {missing}" in done.stderr


@pytest.mark.processes
def test_a_person_is_asked(shopify: Sandbox, folder: Path, store: SqliteStore) -> None:
    """For marketplace, organization, settings and secret; the secret is not shown, the account is."""
    answers = [
        ("Marketplace (", "shopfy\n"),
        ("It takes one of", ""),
        ("Marketplace (", "shopify\n"),
        ("Organization that owns the account", "my-company\n"),
        ("shop: The shop's own host", "sandbox-0.myshopify.com\n"),
        ("access_token", "shpat_sandbox_0\n"),
        ("client_id", "\n"),
        ("client_secret", "\n"),
        ("refresh_token", "\n"),
        ("Is this the account", "\n"),
    ]
    code, shown = typed(["connections", "add", "my-shop", "--setting", f"base_url={shopify.url}"], answers)

    assert code == 0, shown
    assert "The marketplace answers: shopify: Sandbox 0" in shown
    assert "shpat_sandbox_0" not in shown
    assert "my-shop: added, with orders, products, inventory" in shown
    document = store.get("connections/my-shop")
    assert document is not None
    assert document.data["organization_id"] == "my-company"
    assert json.loads((folder / "store-secrets" / "my-shop.json").read_text()) == CREDENTIALS["shopify"]


@pytest.mark.processes
def test_a_person_who_sees_another_account_stores_nothing(
    shopify: Sandbox, folder: Path, store: SqliteStore
) -> None:
    """The answer no ends it."""
    path = secret_file(folder, CREDENTIALS["shopify"])
    code, shown = typed(options(shopify, "--secret-file", path), [("Is this the account", "no\n")])

    assert code == 1
    assert "nothing is stored" in shown
    assert stored(store, folder) == []


@pytest.mark.processes
def test_a_pasted_secret_is_not_shown(shopify: Sandbox) -> None:
    """`--secret-file -` in a terminal turns the echo off."""
    answers = [
        ("then Ctrl-D.", '{"access_token": "shpat_sandbox_0"}\n\x04'),
    ]
    code, shown = typed(options(shopify, "--secret-file", "-", "-o", "json"), answers)

    assert code == 0, shown
    assert "shpat" not in shown
    assert '"account": "shopify: Sandbox 0' in shown


def test_a_check_can_be_left_out(folder: Path, store: SqliteStore) -> None:
    """For a marketplace that is down; the form of the secret is checked all the same."""
    arguments = [
        *("connections", "add", "my-shop", "--marketplace", "takealot", "--organization", "my-company"),
        *("--setting", "base_url=http://127.0.0.1:1", "--no-check", "--secret-file"),
    ]

    assert main([*arguments, secret_file(folder, {"key": "x"})]) == 1
    assert stored(store, folder) == []
    assert main([*arguments, secret_file(folder, {"api_key": "x"})]) == 0
    assert store.get("connections/my-shop") is not None
