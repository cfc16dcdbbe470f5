"""Windows and cursors, against a model of a marketplace: every row that `since` has passed was listed.

Rows change at any time, some are indexed late; invocations of skewed clocks read pages, store the cursor
or lose it, find their token expired, start again, are asked for everything or meet other settings.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from orchestrator.marketplaces.spec import AnyStream, Listing, Stream
from orchestrator.model.state import Cursor, OpenWindow
from orchestrator.sync import windows
from orchestrator.sync.windows import Terms
from tests.support.examples import examples
from tests.support.world import START

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
AGE, SKEW_S, LOOKBACK_S = timedelta(minutes=2), 30, 600
CLOCK_SLACK = 2 * SECOND
NAMES = st.sampled_from("abcdefgh")
FAR_S = 1200
skews = st.sampled_from([-FAR_S, -SKEW_S, -7, 0, 0, 0, 12, SKEW_S, FAR_S]).map(lambda s: s * SECOND)


def stream(listing: Listing, *, durable: bool, ordered: bool, short: timedelta, long: timedelta) -> AnyStream:
    """A stream of which only the windows matter."""
    return Stream(
        name="orders",
        listing=listing,
        fetch=lambda *_: NotImplemented,
        normalize=lambda *_: NotImplemented,
        record_id=lambda _: None,
        version=1,
        age=AGE,
        durable_token=durable,
        ordered=ordered,
        remembers_all=False,
        short_span=short,
        long_span=long,
    )


class Reading(RuleBasedStateMachine):
    """A stream's cursor over many invocations, and the marketplace's rows."""

    @initialize(
        listing=st.sampled_from(Listing),
        durable=st.booleans(),
        ordered=st.booleans(),
        short=st.sampled_from([timedelta(0), 3 * DAY]),
        long=st.sampled_from([timedelta(0), 60 * DAY, timedelta.max]),
        lookback=st.sampled_from([0, LOOKBACK_S]),
    )
    def begin(
        self, listing: Listing, durable: bool, ordered: bool, short: timedelta, long: timedelta, lookback: int
    ) -> None:
        """A connection without any history."""
        kind = stream(
            listing,
            durable=durable,
            ordered=ordered and listing is Listing.INCREMENTAL,
            short=short if listing is Listing.ROLLING else timedelta(0),
            long=long if listing is not Listing.SNAPSHOT else timedelta(0),
        )
        self.terms = Terms(kind, START - 90 * DAY, lookback * SECOND, DAY)
        self.now = START
        self.cursor = Cursor()
        #: The window in an invocation's hands, and when it was opened first: truly, and by that clock.
        self.window: OpenWindow | None = None
        self.opened_at = self.opened_now = self.read_at = START
        #: Each row's last change, when it was visible from, and the change that was last listed.
        self.changed = {name: START - (n + 1) * timedelta(hours=1) for n, name in enumerate("abcdefgh")}
        self.visible = dict(self.changed)
        self.listed: dict[str, datetime] = {}
        self.highest: datetime | None = None
        self.remembered = 0
        #: When a window over the long span was last complete.
        self.long_at: datetime | None = None

    @rule(seconds=st.sampled_from([1, 30, 300, 900, 7200, 43_200, 43_200, 86_400, 200_000]))
    def time_passes(self, seconds: int) -> None:
        """Some virtual time."""
        self.now += seconds * SECOND

    @rule(name=NAMES, lag=st.integers(0, LOOKBACK_S), late=st.booleans())
    def change(self, name: str, lag: int, late: bool) -> None:
        """A row changes; the marketplace may list it a little later, within the look-back."""
        self.now += SECOND
        self.changed[name] = self.now
        self.visible[name] = self.now
        if late and self.terms.lookback and self.terms.stream.listing is Listing.INCREMENTAL:
            self.visible[name] += lag * SECOND

    @precondition(lambda self: self.window is None)
    @rule(skew=skews)
    def open(self, skew: timedelta) -> None:
        """An invocation loads the stream; the store tells it the true time."""
        before, now = self.cursor, min(self.now, self.now + skew)
        window = windows.open_window(self.terms, before, self.now + skew, self.now)
        if window is None:
            assert before.window is None
            assert before.since is None or before.since - self.terms.lookback >= now - AGE
            return
        if before.window is None:
            self._check_new(window, now)
            self.opened_at, self.opened_now = self.now, now
        else:
            self._check_same(before.window, window)
            assert window == before.window or not self.terms.stream.durable_token
        self.window = window

    def _check_new(self, window: OpenWindow, now: datetime) -> None:
        """A new window joins the last one, looks back, and reaches as far as its listing promises."""
        terms, kind = self.terms, self.terms.stream
        assert window.until == now - AGE
        assert terms.start <= window.since < window.until
        assert (window.full, window.token, window.read) == (self.cursor.full, None, 0)
        if self.cursor.since is None or kind.listing is Listing.SNAPSHOT:
            assert window.since == terms.start
            return
        assert window.since <= max(terms.start, self.cursor.since - terms.lookback)
        span = min(kind.long_span if window.long else kind.short_span, window.until - terms.start)
        assert window.since <= max(terms.start, window.until - span)
        if kind.long_span and (self.long_at is None or now - self.long_at >= terms.long_every):
            assert window.long
        assert windows.day_of(window.since) >= self.remembered

    def _check_same(self, before: OpenWindow, window: OpenWindow) -> None:
        """A continued window is the window that was opened; in an ordered listing it may begin later."""
        assert (window.until, window.long, window.full) == (before.until, before.long, before.full)
        if window.since != before.since:
            assert self.terms.stream.ordered
            assert before.since < window.since <= before.until
        if not self.terms.stream.durable_token:
            assert window.token is None

    @precondition(lambda self: self.window is not None and not self.window.token and not self.window.read)
    @rule(behind=st.integers(3, SKEW_S))
    def server_is_behind(self, behind: int) -> None:
        """The marketplace's own clock says that the window ends too late."""
        assert self.window is not None
        until = self.now - behind * SECOND - AGE
        if until >= self.window.until - CLOCK_SLACK:
            return
        self.window = msgspec.structs.replace(self.window, until=until)
        if self.window.since >= until:
            # An empty window: the next invocation opens a window anew.
            self.window = None
            self.cursor = msgspec.structs.replace(self.cursor, window=None)

    @precondition(lambda self: self.window is not None)
    @rule(size=st.integers(1, 4), stored=st.booleans(), took=st.sampled_from([0, 90, 7200]))
    def page(self, size: int, stored: bool, took: int) -> None:
        """A page is read; its cursor is stored with it, or left to a later commit."""
        window = self.window
        assert window is not None
        kind = self.terms.stream
        keys = {
            (f"{at.isoformat()}|{name}" if kind.ordered else name): name
            for name, at in self.changed.items()
            if self.visible[name] <= self.now
            and (kind.listing is Listing.SNAPSHOT or window.since <= at <= window.until)
        }
        rest = sorted(key for key in keys if window.token is None or key > window.token)
        for key in rest[:size]:
            name = keys[key]
            self.listed[name] = self.changed[name]
        reached = [self.changed[keys[key]] for key in rest[:size]]
        position = max([*reached, *([window.position] if window.position else [])], default=None)
        window = msgspec.structs.replace(
            window,
            token=rest[size - 1] if len(rest) > size else None,
            read=window.read + len(rest[:size]),
            # Even if rows come in no order, and the position says nothing.
            position=position,
        )
        if window.token is None:
            self.cursor = windows.completed(self.terms, self.cursor, window, took * SECOND)
            self.window, self.read_at = None, self.opened_at
            self.long_at = self.opened_now + took * SECOND if window.long else self.long_at
            self._check_completed(window)
            return
        self.window = window
        if stored:
            inside = window if kind.durable_token else msgspec.structs.replace(window, token=None, read=0)
            self.cursor = msgspec.structs.replace(self.cursor, window=inside)

    def _check_completed(self, window: OpenWindow) -> None:
        assert self.cursor.since is not None
        assert self.cursor.since >= window.until
        assert self.cursor.window is None
        assert not self.cursor.full
        self.remembered = max(self.remembered, windows.oldest_remembered(self.terms, window.until))

    @precondition(lambda self: self.window is not None and self.window.token is not None)
    @rule()
    def token_expires(self) -> None:
        """The window starts again from its last certain position."""
        before = self.window
        assert before is not None
        self.window = windows.without_token(self.terms, before)
        self.cursor = msgspec.structs.replace(self.cursor, window=self.window)
        assert (self.window.token, self.window.read, self.window.seen) == (None, 0, b"")
        self._check_same(before, self.window)

    @rule()
    def crash(self) -> None:
        """The invocation is gone; another one will load the stored cursor."""
        self.window = None

    @precondition(lambda self: self.window is None)
    @rule(scope=st.booleans())
    def start_again(self, scope: bool) -> None:
        """A person asks for everything, or the connection gets other settings: nothing counts as read."""
        self.cursor = Cursor(full=self.cursor.full) if scope else Cursor(full=True)
        self.listed.clear()
        self.highest = self.long_at = None
        self.remembered = 0

    @invariant()
    def since_never_goes_back(self) -> None:
        """Unless everything is read again."""
        if not hasattr(self, "cursor"):
            return
        since = self.cursor.since
        assert self.highest is None or (since is not None and since >= self.highest)
        self.highest = since

    @invariant()
    def nothing_before_since_is_missing(self) -> None:
        """Each row whose last change lies before `since`, and was visible in time, was listed as it is."""
        if not hasattr(self, "cursor") or self.cursor.since is None:
            return
        for name, at in self.changed.items():
            if at < self.cursor.since and self.visible[name] <= self.read_at:
                assert self.listed.get(name) == at, (name, at, self.cursor)


