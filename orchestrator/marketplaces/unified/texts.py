"""Texts of records: cleaned, cut to their limits, and read from HTML."""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Iterable
from typing import TypeVar

from orchestrator.errors import RecordInvalid
from orchestrator.model.records.record import Attribute

T = TypeVar("T")

#: The most characters of a title, and of every other text that has no limit of its own.
TEXT = 1_000
DESCRIPTION, DESCRIPTION_HTML_BYTES = 20_000, 100_000
IMAGES, URL_BYTES = 20, 2_048
TAGS, TAG = 250, 255
#: The number of SKUs of a record. A longer SKU makes a reject: Firestore cuts longer texts in its indexes.
SKUS, SKU_BYTES = 500, 1_500
OPTIONS, PROPERTIES, TRACKING, CODES = 100, 50, 20, 50

#: Control characters but line feed and tab.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
#: HTML that shows no text, and its ends.
_UNSEEN = re.compile(r"<(?:(!--)|(script|style)\b)", re.IGNORECASE)
_UNSEEN_ENDS = {
    "!--": re.compile(r"-->"),
    "script": re.compile(r"</script\s*>", re.IGNORECASE),
    "style": re.compile(r"</style\s*>", re.IGNORECASE),
}
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
#: Tags that end a line of text.
_BREAK = re.compile(
    r"<(?:br|hr|/(?:p|div|li|ul|ol|dl|dt|dd|h[1-6]|tr|table|blockquote|pre|section|article|header|footer))"
    r"(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
#: Tags between words of one line.
_GAP = re.compile(r"</?t[dh](?:\s[^<>]*)?>", re.IGNORECASE)


def clean(text: str) -> str:
    """A text without control characters but line feeds and tabs, trimmed."""
    if text.isprintable():
        return text.strip()
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub("", text).strip()


def text_of_html(markup: str) -> str:
    """The text that HTML shows: each block on a line of its own, entities decoded.

    A text without tags keeps its lines.
    """
    seen = _seen(markup)
    if not _TAG.search(seen):
        return clean(html.unescape(seen))
    seen = " ".join(seen.split())
    shown = html.unescape(_TAG.sub("", _GAP.sub(" ", _BREAK.sub("\n", seen))))
    lines = (" ".join(line.split()) for line in clean(shown).split("\n"))
    return "\n".join(line for line in lines if line)


def _seen(markup: str) -> str:
    """HTML without comments, scripts and styles; one that does not end hides all the rest."""
    parts, at = [], 0
    while opening := _UNSEEN.search(markup, at):
        parts.append(markup[at : opening.start()])
        kind = (opening[1] or opening[2]).lower()
        closing = _UNSEEN_ENDS[kind].search(markup, opening.end())
        if closing is None:
            return "".join(parts)
        at = closing.end()
    return "".join([*parts, markup[at:]])


class Texts:
    """Cleans the texts of one record and cuts them to their limits; it remembers the fields that it cut.

    An empty text is None. The first items of a list are kept.
    """

    def __init__(self) -> None:
        self._cut: set[str] = set()

    @property
    def truncated(self) -> tuple[str, ...]:
        """The names of the fields that were cut, sorted."""
        return tuple(sorted(self._cut))

    def text(self, name: str, text: str | None, most: int = TEXT) -> str | None:
        """A text of at most `most` characters."""
        if not text:
            return None
        cleaned = clean(text)
        if len(cleaned) > most:
            self._cut.add(name)
            cleaned = cleaned[:most].rstrip()
        return cleaned or None

    def html(self, name: str, markup: str | None) -> str | None:
        """HTML of at most the bytes that a record keeps, cut between characters."""
        cleaned = clean(markup) if markup else ""
        encoded = cleaned.encode()
        if len(encoded) > DESCRIPTION_HTML_BYTES:
            self._cut.add(name)
            cleaned = encoded[:DESCRIPTION_HTML_BYTES].decode(errors="ignore")
        return cleaned or None

    def url(self, name: str, url: str | None) -> str | None:
        """An address; a longer one than a record keeps is None, because a cut address leads nowhere."""
        cleaned = clean(url) if url else ""
        if len(cleaned.encode()) > URL_BYTES:
            self._cut.add(name)
            return None
        return cleaned or None

    def sku(self, sku: str | None) -> str | None:
        """A SKU, unchanged: other systems know it as it is, blanks included. A blank one is None.

        Raises:
            RecordInvalid: It is too long for an index.
        """
        if sku is None or not sku.strip():
            return None
        if len(sku.encode()) > SKU_BYTES:
            raise RecordInvalid(f"a SKU is longer than {SKU_BYTES} bytes")
        return sku

    def skus(self, skus: Iterable[str | None]) -> tuple[str, ...]:
        """The SKUs of a record's parts, sorted, each once."""
        return self.first("skus", sorted({sku for sku in skus if sku}), SKUS)

    def words(self, name: str, words: Collection[str], most: int) -> tuple[str, ...]:
        """Short texts, sorted, each once."""
        if not words:
            return ()
        found = {word for each in words if (word := self.text(name, each, TAG))}
        return self.first(name, sorted(found), most)

    def listed(self, name: str, texts: Iterable[str], most: int) -> tuple[str, ...]:
        """Texts as they are listed, each once."""
        found = (text for each in texts if (text := self.text(name, each)))
        return self.first(name, list(dict.fromkeys(found)), most)

    def urls(self, name: str, urls: Iterable[str], most: int) -> tuple[str, ...]:
        """Addresses as they are listed, each once."""
        found = (url for each in urls if (url := self.url(name, each)))
        return self.first(name, list(dict.fromkeys(found)), most)

    def attributes(
        self, name: str, attributes: Collection[Attribute], most: int = OPTIONS
    ) -> tuple[Attribute, ...]:
        """Named values as they are listed; one without a name or without a value is left out."""
        if not attributes:
            return ()
        found = [
            Attribute(name=title, value=value)
            for each in attributes
            if (title := self.text(name, each.name)) and (value := self.text(name, each.value))
        ]
        return self.first(name, found, most)

    def first(self, name: str, items: list[T], most: int) -> tuple[T, ...]:
        """The first items of a list."""
        if len(items) > most:
            self._cut.add(name)
        return tuple(items[:most])
