"""A person at a page: looks at screens, presses buttons and confirms."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from urllib.parse import urlencode

from tests.page.served import Page

_FORM = re.compile(r'<form method="post" action="(/act/[a-z-]+)">(.*?)</form>', re.DOTALL)
_FIELD = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)">')
#: Fields by action, as a screen's form has them.
Forms = dict[str, list[dict[str, str]]]


@dataclass(slots=True)
class Hands:
    """A person at a page."""

    page: Page
    session: dict[str, str]

    def look(self, address: str) -> str:
        """A screen."""
        status, _, shown = self.page.ask("GET", address, self.session)
        assert status == 200, shown
        return shown

    def forms(self, address: str) -> Forms:
        """The buttons of a screen."""
        return forms_of(self.look(address))

    def send(self, act: str, fields: dict[str, str]) -> tuple[int, dict[str, str], str]:
        """Send a form as a browser does."""
        headers = {
            **self.session,
            "Origin": self.page.origin,
            "Sec-Fetch-Site": "same-origin",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        return self.page.ask("POST", f"/act/{act}", headers, urlencode(fields).encode())

    def press(self, act: str, fields: dict[str, str]) -> str:
        """Press a button, confirm, and follow; returns the next screen."""
        status, _, shown = self.send(act, fields)
        assert status == 200, shown
        (confirmed,) = forms_of(shown)[act]
        status, headers, shown = self.send(act, confirmed)
        assert status == 303, shown
        return self.look(headers["location"])


def forms_of(shown: str) -> Forms:
    """All forms of a screen that act."""
    found: Forms = {}
    for action, inner in _FORM.findall(shown):
        fields = {unescape(name): unescape(value) for name, value in _FIELD.findall(inner)}
        found.setdefault(action.removeprefix("/act/"), []).append(fields)
    return found
