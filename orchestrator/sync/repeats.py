"""A marketplace that sends the same rows again and again: noticed, whatever its page tokens are.

Nothing new can come of it, although each page promises another one. A connector does not show such a row
twice by itself: overlaps that it reads on purpose, it leaves out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from orchestrator.errors import ResponseInvalid
from orchestrator.model.state import OpenWindow

#: A listing is refused after this number of pages in a row with only rows that the window has shown before.
STALE_PAGES = 3
#: Rows of a window that one slice remembers by hash, and pages that the open window keeps, 8 bytes each.
REMEMBERED_ROWS, REMEMBERED_PAGES = 20_000, 16
#: A window in which more pages are empty has no progress by another one.
EMPTY_PAGES = 10_000
_HASH_BYTES = 8


class Repeats:
    """Looks for rows of a window that were shown before."""

    def __init__(self, stream: str) -> None:
        self._stream = stream
        #: Hashes of the latest rows, oldest first.
        self._rows: dict[int, None] = {}

    def noted(self, window: OpenWindow, records: Sequence[bytes]) -> OpenWindow:
        """The window with a page's rows noted."""
        if not records:
            return msgspec.structs.replace(window, empty=window.empty + 1)
        hashes = {hash(raw) for raw in records}
        page = hashlib.blake2b(b"\0".join(records), digest_size=_HASH_BYTES).digest()
        known = {
            window.recent[start : start + _HASH_BYTES] for start in range(0, len(window.recent), _HASH_BYTES)
        }
        is_stale = page in known or hashes <= self._rows.keys()
        self._rows.update(dict.fromkeys(hashes))
        for oldest in list(self._rows)[: max(0, len(self._rows) - REMEMBERED_ROWS)]:
            del self._rows[oldest]
        recent = (window.recent + page)[-REMEMBERED_PAGES * _HASH_BYTES :]
        return msgspec.structs.replace(window, recent=recent, stale=window.stale + 1 if is_stale else 0)

    def refuse(self, window: OpenWindow) -> None:
        """Refuse to read on if several pages in a row brought nothing new.

        Raises:
            ResponseInvalid: The listing would never end.
        """
        if window.stale >= STALE_PAGES:
            times = f"{window.stale} pages in a row"
            message = f"{self._stream}: {times} brought only rows shown before; the listing would never end"
            raise ResponseInvalid(message)

    def forget(self) -> None:
        """Begin anew: the window is read again."""
        self._rows.clear()


def is_progress(window: OpenWindow, records: Sequence[bytes]) -> bool:
    """Whether the page of these records, already noted in the window, has brought the window on."""
    return window.stale == 0 if records else window.empty < EMPTY_PAGES
