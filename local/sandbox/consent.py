"""The consent pages of the sandboxes: a seller agrees at once, and the browser is sent on with a code.

The page's address takes two parameters of the sandbox's own: `seller=N`, the account that agrees (default 0),
and `decline=1`. The redirect address is on a host that does not exist.
"""

from __future__ import annotations

import time
from urllib.parse import urlencode

from local.sandbox.http import Reply, Request

#: How long a code is good for, in seconds.
CODE_S = 300
_ARRIVES_AT = "https://application.example/consented"


class Codes:
    """Authorization codes: each is good once, for its own application alone, for five minutes."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        #: Account, application and expiry by code.
        self._issued: dict[str, tuple[int, str, float]] = {}
        self._number = 0

    def issue(self, account: int, application: str) -> str:
        """A new code."""
        self._number += 1
        code = f"{self._prefix}{account}#{self._number}"
        self._issued[code] = (account, application, time.time() + CODE_S)
        return code

    def redeem(self, code: str, application: str) -> int | None:
        """The account that agreed; None if the code is unknown, used, too old or another application's."""
        account, issued_to, until = self._issued.pop(code, (0, "", 0.0))
        return account if issued_to == application and time.time() < until else None


def arrive(request: Request, **parameters: str) -> Reply:
    """Send the browser to the redirect address, with `state`; or tell it that the seller declined."""
    state = {"state": request.one("state")} if request.one("state") else {}
    told = {"error": "access_denied"} if request.one("decline") else parameters
    location = f"{_ARRIVES_AT}?{urlencode({**state, **told})}"
    return Reply(302, b"", "text/html", {"Location": location})
