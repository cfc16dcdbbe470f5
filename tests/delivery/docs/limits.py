"""The table of limits in docs/reliability.md, made from the constants that set them.

`python -m tests.delivery.docs.limits` writes it anew, and `make docs` writes all generated parts.
"""

from __future__ import annotations

import re
from datetime import timedelta

from google.api_core.retry import Retry

from functions import bodies, events, requests, server
from functions.auth import certificates
from local.processes import ROOT
from orchestrator import attempts, errors, room
from orchestrator.adapters.embedded import database
from orchestrator.adapters.embedded.delivery import Delivery
from orchestrator.adapters.google import change_feed, channels, firestore, pubsub, secret_manager
from orchestrator.marketplaces import client, response, transport
from orchestrator.marketplaces.ebay import limits as ebay_limits
from orchestrator.marketplaces.ebay import listings as ebay
from orchestrator.marketplaces.ebay import narrowing
from orchestrator.marketplaces.shopify import listings as shopify
from orchestrator.model import healing, state
from orchestrator.model.run import SHARD_SIZE
from orchestrator.operators import reject_views
from orchestrator.runs import dispatch, heal, sweeps
from orchestrator.sync import changes, details, hidden, normalizer, pages, stream_sync
from orchestrator.sync import slice as tasks
from orchestrator.sync.migration import turns
from orchestrator.tasks import claim, claim_table, holder

PAGE = ROOT / "docs" / "reliability.md"
_MIB = 1024 * 1024
_DELIVERY = Delivery()
_OPTIONS = dict(channels.OPTIONS)


def _limit(what: str, where: str, *bounds: str) -> tuple[str, str, str]:
    return what, "; ".join(bounds), where


def _hours(span: timedelta) -> str:
    return f"{span.total_seconds() / 3600:g}"


def _google(timeout_s: float, retry: Retry) -> str:
    return f"{timeout_s:g} s an attempt, none begun after {retry.timeout:g} s, jitter between two"


