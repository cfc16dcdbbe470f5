"""docs/connections.md is the connectors' own text, and its examples are connections that they accept."""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from orchestrator.cli.app import main, parser
from orchestrator.marketplaces.registry import REGISTRY
from orchestrator.model.connection import Connection
from tests.cli.sellers.terminal import typed
from tests.delivery.docs import connections
from tests.delivery.docs.examples import EXAMPLES
from tests.support.scripted import CREDENTIALS, sandbox

TEXT = connections.PAGE.read_text()
COMMANDS = [line.strip() for line in TEXT.splitlines() if line.strip().startswith("marketplace-sync ")]
SECRETS = [
    pytest.param(marketplace, content, id=f"{marketplace}-{title}")
    for marketplace, example in EXAMPLES.items()
    for title, content in example.secrets.items()
]


def by_hand(heading: str) -> str:
    """The text between a section's heading and its generated part."""
    return TEXT.partition(f"\n## {heading}\n")[2].partition("\n<!-- ")[0]


def table(marker: str) -> str:
    """A table that is written by hand."""
    return TEXT.partition(f"<!-- {marker} -->")[2].partition(f"<!-- /{marker} -->")[0]


def test_the_generated_parts_are_the_connectors() -> None:
    """`make docs` would change nothing, and every marketplace has its part."""
    assert connections.with_parts(TEXT) == TEXT
    for marker, part in connections.parts().items():
        assert f"<!-- {marker} -->\n{part}\n<!-- /{marker} -->" in TEXT
    assert set(EXAMPLES) == set(REGISTRY)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_line_parses(command: str) -> None:
    """Each documented command is one that the command line takes."""
    assert callable(parser().parse_args(shlex.split(command)[1:]).run)


