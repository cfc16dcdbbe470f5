"""Fields that several kinds of WooCommerce's rows have."""

from __future__ import annotations

from datetime import UTC, datetime

from orchestrator.errors import RecordInvalid
from orchestrator.marketplaces.values import Details, plain_text, utc

#: Words for whether stock is managed, as plugins write them too; `parent` shares the product's stock.
MANAGED: dict[object, bool] = {
    **dict.fromkeys((True, "yes", "1", "true", "parent"), True),
    **dict.fromkeys((False, None, "no", "0", "false", ""), False),
}


def title(details: Details, name: str, markup: object) -> str | None:
    """A text without the HTML that WordPress keeps in titles."""
    return plain_text(details.text(name, markup) or "") or None


def instant(text: str) -> datetime:
    """A time in the sites' format of UTC: without a suffix.

    Raises:
        RecordInvalid: It is no time.
    """
    try:
        return datetime.fromisoformat(f"{text}Z")
    except ValueError:
        return _instant_with_offset(text)


def _instant_with_offset(text: str) -> datetime:
    """A time as plugins write it; UTC if it has no offset."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise RecordInvalid("a time is not one") from None
    return utc(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def moment(details: Details, name: str, text: object) -> datetime | None:
    """A time that a record can do without."""
    found = details.text(name, text)
    return None if found is None else details.read(name, instant, found)


def reference(details: Details, name: str, number: object) -> str | None:
    """The id of another row; 0 once there is none, or if there never was one."""
    found = details.text(name, number)
    return None if found == "0" else found