ROWS = [
    _limit(
        "one HTTP call to a marketplace",
        "marketplaces/transport.py",
        f"{transport.CONNECT_S:g} s to connect to an address, {transport.ADDRESSES_S:g} s to all of a name's",
        f"{transport.ANSWER_S:g} s and {transport.MAX_BYTES // _MIB} MiB for the whole answer",
    ),
    _limit(
        "attempts of such a call",
        "marketplaces/client.py",
        f"{client.ATTEMPTS}, and one more with a refreshed token",
        f"none begun after {client.RETRY_WITHIN_S:g} s, waits for limits aside",
        f"full jitter, from {client.BACKOFF_S:g} s doubling",
    ),
    _limit(
        "a wait that a marketplace asks for",
        "sync/slice.py, errors.py",
        f"up to {claim_table.SLEPT.total_seconds():g} s it is slept where it fits the slice",
        f"else the stream is left until then, at most {errors.MAX_WAIT_S / 3600:g} h",
    ),
    _limit(
        "tries of an eBay resource that is refused without a told wait",
        "marketplaces/ebay/limits.py",
        f"{ebay_limits.PROBE_S:g} s apart, doubling to {ebay_limits.LONGEST_PROBE_S / 3600:g} h",
        "a day that eBay proves used up waits for its reset",
    ),
    _limit(
        "records of a page with calls of their own that fail, at its first attempt",
        "marketplaces/shopify/listings.py, marketplaces/ebay/listings.py",
        f"Shopify {shopify.MOST_UNSHOWN}, eBay {ebay.MOST_UNSHOWN}; beyond them it may be an outage",
    ),
    _limit(
        "calls that narrow a failing span of eBay's orders down to one order",
        "marketplaces/ebay/narrowing.py",
        f"{narrowing.MOST_PARTS}; the rest of the span is another page",
    ),
    _limit(
        "a page of a listing, with all that belongs to its rows",
        "marketplaces/client.py, marketplaces/response.py, sync/pages.py",
        f"{client.PAGE_BYTES // _MIB} MiB and {client.PAGE_CALLS:,} calls",
        f"{response.MOST_VALUES:,} values an answer, {response.MOST_NESTED:,} of them lists and objects",
        f"{pages.MAX_RECORDS:,} rows",
    ),
    _limit(
        "large answers of all tasks of a process",
        "room.py",
        f"of {room.PLACES} pages at once; the others wait for their turn, until the slice is over",
        f"large is more than {room.LARGE_BYTES // _MIB} MiB or {room.LARGE_VALUES:,} values",
    ),
    _limit(
        "small pages joined for one commit",
        "sync/pages.py",
        f"{pages.JOINED_RECORDS} records, {pages.JOINED_BYTES // _MIB} MiB or {pages.JOINED_SECONDS:g} s",
        "a stream's first page of all is not joined; one page is read ahead, but none of a large one",
    ),
    _limit(
        "an invocation",
        "sync/slice.py, sync/pages.py",
        "`SLICE_SECONDS`, a task's first `FIRST_SLICE_SECONDS` if there are two lanes",
        f"a page that has not come by then is left alone within {pages.LOOK_S:g} s",
    ),
    _limit("slices in a row that move nothing", "sync/slice.py", str(tasks.STALLED)),
    _limit(
        "incomplete runs in a row that read nothing new of a stream",
        "sync/slice.py",
        f"{tasks.LATE}, then its task fails as `late`",
    ),
    _limit(
        "pages in a row with only rows shown before",
        "sync/pages.py",
        f"{pages.STALE_PAGES}, then the stream fails",
    ),
    _limit(
        "a refused stream, or a connection whose credential no stream is accepted with",
        "model/state.py",
        f"asked for again after {_hours(state.refused_for(1))} h, "
        f"doubling to {_hours(state.refused_for(99))} h",
        "at once after an edit or by a person",
    ),
    _limit(
        "records that a marketplace cannot show",
        "sync/hidden.py",
        f"{hidden.MAX_HIDDEN} of a stream are asked for again after {_hours(hidden.FIRST_RETRY)} h, "
        f"doubling to {_hours(hidden.LONGEST_RETRY)} h, for {hidden.RETRIED_FOR.days} days",
        "then the reconcile reads them",
    ),
    _limit(
        "rewriting history after a release has raised a stream's version",
        "sync/migration/turns.py",
        f"one connection in {turns.TURNS} at a tick, {turns.TURN_S:g} s each, "
        f"and {turns.TURN_S:g} s more in the continuation where a short first slice ends it, "
        "up to the first wait for a limit",
        f"no page begun later than {turns.LATEST_S / 60:g} min after the run's start",
    ),
    _limit(
        "completed rows stored while their page is unfinished",
        "sync/details.py, sync/normalizer.py",
        f"each {details.BATCH_S:g} s or {changes.PART_BYTES // 1_000_000} MB of them",
        f"the open window remembers {normalizer.MAX_STORED:,} of its page",
    ),
    _limit(
        "details that fail in row after row",
        "sync/details.py",
        f"from the second attempt of a page on, {details.OUTAGE_ROWS} rows before any success fail the page, "
        f"up to its attempt {details.LAST_OUTAGE - 1}",
        "fewer rows are stored without their details",
    ),
    _limit(
        "a window started again because of its token",
        "sync/stream_sync.py",
        f"{stream_sync.RESTARTS} times a slice",
    ),
    _limit("workers in a row that end without an answer", "sync/slice.py", "`MAX_ATTEMPTS`"),
    _limit(
        "watching a holder that may be dead",
        "tasks/claim.py",
        f"{claim.WATCHED_S:g} s, a look each {claim.WATCH_EVERY_S:g} s",
    ),
    _limit(
        "a commit that conflicts, or whose outcome is unknown",
        "attempts.py, tasks/holder.py",
        f"{holder.TRIES} tries of a holder, {attempts.TRIES} of everything else",
        "a dispatch counts those in a row without a page of its own",
        "up to 0.4 s between two, with jitter",
    ),
    _limit(
        "a Firestore call", "adapters/google/firestore.py", _google(firestore._TIMEOUT_S, firestore._RETRY)
    ),
    _limit(
        "a Pub/Sub publish",
        "adapters/google/pubsub.py",
        _google(pubsub._TIMEOUT_S, pubsub._RETRY),
        f"{pubsub._BATCH:,} messages",
    ),
    _limit(
        "an attempt to tell consumers of changes",
        "adapters/google/change_feed.py",
        _google(change_feed._TIMEOUT_S, change_feed._RETRY),
        "one attempt in a sweep that fails; heals repeat it every half of `LEASE_SECONDS`",
    ),
    _limit(
        "a Secret Manager call",
        "adapters/google/secret_manager.py",
        _google(secret_manager._TIMEOUT_S, secret_manager._RETRY),
    ),
    _limit(
        "fetching the certificates",
        "functions/auth/certificates.py",
        f"{certificates._TIMEOUT.connect_timeout:g} s to connect",
        f"{certificates._TIMEOUT.read_timeout:g} s for the whole answer",
        f"{certificates._RETRIES.total} retry, with jitter",
        f"{certificates.FAILURE_INTERVAL:g} s apart while it fails",
    ),
    _limit(
        "the headers of a request",
        "functions/server.py",
        f"{server.HEAD_SECONDS:g} s for all of them, {server.LARGEST_HEAD // 1024} KiB",
    ),
    _limit(
        "the body of a request",
        "functions/requests.py, functions/bodies.py",
        f"{requests.LARGEST_BODY // 1024} KiB, {bodies.BODY_SECONDS:g} s for the whole body",
    ),
    _limit(
        "the body of an event",
        "functions/events.py, functions/bodies.py",
        f"{events.LARGEST_EVENT // _MIB} MiB, {bodies.BODY_SECONDS:g} s for the whole body",
    ),
    _limit(
        "what a client still sends after its answer",
        "functions/server.py",
        f"dropped for {server.PARTING_SECONDS:g} s or {server.PARTING_BYTES // _MIB} MiB, without a thread",
    ),
    _limit("a page of connections", "runs/dispatch.py", f"{dispatch.PAGE:,}"),
    _limit("a shard", "model/run.py", f"{SHARD_SIZE} connections"),
    _limit(
        "heals, whatever is delivered",
        "model/healing.py",
        f"one in {healing.APART.total_seconds():g} s",
        "a run or a lost lease is healed again after half of `LEASE_SECONDS` at the earliest",
    ),
    _limit(
        "what one heal publishes",
        "runs/heal.py",
        f"{heal.RUNS} runs, {heal.TASKS} tasks",
        "the next heal continues there",
    ),
    _limit(
        "a sweep or cancel message",
        "runs/sweeps.py",
        f"{sweeps.RANGE} shards",
        f"{sweeps.MESSAGES} messages for a run in one heal",
    ),
    _limit(
        "a list of rejects",
        "operators/reject_views.py",
        f"{reject_views.LIMIT} a page, at most {reject_views.MOST}",
        f"{reject_views.SCANNED} connections",
    ),
    _limit(
        "the state that a removed connection leaves",
        "operators/pause.py",
        "`RETENTION_DAYS`, from the end of its removal",
    ),
    _limit(
        "deliveries of a message",
        "terraform/modules/queue, adapters/embedded/delivery.py",
        f"{_DELIVERY.max_attempts}, and then it is dead",
        f"{_DELIVERY.min_backoff_s:g} s apart, doubling to {_DELIVERY.max_backoff_s:g} s",
    ),
    _limit(
        "messages worked on at once",
        "terraform/modules/marketplace_sync, adapters/embedded/delivery.py",
        "in each lane `concurrency` times `max_instances` of its worker",
        f"embedded {_DELIVERY.concurrency}",
    ),
    _limit(
        "a channel to a service of Google's",
        "adapters/google/channels.py",
        f"not used again after {channels.UNUSED_S:g} s without a call, or a call over its deadline",
        f"while a call waits, a ping each {_OPTIONS['grpc.keepalive_time_ms'] / 1000:g} s, "
        f"answered in {_OPTIONS['grpc.http2.ping_timeout_ms'] / 1000:g} s",
        f"at most {_OPTIONS['grpc.max_reconnect_backoff_ms'] / 1000:g} s between two attempts to connect",
    ),
    _limit(
        "waiting for another process's commit to the embedded store",
        "adapters/embedded/database.py",
        f"{database.BUSY_S:g} s",
    ),
]


def table() -> str:
    """Every limit as a row."""
    rows = [f"| {what} | {bound} | `{where}` |" for what, bound, where in ROWS]
    return "\n".join(["| what | bound | where |", "| --- | --- | --- |", *rows])


def with_table(text: str) -> str:
    """The page with the table as it should be."""
    return re.sub(
        r"(<!-- limits -->\n).*?(<!-- /limits -->)",
        lambda match: f"{match[1]}{table()}\n{match[2]}",
        text,
        flags=re.DOTALL,
    )


def write() -> None:
    """Write the table of limits anew."""
    PAGE.write_text(with_table(PAGE.read_text()))


if __name__ == "__main__":
    write()
