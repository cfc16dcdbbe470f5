"""A marketplace's answer: its body decoded, with the usual faults around and inside the JSON mended."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

import msgspec

from orchestrator.decoding import UNREADABLE, mended, numbered, only_value
from orchestrator.errors import MarketplaceUnavailable, ResponseInvalid

T = TypeVar("T")
log = logging.getLogger(__name__)

#: The most values in the JSON of an answer, and the most lists and objects, which take more.
MOST_VALUES, MOST_NESTED = 500_000, 250_000
_OTHERS = bytes(each for each in range(256) if each not in b",[{")


@dataclass(frozen=True)
class Response:
    """A good answer, read to its end."""

    #: Marketplace and operation, for messages.
    call: str
    status: int
    #: Names compare without case.
    headers: Mapping[str, str]
    body: bytes
    #: The faults that were told of answers for the same page.
    told: set[str] = field(default_factory=set, repr=False)

    @property
    def content_type(self) -> str:
        """The kind of content that the answer says it has, for messages."""
        given = self.headers.get("Content-Type", "")
        return given.partition(";")[0].strip().lower()[:80] or "no content type"

    @cached_property
    def commas_and_brackets(self) -> tuple[int, int]:
        """How many commas the body has, and how many brackets that open a list or an object.

        JSON has as many values: a comma separates two, and a bracket is before a first one.
        """
        # One pass over the body, which takes as long as counting one of them.
        marks = self.body.translate(None, _OTHERS)
        commas = marks.count(b",")
        return commas, len(marks) - commas

    def decode(self, kind: type[T]) -> T:
        """The body as `kind`, without notices, marks or comments around it and without unreadable characters.

        Raises:
            MarketplaceUnavailable: Not one JSON value: an error page, or a truncated body.
            ResponseInvalid: JSON, but not of the form that the API promises.
        """
        # Decoded, a value takes up to forty times its length.
        commas, brackets = self.commas_and_brackets
        if commas > MOST_VALUES:
            raise ResponseInvalid(f"{self.call}: the answer has more than {MOST_VALUES} values")
        if brackets > MOST_NESTED:
            raise ResponseInvalid(f"{self.call}: the answer has more than {MOST_NESTED} lists and objects")
        try:
            body = mended(self.body)
            try:
                found = msgspec.json.decode(body, type=kind)
            except UNREADABLE:
                found = only_value(body, kind)
                self._tell("the answer has more than its JSON; the rest is left out")
        except msgspec.ValidationError as error:
            raise self.broken_promise(error) from None
        except UNREADABLE:
            fault = f"a body that is not JSON ({self.content_type})"
            raise MarketplaceUnavailable(f"{self.call}: answered {self.status} with {fault}") from None
        if body is not self.body:
            self._tell("the answer has characters that are none; they are replaced")
        return found

    def rows(self) -> list[msgspec.Raw]:
        """The body as a list; PHP may send one as an object with numbered keys.

        Raises:
            MarketplaceUnavailable, ResponseInvalid: As `decode`.
        """
        try:
            return self.decode(list[msgspec.Raw])
        except ResponseInvalid:
            try:
                return numbered(self.decode(dict[str, msgspec.Raw]))
            except (ResponseInvalid, msgspec.ValidationError):
                pass
            raise

    def _tell(self, fault: str) -> None:
        """Log a fault of an answer that could be read all the same, once a page."""
        if fault not in self.told:
            self.told.add(fault)
            log.warning("%s: %s", self.call, fault, extra={"action": "answer_mended", "call": self.call})

    def broken_promise(self, error: Exception) -> ResponseInvalid:
        """The error for JSON of another form than the API promises."""
        return ResponseInvalid(f"{self.call}: the answer is not of the form that the API promises: {error}")
