"""The three faces of the product as a person uses them: a first look, and one step that the look names."""

from __future__ import annotations

import html
import io
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orchestrator.cli.app import main
from orchestrator.page.server import beside
from tests.page.hands import Hands
from tests.page.scenes import ANN
from tests.page.served import Page
from tests.system.situations.stage import Stage

_TIME = r"(?:(\d{4})-)?(\d\d-\d\d)[T ](\d\d:\d\d)(?::(\d\d)(?:\.\d+)?)?Z"
_LINK = re.compile(r'<a href="([^"]+)"')
#: Commands are quoted, or written with the program's name.
_QUOTED = re.compile(r"`([^`]+)`|marketplace-sync ([\w-]+(?: [\w.-]+)*)")
#: The parts of a quoted command that the person fills in.
_BLANKS = ("ID", "RUN_ID", "MARKETPLACE")
#: A cause is found out by the tick that meets it.
_NOTICED = timedelta(minutes=16)


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What each face tells within two steps. All texts are patterns."""

    #: The status' word for the situation.
    situation: str
    cause: str
    #: When it began; it is told within a tick of it.
    since: datetime
    remedy: str
    #: The second command, as the status names it, with its blanks filled in.
    command: str
    #: The address of the second screen, which the first one links to.
    screen: str
    #: The word before the time of the beginning; on each face.
    since_word: str = r"\bsince"
    #: Texts that each face has besides.
    more: tuple[str, ...] = ()
    #: Whether the HTTP function can know it.
    is_on_http: bool = True


@dataclass
class Person:
    """Somebody at a terminal and at a browser."""

    stage: Stage
    hands: Hands
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch
    #: The commands that the last answers named.
    named: list[str] = field(default_factory=list)

    def run(self, command: str, *, given: str = "", code: int = 0) -> str:
        """Run a command of `marketplace-sync`; returns all that it printed."""
        self.monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode())))
        self.capsys.readouterr()
        found = main(shlex.split(command.removeprefix("marketplace-sync ")))
        self.stage.look_at_the_dead()
        printed = self.capsys.readouterr()
        assert found == code, (command, printed)
        return printed.out + printed.err

    def status(self) -> dict[str, Any]:
        """The HTTP function's answer."""
        view: dict[str, Any] = self.stage.ask("GET", "/api/sync/status")
        return view

    def finds(self, expected: Expected) -> None:
        """Each face tells the cause, since when, and the remedy, within two steps."""
        faces = {"command line": self._at_the_terminal, "page": self._at_the_browser}
        if expected.is_on_http:
            faces["HTTP"] = self._at_the_interface
        for name, look in faces.items():
            told = look(expected)
            for pattern in (expected.cause, expected.remedy, *expected.more):
                assert re.search(pattern, told, re.IGNORECASE), (name, pattern, told)
            assert _tells_time(told, expected.since_word, expected.since), (name, expected.since, told)

    def obeys(self, pattern: str, *, given: str = "", code: int = 0, more: str = "", **blanks: str) -> str:
        """Carry out a command that the last answers named, with its blanks filled in; returns its output."""
        found = [each for each in self.named if re.search(pattern, each)]
        assert found, (pattern, self.named)
        return self.run(f"{_filled(found[0], blanks)}{more}", given=given, code=code)

    def reads(self, told: str) -> None:
        """Take note of the commands that an answer names."""
        self.named = _commands(told)

    def is_told_all_is_well(self) -> None:
        """Every face says that it is over."""
        view = self.status()
        assert (view["situation"], view["groups"]) == ("well", []), view["verdict"]
        assert self.run("status").startswith("All is well")
        assert "All is well" in self.hands.look("/")

    def _at_the_terminal(self, expected: Expected) -> str:
        first = self.run("status")
        self.named = _commands(first)
        assert any(_fits(expected.command, each) for each in self.named), (expected.command, first)
        second = self.run(expected.command)
        self.named += _commands(second)
        return first + second

    def _at_the_browser(self, expected: Expected) -> str:
        first = self.hands.look("/")
        links = [html.unescape(link) for link in _LINK.findall(first)]
        found = [link for link in links if re.fullmatch(expected.screen, link)]
        assert found, (expected.screen, links)
        return _text(first) + _text(self.hands.look(found[0]))

    def _at_the_interface(self, expected: Expected) -> str:
        view = self.status()
        assert view["situation"] == expected.situation, view["verdict"]
        runs = [run["run_id"] for run in view["runs"][:1]]
        return "\n".join(_flat(view)) + "\n".join(
            line for run_id in runs for line in _flat(self.stage.ask("GET", f"/api/sync/runs/{run_id}"))
        )


@contextmanager
def person(
    stage: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Person]:
    """Somebody with the page open."""
    page = Page()
    with beside(
        stage.services, ANN, 0, dead_letters=lambda: stage.letters, tell=page.links.append
    ) as page.port:
        yield Person(stage, Hands(page, page.enter()), capsys, monkeypatch)


def _commands(text: str) -> list[str]:
    """The commands that a text names."""
    return [quoted or plain for quoted, plain in _QUOTED.findall(text)]


def _fits(command: str, named: str) -> bool:
    """Whether a command is a named one with its blanks filled in."""
    words, given = shlex.split(named.removeprefix("marketplace-sync ")), shlex.split(command)
    return len(words) == len(given) and all(
        word == filled or word in _BLANKS for word, filled in zip(words, given, strict=True)
    )


def _filled(command: str, blanks: dict[str, str]) -> str:
    words = shlex.split(command)
    return shlex.join([blanks.get(word, word) for word in words])


def _text(screen: str) -> str:
    """A screen as it is read."""
    body = re.sub(r"<script.*?</script>|<head>.*?</head>", "", screen, flags=re.DOTALL)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body)))


def _flat(value: object, name: str = "") -> Iterator[str]:
    """A JSON value as lines: name and value."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _flat(each, key)
    elif isinstance(value, list):
        for each in value:
            yield from _flat(each, name)
    else:
        yield f"{name} {value}"


def _tells_time(text: str, word: str, since: datetime) -> bool:
    """Whether the text names a time between the beginning and the tick that met it, behind a word."""
    for match in re.finditer(rf"(?:{word})\W{{0,40}}?{_TIME}", text, re.IGNORECASE | re.DOTALL):
        year, day, minute, second = match.groups()[-4:]
        shown = f"{year or since.year}-{day}T{minute}:{second or '00'}"
        told = datetime.fromisoformat(shown).replace(tzinfo=UTC)
        if since.replace(second=0, microsecond=0) <= told <= since + _NOTICED:
            return True
    return False
