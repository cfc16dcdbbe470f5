"""`marketplace-sync rejects …`."""

from __future__ import annotations

import argparse

from rich.console import Console

from orchestrator.cli.actor import actor
from orchestrator.cli.answer import Answer, Commands, command
from orchestrator.cli.output import print_faults, safe, table
from orchestrator.cli.sellers import ask
from orchestrator.errors import RequestError
from orchestrator.model.connection import STREAMS
from orchestrator.operators import reject_views
from orchestrator.operators.health.verdict import plural
from orchestrator.operators.reject_views import RejectPage, RejectView
from orchestrator.operators.rejects.counts import (
    MOST,
    RejectCounts,
    count_by_connection,
    count_by_reason,
)
from orchestrator.operators.rejects.forget import forget_reject, path_of
from orchestrator.operators.rejects.retry import retry_rejects
from orchestrator.services import Services

_COLUMNS = ("connection", "reject", "stream", "kind", "reason", "run", "rejected", "bytes")
_DROP = ("bytes", "kind", "rejected", "stream", "run", "reason")
#: Reasons in the footer of a list; a reason quotes the record's place.
_REASONS = 10


def add_parsers(commands: Commands) -> None:
    """Describe the commands."""
    many = command(
        commands,
        "list",
        _list,
        "list them with their reasons",
        "marketplace-sync rejects list --connection my-shop --stream orders",
    )
    many.add_argument("--connection", dest="connection_id", metavar="ID", help="only this connection's")
    many.add_argument("--stream", choices=STREAMS)
    many.add_argument("--reason", metavar="TEXT", help="only those with exactly this reason")
    many.add_argument(
        "--counts",
        action="store_true",
        help="only their number: by connection, or with --connection by reason",
    )
    many.add_argument("--page-token", metavar="TOKEN", help="continue after an earlier page")
    many.add_argument(
        "--limit",
        type=int,
        default=reject_views.LIMIT,
        help=f"default: {reject_views.LIMIT}, at most {reject_views.MOST}",
    )
    again = command(
        commands,
        "retry",
        _retry,
        "read a connection's streams with rejects from the beginning",
        "marketplace-sync rejects retry my-shop",
    )
    again.add_argument("connection_id", metavar="CONNECTION")
    again.add_argument("--stream", choices=STREAMS, help="only this one")
    one = command(
        commands,
        "show",
        _show,
        "show one with its raw body",
        "marketplace-sync rejects show my-shop orders-1001",
    )
    one.add_argument("connection_id", metavar="CONNECTION")
    one.add_argument("reject_id", metavar="REJECT", help="as `rejects list` names it")
    gone = command(
        commands,
        "forget",
        _forget,
        "remove one whose record the marketplace no longer lists",
        "marketplace-sync rejects forget my-shop orders-1001 --yes",
        note="Its raw record goes too. A record that is listed after all is rejected again when it changes.",
    )
    gone.add_argument("connection_id", metavar="CONNECTION")
    gone.add_argument("reject_id", metavar="REJECT", help="as `rejects list` names it")
    gone.add_argument("--yes", action="store_true", help="do not ask for a confirmation")


def _list(services: Services, options: argparse.Namespace) -> Answer:
    if options.counts:
        return _count(services, options)
    page = reject_views.list_rejects(
        services.store,
        connection_id=options.connection_id,
        stream=options.stream,
        reason=options.reason,
        page_token=options.page_token,
        limit=options.limit,
    )
    return Answer(page, lambda screen: _print_page(screen, page), rows="rejects")


def _count(services: Services, options: argparse.Namespace) -> Answer:
    if options.stream is not None or options.reason is not None:
        raise RequestError("--counts: counts all rejects; leave out --stream and --reason")
    paging = {"page_token": options.page_token, "limit": min(options.limit, MOST)}
    if options.connection_id is None:
        page = count_by_connection(services.store, **paging)
    else:
        page = count_by_reason(services.store, options.connection_id, **paging)
    return Answer(page, lambda screen: _print_counts(screen, page, options.connection_id))


def _print_counts(screen: Console, page: RejectCounts, connection_id: str | None) -> None:
    if connection_id is None:
        rows = [(each.connection_id, each.count, each.example) for each in page.by_connection]
        title = f"{plural(len(rows), 'connection')} with rejects"
        screen.print(table(title, ("connection", "rejects", "reason of one"), rows))
    else:
        reasons = [(each.count, each.reason, each.example) for each in page.by_reason]
        title = f"{plural(page.total or 0, 'reject')} of {safe(connection_id)}"
        screen.print(table(title, ("rejects", "reason", "one of them"), reasons))
    if page.next_page_token is not None:
        print(f"There are more: --page-token {page.next_page_token}")


def _retry(services: Services, options: argparse.Namespace) -> Answer:
    retried = retry_rejects(services, options.connection_id, stream=options.stream, by=actor(services))
    run_id, streams = safe(retried.run.run_id), ", ".join(retried.rejects)
    text = (
        f"run {run_id} reads {streams} of {safe(retried.connection_id)} from the beginning, and writes every "
        f"record; {sum(retried.rejects.values()):,} are rejected now\n"
        f"Watch it: marketplace-sync runs watch {run_id}"
    )
    return Answer(retried, text)


def _print_page(screen: Console, page: RejectPage) -> None:
    rows = [
        (
            reject.connection_id,
            reject.reject_id,
            reject.stream,
            reject.kind.value,
            reject.reason,
            reject.run_id,
            reject.rejected_at,
            reject.size_bytes,
        )
        for reject in page.rejects
    ]
    title = plural(len(rows), "reject")
    if page.total is not None and page.total != len(rows):
        title = f"{len(rows):,} of {plural(page.total, 'reject')}"
    screen.print(table(title, _COLUMNS, rows, drop=_DROP))
    for reason, count in list(page.by_reason.items())[:_REASONS]:
        print(f"{count:,} on this page: {safe(reason)}")
    print_faults(screen, page.faults)
    if page.next_page_token is not None:
        print(f"There are more: --page-token {page.next_page_token}")
    if page.rejects:
        names = {reject.connection_id for reject in page.rejects}
        only = safe(names.pop()) if len(names) == 1 else "CONNECTION"
        print(f"Read them again, once their cause is gone: marketplace-sync rejects retry {only}")


def _forget(services: Services, options: argparse.Namespace) -> Answer:
    connection_id, reject_id = options.connection_id, options.reject_id
    if not options.yes:
        path_of(services.store, connection_id, reject_id)  # nobody is asked about one that is not there
        ask.confirm(f"Forget reject {reject_id} of {connection_id}, with its raw record?")
    forget_reject(services, connection_id, reject_id, by=actor(services))
    value = {"connection_id": connection_id, "reject_id": reject_id, "forgotten": True}
    return Answer(value, f"reject {safe(reject_id)} of {safe(connection_id)} is forgotten")


def _show(services: Services, options: argparse.Namespace) -> Answer:
    view = reject_views.show_reject(services.store, options.connection_id, options.reject_id)
    return Answer(view, lambda screen: _print_view(screen, view))


def _print_view(screen: Console, view: RejectView) -> None:
    reject = view.reject
    if reject is not None:
        facts = [(name.replace("_", " "), getattr(reject, name)) for name in reject.__struct_fields__]
        screen.print(table(f"reject {safe(reject.reject_id)}", ("", ""), facts))
    print_faults(screen, [view.fault] if view.fault else [])
    print("The raw record:" if view.raw else "No raw record is kept.")
    for line in view.raw.splitlines():
        print(safe(line))