TestReading = Reading.TestCase
TestReading.settings = examples(200, steps=40)


spans = st.sampled_from([timedelta(0), 3 * DAY, 60 * DAY, timedelta.max])
moments = st.timedeltas(-500 * DAY, 500 * DAY).map(lambda ago: START + ago)


@given(start=moments, since=moments, ago=st.timedeltas(-2 * DAY, 2 * DAY))
def test_a_complete_listing_shows_all_from_its_oldest_day_on(
    start: datetime, since: datetime, ago: timedelta
) -> None:
    """A remembered row of that day or later is inside the window, so its absence from it tells something."""
    row = since - ago
    terms = Terms(
        stream(Listing.INCREMENTAL, durable=True, ordered=False, short=timedelta(0), long=DAY),
        start,
        DAY,
        DAY,
    )
    window = OpenWindow(since=max(start, since), until=START + 999 * DAY)
    oldest = windows.oldest_listed(terms, window)

    if windows.day_of(row) >= oldest and row >= start:
        assert row >= window.since


@given(took=st.timedeltas(timedelta(0), 30 * DAY), listing=st.sampled_from(Listing))
def test_a_long_listing_rests_nine_times_as_long(took: timedelta, listing: Listing) -> None:
    """A tenth of the time at most, never more than a day, and none after a short or a partial listing."""
    kind = stream(listing, durable=True, ordered=False, short=timedelta(0), long=timedelta(0))
    until = windows.rest(kind, took, START)

    if listing is not Listing.SNAPSHOT or took < timedelta(minutes=1):
        assert until is None
    else:
        assert until == START + min(9 * took, DAY)


