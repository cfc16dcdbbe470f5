"""What is true at the marketplace: rows, and every version of them since the beginning."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from orchestrator.model.records.record import Buyer, Order, Record

#: Stands in everything about a buyer, and may stand only where that may be stored.
BUYER = "bUy3r"
#: The store refuses a record that holds it.
UNSTORABLE = "unstorable"


class Raw(msgspec.Struct):
    """A row as it travels."""

    id: str
    created_at: datetime
    changed_at: datetime
    value: str
    buyer: str
    #: How it is malformed; empty where it is well-formed.
    broken: str = ""
    #: Only in a completed row.
    detail: str = ""


@dataclass(frozen=True)
class Version:
    """A row from one change to the next; times are the marketplace's."""

    changed_at: datetime
    #: When its listings show the change.
    visible_at: datetime
    value: int
    broken: str = ""
    #: Changed without a new modification time: only a listing of everything can find it.
    silent: bool = False
    unstorable: bool = False

    @property
    def stored_value(self) -> str:
        """What the record's `marketplace_status` is."""
        return f"{UNSTORABLE} {self.value}" if self.unstorable else str(self.value)


@dataclass
class Row:
    """A row as it is and was."""

    id: str
    created_at: datetime
    versions: list[Version] = field(default_factory=list)

    @property
    def now(self) -> Version:
        """The row as it is."""
        return self.versions[-1]

    def __str__(self) -> str:
        """For whoever reads a violation: each change with when it was made, and shown."""
        told = [
            f"{it.changed_at:%d %H:%M:%S}"
            f"{f' shown {it.visible_at:%H:%M:%S}' if it.visible_at != it.changed_at else ''}"
            f" {it.broken}{' silent' if it.silent else ''} {it.stored_value}".replace("  ", " ")
            for it in self.versions
        ]
        return f"{self.id} of {self.created_at:%d %H:%M} ({'; '.join(told)})"

    def is_in(self, region: str) -> bool:
        """Whether listings of a region show it."""
        return region == "all" or int(self.id[1:]) % 2 == 1

    def shown(self, moment: datetime) -> Version | None:
        """What listings show of it then; None before it is listed at all."""
        return next((found for found in reversed(self.versions) if found.visible_at <= moment), None)

    def since(self, moment: datetime, *, everything: bool) -> list[Version]:
        """The versions that a listing begun then may have read; silent ones only if it lists everything."""
        at = next(
            (n for n in range(len(self.versions) - 1, -1, -1) if self.versions[n].visible_at <= moment), 0
        )
        while not everything and at and self.versions[at].silent:
            at -= 1
        return self.versions[at:]

    def raw(self, version: Version) -> bytes:
        """The JSON that a listing shows of a version."""
        row = Raw(
            self.id,
            self.created_at,
            version.changed_at,
            version.stored_value,
            f"{BUYER} of {self.id}",
            version.broken,
        )
        return msgspec.json.encode(row)


#: A row without details fails the tick that meets it first, with this reason.
UNDETAILED = "request_rejected"


def has_no_details(name: str, value: str) -> bool:
    """Whether the marketplace can show a row of this value only without its details."""
    return value == "3" and int(name[1:]) % 4 == 1


def number(name: str, value: str) -> str:
    """The content of a complete record's `number`; the row's id if it has no details."""
    return name if has_no_details(name, value) else f"detail of {value}"


def record_id(raw: bytes) -> str | None:
    """The row's id; of a nameless one it cannot be read."""
    row = msgspec.json.decode(raw, type=Raw)
    if row.broken == "nameless":
        raise KeyError(row.buyer)
    return row.id


def normalize(version: int, raw: bytes, keep_buyer: bool) -> Record:
    """A row as a record of a stream's version; a broken one is refused, one way or another."""
    row = msgspec.json.decode(raw, type=Raw)
    match row.broken:
        case "refused":
            raise msgspec.ValidationError("Expected `int`, got `str` - at `$.value`")
        case "defect" | "nameless":
            raise KeyError(row.buyer)
    return Order(
        id=row.id,
        number=row.detail or row.id,
        sales_channel=f"version {version}",
        status="open",
        marketplace_status=row.value,
        created_at=row.created_at,
        updated_at=row.changed_at,
        buyer=Buyer(name=row.buyer, email=f"{row.buyer}@example.test") if keep_buyer else None,
    )
