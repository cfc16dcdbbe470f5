"""Every fault switch of the sandboxes, and a connector's answer to each."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from orchestrator.marketplaces import client, transport
from orchestrator.marketplaces.spec import Listing
from orchestrator.model.run import TaskStatus
from tests.marketplaces.conformance.case import Case, several_pages
from tests.marketplaces.conformance.market import Market

#: Seconds until a silent marketplace is given up, in the suite.
_PATIENCE_S = 0.3
#: Until a refused credential is tried again.
_ATTENTION_S = 2 * 3_600.0
#: Until whatever took long is listed again, and everything is reconciled.
_RESTED_S = 25 * 3_600.0


@dataclass(frozen=True, slots=True)
class Switch:
    """A fault switch, turned on now and then, and for good."""

    kind: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    #: How it strikes in the first sync.
    at_times: tuple[Mapping[str, Any], ...] = ({"times": 1}, {"every": 3})
    #: Whether it needs a listing of several pages.
    paged: bool = False
    #: The error if the fault hits every call; empty if the connector survives it.
    for_good: str = ""
    #: Whether a marketplace may be out of its reach: one without such tokens. Then it refuses no call.
    may_miss: bool = False
    #: Whether the records stored meanwhile equal the marketplace's, field by field.
    exact: bool = True
    rejects: bool = False


def _unavailable(status: int) -> Switch:
    return Switch("status", {"status": status}, for_good="marketplace_unavailable")


SWITCHES: Mapping[str, Switch] = {
    "429": Switch("status", {"status": 429}, for_good="rate_limited"),
    "429 with Retry-After": Switch("status", {"status": 429, "retry_after": "7"}, for_good="rate_limited"),
    "500": _unavailable(500),
    "502": _unavailable(502),
    "503": _unavailable(503),
    "503 with Retry-After": Switch("status", {"status": 503, "retry_after": "7"}, for_good="rate_limited"),
    "504": _unavailable(504),
    "reset": Switch("reset", for_good="marketplace_unavailable"),
    "hang": Switch("hang", at_times=({"every": 2, "times": 2},), for_good="marketplace_unavailable"),
    "truncated": Switch("truncated", for_good="marketplace_unavailable"),
    "invalid JSON": Switch("invalid_json", for_good="marketplace_unavailable"),
    "expired access token": Switch(
        "expired_access", at_times=({"times": 2},), for_good="credentials_rejected", may_miss=True
    ),
    "expired page token": Switch(
        "expired_token",
        at_times=({"times": 4},),
        paged=True,
        for_good="page_token_expired",
        may_miss=True,
    ),
    "changes while paging": Switch("churn", at_times=({"every": 2},), paged=True),
    "a malformed record": Switch("malformed", at_times=({},), rejects=True),
    "records out of order": Switch("unordered", at_times=({},), paged=True),
    "duplicates across pages": Switch("duplicate", at_times=({},), paged=True),
    "unknown words": Switch("unknown_words", at_times=({},), exact=False),
    "missing optional fields": Switch("missing_optional", at_times=({},), exact=False),
}


#: Records that are enough for a fault that does not need several pages.
_FEW = 60


def size_for(market: Market, stream: str, switch: Switch) -> int:
    """How many records the fault wants."""
    several = several_pages(market, stream)
    return several if switch.paged else min(several, _FEW)


def survives(case: Case, switch: Switch) -> None:
    """A fault that strikes now and then is got over in the same run; for good, it ends in its error.

    Either way nothing is lost: when it is off again, the store holds all there is.
    """
    with ExitStack() as stack:
        if switch.kind == "hang":
            # Silence costs real time.
            stack.enter_context(patch.object(transport, "ANSWER_S", _PATIENCE_S))
            stack.enter_context(patch.object(client, "ATTEMPTS", 2))
        _now_and_then(case, switch)
        _for_good(case, switch)
    case.assert_nothing_leaked()


def _now_and_then(case: Case, switch: Switch) -> None:
    for how in switch.at_times:
        case.sandbox.fault(kind=switch.kind, **switch.fields, **how)
    task = case.run()
    case.sandbox.mend()

    assert (task.status, task.error) == (TaskStatus.SUCCEEDED, None)
    rejected = task.streams[case.stream.name].rejected
    assert bool(rejected) == switch.rejects
    assert bool(case.rejects()) == switch.rejects
    if _is_exact(case, switch):
        # Changes after the window's end belong to the next window.
        case.run()
        case.assert_holds_the_truth()
    else:
        assert case.stored().keys() == case.truth().keys()


def _for_good(case: Case, switch: Switch) -> None:
    rolling = case.stream.listing is Listing.ROLLING
    # A page token can only be refused if a second page is asked for.
    count = len(case.truth()) if switch.for_good == "page_token_expired" else 2
    case.sandbox.change(orders=0 if rolling else count, prices=count, stock=count, new_orders=2)
    before = case.sandbox.refused
    case.sandbox.fault(kind=switch.kind, **switch.fields)
    task = case.tick(_RESTED_S)
    if task is not None:
        kind = task.error.kind if task.error is not None else ""
        out_of_reach = switch.may_miss and case.sandbox.refused == before
        assert kind == switch.for_good or (out_of_reach and not kind)
        assert (task.status is TaskStatus.FAILED) == bool(kind)
    else:
        assert switch.for_good == "rate_limited"
    case.sandbox.mend()
    case.world.settle()
    task = [case.run(_ATTENTION_S) for _ in range(3)][-1]

    assert (task.status, task.incomplete, task.error) == (TaskStatus.SUCCEEDED, False, None)
    assert case.stored().keys() == case.truth().keys()
    if _is_exact(case, switch):
        case.run(_RESTED_S)
        case.assert_holds_the_truth()


def _is_exact(case: Case, switch: Switch) -> bool:
    """Whether all is stored as in the marketplace; a rolling stream misses changes of older records."""
    return switch.exact and not (switch.kind == "churn" and case.stream.listing is Listing.ROLLING)