@given(until=moments, since=st.timedeltas(timedelta(0), DAY))
def test_no_window_is_empty(until: datetime, since: timedelta) -> None:
    """No window is opened if no time has passed since the last one's end, or a clock is behind it."""
    kind = stream(Listing.INCREMENTAL, durable=True, ordered=True, short=timedelta(0), long=timedelta(0))
    terms = Terms(kind, START - 900 * DAY, timedelta(0), DAY)

    assert windows.open_window(terms, Cursor(since=until + since), until + AGE) is None
    assert windows.open_window(terms, Cursor(since=until), until + AGE) is None
    assert windows.open_window(terms, Cursor(since=until - SECOND), until + AGE) is not None


@given(until=moments, span=spans)
def test_a_span_reaches_back_as_far_as_time_goes(until: datetime, span: timedelta) -> None:
    """The longest span is everything, and no date is out of range."""
    kind = stream(Listing.ROLLING, durable=True, ordered=False, short=span, long=timedelta(0))
    terms = Terms(kind, windows._DAY_ZERO, timedelta(0), DAY)
    window = windows.open_window(terms, Cursor(since=until), until + AGE)

    assert window is not None or span == timedelta(0)
    if window is not None:
        assert window.since == (until - span if span < until - windows._DAY_ZERO else windows._DAY_ZERO)
