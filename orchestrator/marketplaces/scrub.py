"""Taking personal data out of a raw record before it is kept."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import msgspec

from orchestrator.decoding import UNREADABLE, exact

_decoder = msgspec.json.Decoder(float_hook=exact)
_encoder = msgspec.json.Encoder(decimal_format="number")


def scrub(raw: bytes, personal_fields: Set[str]) -> bytes:
    """The record without the named fields, at any depth; names compare without case.

    Text that is not JSON cannot be searched, so only its length is kept.
    """
    names = {name.lower() for name in personal_fields}
    try:
        return _encoder.encode(_without(_decoder.decode(raw), names))
    except UNREADABLE:
        return msgspec.json.encode({"unreadable_bytes": len(raw)})


def _without(value: Any, names: Set[str]) -> Any:
    if isinstance(value, dict):
        return {key: _without(item, names) for key, item in value.items() if key.lower() not in names}
    if isinstance(value, list):
        return [_without(item, names) for item in value]
    return value
