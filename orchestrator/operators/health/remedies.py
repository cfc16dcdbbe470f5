"""For each kind of cause: a title, and the remedy with its command."""

from __future__ import annotations

import re
from typing import NamedTuple

from orchestrator.errors import MarketplaceError, PageTokenExpired, SyncError, WriteRejected

_PROGRAM = "marketplace-sync"
#: The first words of commands, which a remedy quotes without the program's name.
_COMMANDS = re.compile(
    r"(audit|connections|cost|dead|doctor|logs|records|rejects|runs|status|trigger|vault)( |$)"
)
_OLD_PROGRAM = "python -m orchestrator "
_QUOTED = re.compile(r"`([^`]*)`")


class _Words(NamedTuple):
    #: Takes the marketplace's name as `{it}`.
    title: str
    #: Empty if the cause's own remedy says more.
    remedy: str = ""


#: Of connections that are late without a cause.
UNEXPLAINED = "unexplained"
_TRIED = "then `connections check ID` tells whether it works, and the next tick continues"
_WORDS = {
    "credentials_rejected": _Words(
        "the marketplace refuses the credential",
        f"`connections set ID --secret-file -` stores a new secret; {_TRIED}",
    ),
    "permission_denied": _Words(
        "the credential lacks a permission", f"grant it in the seller's account; {_TRIED}"
    ),
    "connection_invalid": _Words(
        "the connection or its secret is malformed", f"correct it with `connections set ID`; {_TRIED}"
    ),
    "secret_missing": _Words(
        "the secret is missing, or may not be read",
        f"`connections set ID --secret-file -` stores one, `--credential REFERENCE` names another; {_TRIED}",
    ),
    "marketplace_unavailable": _Words(
        "{it} does not answer",
        "nothing at the connections: every tick tries again; look at the marketplace's own status page",
    ),
    "response_invalid": _Words(
        "{it} answers in a form that cannot be understood",
        "nothing at the connections: every tick tries again; if it lasts, its API has changed: report it",
    ),
    "rate_limited": _Words(
        "throttled by the marketplace",
        "nothing: the first tick after that continues; if it lasts, sync fewer streams, or less often",
    ),
    "incomplete": _Words(
        "reading a backlog", "nothing: each run continues; `connections show ID` tells how far it has come"
    ),
    "late": _Words("runs read nothing new"),
    "request_rejected": _Words("the marketplace refuses a request"),
    "no_answer": _Words("no worker finished in time"),
    "worker_lost": _Words("the worker went away"),
    "crashed": _Words("workers end without an answer"),
    "no_progress": _Words("slices end without progress"),
    UNEXPLAINED: _Words(
        "late, though no task has failed",
        "their tasks do not run: look at the age of the queue's oldest message, and at the worker's log",
    ),
}
#: Every kind that a cause may have; a later release may write others.
KINDS = (frozenset(_WORDS) - {UNEXPLAINED}) | {
    each.kind for each in (MarketplaceError, PageTokenExpired, SyncError, WriteRejected)
}
_UNTOLD = "nothing yet: every tick tries again; if it lasts, read the error: `connections show ID`"


def title(kind: str, marketplace: str | None) -> str:
    """A kind of cause in some words."""
    words = _WORDS.get(kind)
    if words is None:
        return f"tasks end with `{kind}`"
    return words.title.format(it=marketplace or "the marketplace")


def remedy(kind: str, told: str = "") -> str:
    """The remedy.

    Args:
        kind: The cause's kind.
        told: The cause's own remedy; it counts if there is no better one.
    """
    words = _WORDS.get(kind)
    return (words.remedy if words is not None else "") or told or _UNTOLD


def spelled(text: str, connection_id: str = "") -> str:
    """A remedy with its quoted commands as they are typed: with the program's name.

    Args:
        text: The remedy.
        connection_id: Takes the place of `ID`; empty if the remedy is of several connections.
    """
    return _QUOTED.sub(lambda found: f"`{typed(found[1], connection_id)}`", text)


def typed(command: str, connection_id: str = "") -> str:
    """One quoted command as it is typed; other quoted text is left as it is."""
    command = command.removeprefix(_OLD_PROGRAM)
    if connection_id:
        command = re.sub(r"\bID\b", lambda _: connection_id, command)
    return f"{_PROGRAM} {command}" if _COMMANDS.match(command) else command
