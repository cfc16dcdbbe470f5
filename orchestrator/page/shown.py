"""Values as the templates show them. Every filter takes any value: documents may have been edited."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import flask

from orchestrator.operators.health.remedies import typed
from orchestrator.operators.health.verdict import duration, plural

_NOTHING = "\N{EN DASH}"


class Part(NamedTuple):
    """A piece of a sentence."""

    text: str
    is_code: bool


def iso(value: object) -> str:
    """A time for `<time datetime>`; empty if it is none."""
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if isinstance(value, datetime) else ""


def utc(value: object) -> str:
    """A time for people, in UTC."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z" if isinstance(value, datetime) else _NOTHING


def number(value: object) -> str:
    """A number with its thousands set apart."""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else _NOTHING


def usd(value: object) -> str:
    """An amount of money, of which most are small."""
    if not isinstance(value, int | float):
        return _NOTHING
    if 0 < value < 0.0001:
        return "< $0.0001"
    return f"${value:,.2f}" if value >= 1 or not value else f"${value:.4f}"


def percent(value: object) -> str:
    """A share from 0 to 1."""
    return f"{value:.0%}" if isinstance(value, int | float) else _NOTHING


def seconds(value: object) -> str:
    """A time span in seconds, in its largest units."""
    if not isinstance(value, int | float):
        return _NOTHING
    whole = max(0, round(value))
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min" if whole < 172_800 else f"{whole // 86_400} days"


def took(begun: object, over: object) -> str:
    """The time between two times."""
    both = isinstance(begun, datetime) and isinstance(over, datetime)
    return seconds((over - begun).total_seconds()) if both else _NOTHING  # type: ignore[operator] # both are


def age(value: object, now: datetime) -> str:
    """The time since a time."""
    return duration(now - value) if isinstance(value, datetime) else _NOTHING


def span(value: float) -> str:
    """A number of seconds in its largest unit, as a sentence says it."""
    return duration(timedelta(seconds=value))


def words(value: object) -> str:
    """A word of a document, for people."""
    text = getattr(value, "value", value)
    return str(text).replace("_", " ") if isinstance(text, str) and text else _NOTHING


def plain(value: object) -> str:
    """A field of a document that people have written."""
    match value:
        case None:
            return _NOTHING
        case bool():
            return "yes" if value else "no"
        case datetime():
            return utc(value)
        case list() | tuple():
            return ", ".join(map(plain, value)) or _NOTHING
        case dict():
            return ", ".join(f"{name}: {plain(each)}" for name, each in value.items()) or _NOTHING
        case _:
            return str(value)


def parts(text: object, connection_id: str = "") -> list[Part]:
    """A remedy in pieces: quoted commands in full, and for one connection with its id."""
    if not isinstance(text, str):
        return []
    found = [Part(piece, bool(n % 2)) for n, piece in enumerate(text.split("`")) if piece]
    return [Part(typed(part.text, connection_id), True) if part.is_code else part for part in found]


def here(**changes: object) -> str:
    """This screen's address with other parameters; None removes one."""
    arguments: dict[str, Any] = {**flask.request.args.to_dict(), **changes}
    place = {**(flask.request.view_args or {}), **{name: value for name, value in arguments.items() if value}}
    return flask.url_for(flask.request.endpoint or "screens.home", **place)


FILTERS: dict[str, Callable[..., Any]] = {
    each.__name__: each
    for each in (iso, utc, number, usd, percent, seconds, took, age, span, words, plain, parts)
} | {"plural": plural}
