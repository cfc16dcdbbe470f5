"""Checks of an installation: each says its finding, and its remedy if there is something to do."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from enum import StrEnum
from functools import partial

import msgspec

from orchestrator.errors import Conflict, SyncError, locate
from orchestrator.model import ids
from orchestrator.model.connection import VAULT, ConnectionStatus
from orchestrator.operators.health.verdict import duration
from orchestrator.operators.ticks import LAST, Ticks
from orchestrator.ports import Filter, Query, Update
from orchestrator.services import Services

#: Clocks further apart than this make leases and windows doubtful.
_SKEW = timedelta(seconds=5)
#: Connections whose credential is read.
_CREDENTIALS = 3
#: A query for each index of terraform/modules/store that the sync and its operators need.
PROBES = {
    "actions-on-a-connection": Query(
        "audit", where=[Filter("connection_id", "==", "-")], order_by="at", descending=True, limit=1
    ),
    "actions-on-a-run": Query(
        "audit", where=[Filter("run_id", "==", "-")], order_by="at", descending=True, limit=1
    ),
    "causes-by-age": Query(
        "sync_state", where=[Filter("cause.kind", "==", "-")], order_by="late_at", limit=1
    ),
    "causes-oldest-first": Query(
        "sync_state", where=[Filter("cause.kind", "==", "-")], order_by="cause.since", limit=1
    ),
    "connections-of-a-pace": Query(
        "connections",
        where=[
            Filter("marketplace", "==", "-"),
            Filter("status", "==", "-"),
            Filter("pace", "in", ["-", "--"]),
        ],
        limit=1,
    ),
    "marketplace-causes-by-age": Query(
        "sync_state",
        where=[Filter("cause.kind", "==", "-"), Filter("marketplace", "==", "-")],
        order_by="late_at",
        limit=1,
    ),
    "marketplace-causes-oldest": Query(
        "sync_state",
        where=[Filter("cause.kind", "==", "-"), Filter("marketplace", "==", "-")],
        order_by="cause.since",
        limit=1,
    ),
    "open-runs-oldest-first": Query("runs", where=[Filter("status", "==", "-")], order_by="order", limit=1),
    "runs-by-status-newest": Query(
        "runs", where=[Filter("status", "==", "-")], order_by="order", descending=True, limit=1
    ),
    "states-by-age": Query(
        "sync_state", where=[Filter("marketplace", "==", "-")], order_by="late_at", limit=1
    ),
    "tasks-that-a-retry-covers": Query(
        "runs/-/tasks",
        where=[Filter("marketplace", "==", "-"), Filter("status", "in", ["failed", "skipped"])],
        limit=1,
    ),
}
#: A sum for each of the others: the field that bounds the runs, and the one that is added up.
SUMS = {
    "runs-cost-since": ("order", "cost.estimated_usd"),
    "runs-rejected-since": ("order", "records.rejected"),
}


class Result(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


class Check(msgspec.Struct, kw_only=True, frozen=True):
    """One check."""

    name: str
    result: Result
    finding: str
    #: Empty if there is nothing to do.
    remedy: str = ""


def look(
    services: Services,
    *,
    caller: Callable[[], str],
    queue: Callable[[], str],
    dead_letters: Callable[[], object],
) -> Iterator[Check]:
    """Make all checks, one after another; none changes anything.

    Args:
        services: The installation.
        caller: Tells who the credentials belong to.
        queue: Tells whether this identity can publish.
        dead_letters: Reaches the dead letters.
    """
    name = "credentials"
    yield _of(name, lambda: _ok(name, f"you are {caller()}"))
    reached = _of("store", lambda: _store(services))
    yield reached
    if reached.result is Result.OK:
        yield _of("store is writable", lambda: _writable(services))
        yield _indexes(services)
        yield _of("clock", lambda: _clock(services))
        yield _of("last tick", lambda: _last_tick(services))
        yield from _secrets(services)
    yield _of("vault", lambda: _vault(services))
    yield _of("queue", lambda: _ok("queue", queue()))

    def letters() -> Check:
        dead_letters()
        return _ok("dead letters", "can be read: marketplace-sync dead list")

    yield _of("dead letters", letters)


def failed(name: str, error: Exception) -> Check:
    """The check that an error ended."""
    if isinstance(error, SyncError):
        return Check(name=name, result=Result.FAILED, finding=error.message, remedy=error.action)
    return Check(name=name, result=Result.FAILED, finding=f"a defect of this program: {locate(error)}")


def _of(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - the other checks are made all the same
        return failed(name, error)


def _ok(name: str, finding: str) -> Check:
    return Check(name=name, result=Result.OK, finding=finding)


def _is_embedded(services: Services) -> bool:
    return services.settings.sync_store != "firestore"


def _store(services: Services) -> Check:
    started = services.clock.monotonic()
    services.store.get(ids.run_path("doctor"))
    took = (services.clock.monotonic() - started) * 1000
    settings = services.settings
    place = settings.sync_store
    if not _is_embedded(services):
        place = f"Firestore {settings.google_cloud_project}/{settings.firestore_database}"
        if settings.firestore_emulator_host:
            place += f" on the emulator {settings.firestore_emulator_host}"
    return _ok("store", f"{place} answers, in {took:.0f} ms")


def _writable(services: Services) -> Check:
    """Send a write that cannot be applied: an identity without the right is refused before that is found."""
    name = "store is writable"
    try:
        services.store.commit([Update(ids.run_path(f"doctor-{uuid.uuid4()}"), {"probe": True})])
    except Conflict:
        return _ok(name, "this identity may write; nothing was written")
    except SyncError as error:
        finding = f"this identity may look, and cannot act: {error.message}"
        return Check(name=name, result=Result.WARNING, finding=finding, remedy=error.action)
    return _ok(name, "this identity may write")


def _indexes(services: Services) -> Check:
    name = "indexes"
    if _is_embedded(services):
        return Check(name=name, result=Result.SKIPPED, finding="the embedded store needs none")
    missing = []
    remedy = ""
    store = services.store
    probes: dict[str, Callable[[], object]] = {
        **{index: partial(store.query, probe) for index, probe in PROBES.items()},
        # Nothing has this order, so nothing is counted.
        **{
            index: partial(store.sum, "runs", summed, [Filter(bound, ">", "~")])
            for index, (bound, summed) in SUMS.items()
        },
    }
    for index, probe in probes.items():
        try:
            probe()
        except SyncError as error:
            missing.append(f"{index}: {error.message}")
            remedy = error.action
    if missing:
        return Check(name=name, result=Result.FAILED, finding="; ".join(missing), remedy=remedy)
    return _ok(name, f"all {len(probes)} queries that need one are answered")


def _clock(services: Services) -> Check:
    name = "clock"
    theirs = services.store.now()
    if theirs is None:
        return Check(name=name, result=Result.SKIPPED, finding="the embedded store has this machine's clock")
    skew = services.clock.now() - theirs
    side = "ahead of" if skew > timedelta(0) else "behind"
    finding = f"this machine is {abs(skew.total_seconds()):.1f} s {side} the store"
    if abs(skew) <= _SKEW:
        return _ok(name, finding)
    return Check(
        name=name, result=Result.WARNING, finding=finding, remedy="synchronize this machine's clock (NTP)"
    )


def _last_tick(services: Services) -> Check:
    name = "last tick"
    now = services.clock.now()
    ticks = Ticks.of(services.store.query(LAST), services.settings)
    every = f"one is due every {duration(ticks.every)}"
    if ticks.last_at is None:
        return Check(
            name=name,
            result=Result.WARNING,
            finding=f"no tick is known; {every}",
            remedy="look at the job in Cloud Scheduler (on a laptop: make dev ticks), "
            "and at the HTTP function's log",
        )
    finding = f"{duration(now - ticks.last_at)} ago; {every}"
    if ticks.silent_for(now) is None:
        return _ok(name, finding)
    remedy = "ticks have stopped: is the job in Cloud Scheduler paused? else read the HTTP function's log"
    return Check(name=name, result=Result.WARNING, finding=finding, remedy=remedy)


def _vault(services: Services) -> Check:
    name = "vault"
    if services.vault is None:
        finding = "there is none: new credentials become secrets of their own"
        return Check(name=name, result=Result.SKIPPED, finding=finding)
    published = services.vault.published()
    if published is None:
        remedy = "make it: marketplace-sync vault init"
        return Check(name=name, result=Result.FAILED, finding="it has no keyset yet", remedy=remedy)
    return _ok(name, f"key {published.primary} encrypts new credentials")


def _in_vault(services: Services, connection_id: str) -> Check:
    if services.store.get(ids.credential_path(connection_id)) is None:
        remedy = f"marketplace-sync connections set {connection_id} --secret-file -"
        finding = f"{connection_id}: its credential is not in the vault"
        return Check(name="secrets", result=Result.FAILED, finding=finding, remedy=remedy)
    return _ok("secrets", f"{connection_id}: in the vault; `connections check` has the worker try it")


def _secrets(services: Services) -> Iterator[Check]:
    name = "secrets"
    try:
        found = services.store.query(
            Query(
                "connections",
                where=[Filter("status", "==", ConnectionStatus.ACTIVE.value)],
                limit=_CREDENTIALS,
            )
        )
    except SyncError as error:
        yield failed(name, error)
        return
    if not found:
        finding = "there is no active connection: marketplace-sync connections add"
        yield Check(name=name, result=Result.SKIPPED, finding=finding)
        return
    for connection in found:
        reference = str(connection.data.get("credential", ""))
        if reference == VAULT:
            yield _of(name, partial(_in_vault, services, connection.id))
            continue
        try:
            services.secrets.get(reference)
        except SyncError as error:
            # The worker reads secrets; an operator's own account need not.
            finding = f"{connection.id}: {error.message}"
            yield Check(name=name, result=Result.WARNING, finding=finding, remedy=error.action)
        else:
            yield _ok(name, f"{connection.id}: {reference} can be read")