@pytest.mark.parametrize(("marketplace", "content"), SECRETS)
def test_the_example_is_accepted(
    marketplace: str,
    content: Mapping[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The documented command adds a connection with the documented secret: the connector opens with both."""
    monkeypatch.setenv("ENVIRONMENT", "development")
    monkeypatch.setenv("SYNC_STORE", f"sqlite:{tmp_path / 'store.db'}")
    monkeypatch.setenv("SYNC_QUEUE", "local:http://127.0.0.1:1")
    monkeypatch.delenv("K_SERVICE", raising=False)
    secret = tmp_path / "secret.json"
    secret.write_bytes(msgspec.json.encode(content))
    words = shlex.split(EXAMPLES[marketplace].command(marketplace))[1:]

    # The example's account does not exist.
    assert main([*words, "--secret-file", str(secret), "--no-check"]) == 0
    assert "added" in capsys.readouterr().out


@pytest.mark.parametrize(("marketplace", "content"), SECRETS)
def test_a_secret_has_the_fields_it_needs_and_no_other(marketplace: str, content: Mapping[str, str]) -> None:
    """Each form decodes; without one of its fields it is refused, or is another of the forms."""
    form = REGISTRY[marketplace].credential
    forms = list(EXAMPLES[marketplace].secrets.values())

    assert set(content) <= {field.encode_name for field in msgspec.structs.fields(form)}
    msgspec.convert(content, form)
    for name in content:
        rest = {other: value for other, value in content.items() if other != name}
        if rest not in forms:
            with pytest.raises(msgspec.ValidationError):
                msgspec.convert(rest, form)


@pytest.mark.parametrize("marketplace", REGISTRY)
def test_an_example_has_every_required_setting(marketplace: str) -> None:
    """The settings decode, and without one of them they do not."""
    connector, settings = REGISTRY[marketplace], EXAMPLES[marketplace].settings

    msgspec.convert(settings, connector.settings)
    assert set(settings) <= set(connections.own_settings(connector))
    for name in settings:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({key: settings[key] for key in settings if key != name}, connector.settings)


@pytest.mark.parametrize("marketplace", REGISTRY)
def test_every_field_is_described(marketplace: str) -> None:
    """No setting and no field of a secret lacks a meaning or a type in plain words."""
    connector = REGISTRY[marketplace]
    for form in (connector.settings, connector.credential):
        for field in msgspec.structs.fields(form):
            assert connections.description(field)
            assert connections.takes(field.type)


@pytest.mark.parametrize("marketplace", REGISTRY)
def test_every_stream_has_its_access(marketplace: str) -> None:
    """A scope names each stream, or the page says that it needs no scope; each source is linked to."""
    connector = REGISTRY[marketplace]
    part = connections.parts()[marketplace].partition("**Access**")[2]
    rows = re.findall(r"^\| `(.+?)` \| .+ \| (.+) \|$", part, flags=re.MULTILINE)
    free = re.search(r"^No .+ is needed for (.+)\.$", part, flags=re.MULTILINE)
    told = " ".join([*(effect for _, effect in rows), free[1] if free else ""])

    assert [name for name, _ in rows] == [scope.name for scope in connector.access.scopes]
    assert all(f"`{stream}`" in told for stream in connector.streams)
    assert all(f"<{source}>" in part for source in connector.access.sources)
    assert connector.access.lifetime in part


def test_a_stream_without_a_scope_is_named() -> None:
    """The page says so if a stream needs no permission."""
    connector = REGISTRY["woocommerce"]
    open_to_all = dataclasses.replace(connector, access=dataclasses.replace(connector.access, scopes=()))

    part = connections.section(open_to_all, EXAMPLES["woocommerce"])
    assert "No permission is needed for `orders`, `products` and `inventory`." in part


def test_a_field_without_words_is_refused() -> None:
    """A field that has no description, or a type that the page cannot name, stops the generator."""

    class Form(msgspec.Struct):
        count: int

    (field,) = msgspec.structs.fields(Form)
    with pytest.raises(LookupError, match="count has no description"):
        connections.description(field)
    with pytest.raises(LookupError, match="no words"):
        connections.takes(field.type)


def test_the_options_are_those_of_a_connection() -> None:
    """Every field that people may set is in the table, with the option and the default that it has."""
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \| .+ \|$", table("options"), flags=re.MULTILINE)
    elsewhere = {"marketplace", "status", "credential", "settings", "pace", "created_at", "updated_at"}
    add = parser().parse_args(shlex.split(COMMANDS[0])[1:])
    fields = {field.name: field for field in msgspec.structs.fields(Connection)}

    assert {name for name, _, _ in rows} == set(fields) - elsewhere
    for name, option, default in rows:
        for written in re.findall(r"`--([a-z-]+)`", option):
            assert hasattr(add, written.replace("-", "_"))
        if number := re.fullmatch(r"`(\w+)`", default):
            assert msgspec.json.decode(number[1]) == fields[name].default


def test_amazons_regions_and_marketplaces_are_accepted() -> None:
    """The table has every region, and ids that the connector takes."""
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", by_hand("Amazon"), flags=re.MULTILINE)[1:]
    form = REGISTRY["amazon"].settings
    seller = EXAMPLES["amazon"].settings["seller_id"]
    ids = {region: re.findall(r"`(\w+)`", cell) for region, cell in rows}

    region_field = connections.own_settings(REGISTRY["amazon"])["region"]
    assert list(ids) == re.findall(r"`(\w+)`", connections.takes(region_field.type))
    for region, marketplaces in ids.items():
        msgspec.convert({"region": region, "marketplace_ids": marketplaces, "seller_id": seller}, form)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"region": "xx", "marketplace_ids": ids["eu"], "seller_id": seller}, form)
    assert set(EXAMPLES["amazon"].settings["marketplace_ids"]) <= set(ids["eu"])


def test_ebays_sites_and_scopes_are_the_connectors() -> None:
    """The list has every site that the connector takes; the seller is asked for all scopes and no other."""
    text = by_hand("eBay")
    with pytest.raises(msgspec.ValidationError) as refusal:
        msgspec.convert({"marketplace_id": "EBAY_NOWHERE"}, REGISTRY["ebay"].settings)
    address = re.search(r"https://auth\.ebay\.com\S+", text)

    assert re.findall(r"`(EBAY_\w+)`", text) == re.findall(r"EBAY_\w+", str(refusal.value))
    assert address is not None
    asked = parse_qs(urlsplit(address[0]).query)["scope"][0].split()
    assert asked == [scope.name for scope in REGISTRY["ebay"].access.scopes]


def test_takealots_apis_are_the_connectors() -> None:
    """The table names each value of the setting."""
    rows = re.findall(r"^\| `(\w+)` \|", by_hand("Takealot"), flags=re.MULTILINE)
    (api,) = connections.own_settings(REGISTRY["takealot"]).values()

    assert rows == ["api", *re.findall(r"`(\w+)`", connections.takes(api.type))]


@pytest.mark.processes
def test_the_commands_written_by_hand_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In their order, against a sandbox: Takealot's connection as the page adds, changes and checks it."""
    monkeypatch.setenv("ENVIRONMENT", "development")
    monkeypatch.setenv("SYNC_STORE", f"sqlite:{tmp_path / 'store.db'}")
    monkeypatch.setenv("SYNC_QUEUE", "local:http://127.0.0.1:1")
    monkeypatch.delenv("K_SERVICE", raising=False)
    monkeypatch.chdir(tmp_path)
    secret = tmp_path / "my-takealot.json"
    secret.write_text(msgspec.json.encode(CREDENTIALS["takealot"]).decode())
    written = [by_hand(heading) for heading in ("Add a connection", "Change a credential")]
    changes = TEXT.partition("\n## Change a connection\n")[2].partition("\n## ")[0]
    lines = [line for text in (written[0], changes, written[1]) for line in text.splitlines()]
    commands = [line for line in lines if line.startswith("marketplace-sync ") and "my-takealot" in line]

    with sandbox("takealot", orders=5, products=5) as running:
        here = ["--setting", f"base_url={running.url}"]
        questions = [
            ("Organization that owns the account", "my-company\n"),
            ("api_key", f"{CREDENTIALS['takealot']['api_key']}\n"),
            ("Is this the account", "\n"),
        ]
        for command in commands:
            words = shlex.split(command)[1:]
            if "--credential" in words:
                words[words.index("--credential") + 1] = f"file:{secret}"
            if words[1] != "add":
                assert main(words) == 0, command
                continue
            if len(words) == 5:
                assert typed([*words, *here], questions)[0] == 0, command
            else:
                assert main([*words, *here]) == 0, command
            if command != [each for each in commands if " add " in each][-1]:
                assert main(["connections", "remove", words[2]]) == 0
    assert len(commands) == 11
