"""The first sentence of `status`: the worst that is the case now, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.errors import one_line
from orchestrator.model.cause import Blame
from orchestrator.operators.health.status_view import (
    CauseGroup,
    ConnectionCounts,
    Day,
    MarketplaceStatus,
    Situation,
)
from orchestrator.operators.ticks import Ticks
from orchestrator.ports import Document

#: Characters of a reject's reason.
_MOST_REASON = 200
_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


@dataclass(frozen=True, slots=True)
class Facts:
    """The input of a verdict."""

    now: datetime
    ticks: Ticks
    connections: ConnectionCounts
    marketplaces: dict[str, MarketplaceStatus]
    groups: Sequence[CauseGroup]
    day: Day
    dead_letters: int | None
    #: A reject that is kept now; None if there is none: those of the day may be stored by now.
    reject: Document | None
    #: When the last connection was paused; None unless all are.
    paused_at: datetime | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The worst of it."""

    situation: Situation
    #: One sentence.
    sentence: str
    #: Empty if there is nothing to do.
    action: str = ""


def verdict(facts: Facts) -> Verdict:
    """The first that holds, the worst first."""
    return next(_all(facts))


def duration(span: timedelta) -> str:
    """A time span in its largest unit: `7 days`, `45 minutes`."""
    seconds = max(0, int(span.total_seconds()))
    size, unit = next((each for each in _UNITS if seconds >= each[0]), _UNITS[-1])
    return plural(seconds // size, unit)


def plural(number: int, noun: str) -> str:
    """A number of things."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _all(facts: Facts) -> Iterator[Verdict]:
    yield from _of_the_ticks(facts)
    yield from _of_all_connections(facts)
    yield from _of_dead_letters(facts)
    yield from _of_marketplaces(facts)
    yield from _of_connections(facts)
    yield from _of_waits(facts)
    fresh, now = facts.connections.freshness, facts.now
    if not fresh.on_time:
        yield Verdict(
            Situation.NOT_MEASURED,
            f"{_connections(fresh.not_measured)} not measured yet: no task has ended since they were added "
            "or the release was deployed.",
            "nothing: the next tick measures them",
        )
    oldest = [
        each.oldest_since_at for each in facts.marketplaces.values() if each.oldest_since_at is not None
    ]
    age = f"; the oldest data is {duration(now - min(oldest))} old" if oldest else ""
    unknown = f", {fresh.not_measured:,} are not measured yet" if fresh.not_measured else ""
    yield Verdict(Situation.WELL, f"All is well: {_connections(fresh.on_time)} on time{age}{unknown}.")


def _of_the_ticks(facts: Facts) -> Iterator[Verdict]:
    every = f"one is due every {duration(facts.ticks.every)}"
    look = "look at the scheduler's job and its last answer; `trigger` starts a run by hand"
    silent = facts.ticks.silent_for(facts.now)
    if facts.ticks.last_at is None:
        yield Verdict(Situation.TICKS_STOPPED, f"No tick is known; {every}.", look)
    elif silent is not None:
        yield Verdict(Situation.TICKS_STOPPED, f"No tick for {duration(silent)}; {every}.", look)


def _of_all_connections(facts: Facts) -> Iterator[Verdict]:
    counts = facts.connections
    if counts.active:
        return
    if counts.paused:
        at = f", the last one since {facts.paused_at:%Y-%m-%d %H:%M}Z" if facts.paused_at is not None else ""
        sentence = f"All connections are paused ({counts.paused:,} of them{at}): nothing is synced."
        yield Verdict(
            Situation.ALL_PAUSED,
            sentence,
            "`connections resume ID` continues one; `audit list` tells who paused them, and when",
        )
    yield Verdict(
        Situation.NO_CONNECTIONS,
        "There is no connection: nothing is synced.",
        "`connections add ID --marketplace MARKETPLACE` adds one and asks for all it needs",
    )


def _of_dead_letters(facts: Facts) -> Iterator[Verdict]:
    if facts.dead_letters:
        wait = "waits" if facts.dead_letters == 1 else "wait"
        yield Verdict(
            Situation.DEAD_LETTERS,
            f"{plural(facts.dead_letters, 'dead letter')} {wait} for a decision.",
            "`dead list` tells their reasons, and the effect of a replay; `dead replay --execute` tries them "
            "again",
        )


def _of_marketplaces(facts: Facts) -> Iterator[Verdict]:
    failing = {name: each for name, each in facts.marketplaces.items() if each.failing_since is not None}
    for group in facts.groups:
        if group.blame is Blame.MARKETPLACE and group.marketplace in failing:
            of = failing[group.marketplace].active
            sentence = f"{group.title}{_since(group)}: {group.connections:,} of {_connections(of, '')}."
            yield Verdict(Situation.MARKETPLACE_FAILING, _capital(sentence), group.action)


def _of_connections(facts: Facts) -> Iterator[Verdict]:
    counts = facts.connections
    own = [group for group in facts.groups if group.blame is Blame.CONNECTION]
    if counts.needs_attention:
        number = counts.needs_attention
        first = f": {own[0].title}{_since(own[0])}" if own else ""
        needs = f"{plural(number, 'connection')} {'needs' if number == 1 else 'need'} attention"
        yield Verdict(Situation.NEEDS_ATTENTION, f"{needs}{first}.", own[0].action if own else "")
    if counts.freshness.late:
        worst = max(facts.groups, key=lambda group: group.late, default=None)
        why = f"; {worst.late:,} because {_why(worst)}" if worst is not None and worst.late else ""
        sentence = f"{_connections(counts.freshness.late)} late{why}."
        yield Verdict(Situation.LATE, sentence, worst.action if worst is not None else "")
    if counts.failing:
        failing = [group for group in facts.groups if group.blame in {Blame.SYNC, Blame.MARKETPLACE}]
        why = f": {failing[0].title}{_since(failing[0])}" if failing else ""
        number = counts.failing
        sentence = (
            f"{plural(number, 'connection')} failed at the last task and {_is(number)} not late yet{why}."
        )
        yield Verdict(Situation.FAILING, sentence, failing[0].action if failing else "")


def _of_waits(facts: Facts) -> Iterator[Verdict]:
    by_blame = {group.blame: group for group in facts.groups}
    if (waits := by_blame.get(Blame.THROTTLED)) is not None:
        until = f" until {waits.until:%Y-%m-%d %H:%M}Z" if waits.until is not None else ""
        sentence = f"{_connections(waits.connections)} throttled{until}, asked by the marketplace."
        yield Verdict(Situation.THROTTLED, sentence, waits.action)
    if facts.day.rejected and facts.reject is not None:
        times = plural(facts.day.rejected, "time")
        yield Verdict(
            Situation.REJECTS_GROWING,
            f"Records could not be stored {times} in the last day; {_rejected(facts.reject)}",
            "`rejects list` tells the reasons; once their cause is gone, `rejects retry ID` reads them again",
        )
    if (backlog := by_blame.get(Blame.BACKLOG)) is not None:
        sentence = f"{_connections(backlog.connections)} still reading a backlog{_since(backlog)}."
        yield Verdict(Situation.INCOMPLETE, sentence, backlog.action)


def _why(group: CauseGroup) -> str:
    return {"rate_limited": "the marketplace throttles them", "incomplete": "they still read a backlog"}.get(
        group.kind, group.title
    )


def _rejected(reject: Document) -> str:
    """A reject for example, whose document may have been edited."""
    at, of = reject.get("rejected_at"), one_line(str(reject.get("connection_id")))
    since = f" since {at:%Y-%m-%d %H:%M}Z" if isinstance(at, datetime) else ""
    return f"one is of {of}{since}: {one_line(str(reject.get('reason')))[:_MOST_REASON].rstrip('.')}."


def _since(group: CauseGroup) -> str:
    return f" since {group.since:%Y-%m-%d %H:%M}Z" if group.since is not None else ""


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def _connections(number: int, verb: str | None = None) -> str:
    verb = f" {_is(number)}" if verb is None else verb
    return f"{plural(number, 'connection')}{verb}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
