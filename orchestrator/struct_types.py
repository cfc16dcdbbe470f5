"""Makes msgspec's struct types ready before threads use them.

msgspec 0.22 works out what a Struct's fields take when the type is first decoded into, and publishes
that while it is still half done: two threads that do so at the same moment crash the process
(SIGSEGV). Decoding from one thread first makes it safe.
"""

from __future__ import annotations

import msgspec


def prepare() -> None:
    """Make all Struct types that are defined by now ready; call it again after importing more."""
    kinds: list[type[msgspec.Struct]] = [msgspec.Struct]
    while kinds:
        for kind in kinds.pop().__subclasses__():
            msgspec.json.Decoder(kind)
            kinds.append(kind)
