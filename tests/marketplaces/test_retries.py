"""The request loop as a model: whatever a marketplace answers, it is asked a bounded number of times.

Scripts of answers, advice, limits and durations are played against the loop. The outcomes are compared with
a table of each answer's meaning, which is written here a second time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from unittest import mock

from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.errors import (
    MAX_WAIT_S,
    CredentialsRejected,
    MarketplaceError,
    MarketplaceUnavailable,
    PermissionDenied,
    RateLimited,
    RequestRejected,
    ResponseInvalid,
)
from orchestrator.marketplaces import transport
from orchestrator.marketplaces.client import (
    ATTEMPTS,
    BACKOFF_S,
    LIMIT_BACKOFF_S,
    RETRY_WITHIN_S,
    Client,
)
from orchestrator.marketplaces.response import Response
from orchestrator.marketplaces.transport import Answer
from tests.support.clocks import VirtualClock
from tests.support.scripted import UNTIL, Bench, Secrets

SLEPT_S = 60.0
DATE = "date"
#: The meaning of an answer: the status, whether it is JSON, and its kind; None is good.
MEANINGS: list[tuple[int, bool, type[MarketplaceError] | None]] = [
    (200, True, None),
    (200, False, MarketplaceUnavailable),
    (301, True, ResponseInvalid),
    (400, True, RequestRejected),
    (401, True, CredentialsRejected),
    (402, True, PermissionDenied),
    (403, True, PermissionDenied),
    (403, False, MarketplaceUnavailable),
    (404, True, RequestRejected),
    (408, True, MarketplaceUnavailable),
    (429, True, RateLimited),
    (500, True, MarketplaceUnavailable),
    (503, True, MarketplaceUnavailable),
    (599, False, MarketplaceUnavailable),
]
#: `Retry-After`, and the seconds that it advises; None if it cannot be understood.
ADVICE: dict[str, float | None] = {
    "": None,
    "soon": None,
    "nan": 0.0,
    "-5": 0.0,
    "0": 0.0,
    "1": 1.0,
    "7.5": 7.5,
    "59": 59.0,
    "61": 61.0,
    "4000": 4000.0,
    "1e300": MAX_WAIT_S,
    "inf": MAX_WAIT_S,
    DATE: 30.0,
    "Fri, 31 Dec 9999 23:59:59 GMT": MAX_WAIT_S,
}


@dataclass(frozen=True)
class Reply:
    """One answer of the script, or none at all."""

    status: int = 200
    is_json: bool = True
    kind: type[MarketplaceError] | None = None
    advice: str = ""
    takes_s: float = 0.1
    breaks: bool = False
    #: The pace's wait before this answer's call, in seconds.
    pace_s: float = 0.0

    @property
    def means(self) -> type[MarketplaceError] | None:
        """Its kind."""
        if self.breaks:
            return MarketplaceUnavailable
        return RateLimited if self.status == 503 and self.advice else self.kind


replies = st.builds(
    lambda meaning, advice, takes_s, breaks, pace_s: Reply(
        meaning[0], meaning[1], meaning[2], advice, takes_s, breaks, pace_s
    ),
    st.sampled_from(MEANINGS)
    | st.sampled_from([each for each in MEANINGS if each[2] in {MarketplaceUnavailable, RateLimited}]),
    st.sampled_from(list(ADVICE)) | st.just(""),
    st.sampled_from([0.1, 3.0, 12.0, 25.0]),
    st.integers(0, 9).map(lambda n: n == 0),
    st.sampled_from([0.0] * 8 + [5.0, 100.0]),
)


@dataclass
class Played:
    """A script being played: clock, limits and credentials of one call."""

    script: list[Reply]
    slice_s: float
    can_refresh: bool
    clock: VirtualClock = field(default_factory=VirtualClock)
    used: list[Reply] = field(default_factory=list)
    #: When each call was made and answered, on the clock.
    sent_at: list[float] = field(default_factory=list)
    answered_at: list[float] = field(default_factory=list)
    refreshes: int = 0
    #: Waits, each with the seconds left in the slice.
    waits: list[tuple[float, float]] = field(default_factory=list)

    def time_left(self) -> float:
        """The seconds left in the slice."""
        return self.slice_s - self.clock.monotonic()

    def wait(self, seconds: float) -> None:
        """As the engine does."""
        if seconds > SLEPT_S or seconds >= self.time_left():
            raise RateLimited("market asks to wait", wait_s=seconds)
        self.waits.append((seconds, self.time_left()))
        self.clock.sleep(seconds)

    def headers(self, client: Client) -> Mapping[str, str]:
        """The credentials."""
        return {"X-Key": str(self.refreshes)}

    def refresh(self, client: Client) -> bool:
        """Other credentials, if there are any."""
        self.refreshes += self.can_refresh
        return self.can_refresh

    def wait_s(self, operation: str) -> float:
        """The limit, which is waited for once a call."""
        return self.script[len(self.used) % len(self.script)].pace_s

    def observe(self, operation: str, response: Response) -> None:
        """Nothing is learnt from answers."""

    def send(self, *_: object, **__: object) -> Answer:
        """The next answer."""
        reply = self.script[len(self.used) % len(self.script)]
        self.used.append(reply)
        self.sent_at.append(self.clock.monotonic())
        self.clock.advance(reply.takes_s)
        self.answered_at.append(self.clock.monotonic())
        if reply.breaks:
            raise MarketplaceUnavailable("market: no complete answer")
        headers = {"Content-Type": "application/json" if reply.is_json else "text/html", "Date": _date(0)}
        if reply.advice:
            headers["Retry-After"] = _date(30) if reply.advice == DATE else reply.advice
        body = b'{"ok": true}' if reply.is_json else b"<html>"
        return Answer(reply.status, headers, body, len(body))

    def play(self) -> MarketplaceError | None:
        """Make the call; the error it ended with."""
        bench = Bench(clock=self.clock)
        bench.wait = self.wait  # type: ignore[method-assign] # the engine's, with this slice
        client = Client(
            bench.opening("shopify", {}, Secrets("{}")),
            marketplace="market",
            hosts=frozenset({"api.example.com"}),
            auth=self,
            pace=self,
        )
        with mock.patch.object(transport, "send", self.send):
            try:
                client.request("things", "https://api.example.com/v1", _decoded)
            except MarketplaceError as error:
                return error
        return None


def _decoded(response: Response) -> dict[str, bool]:
    return response.decode(dict[str, bool])


def _date(seconds: int) -> str:
    """The marketplace's time, or a moment after it; its clock is far off ours."""
    return format_datetime(UNTIL.astimezone(UTC) + timedelta(days=-400, seconds=seconds), usegmt=True)


GOOD = Reply()


@given(st.lists(replies, min_size=1, max_size=8), st.sampled_from([1.0, 50.0, 480.0]), st.booleans())
@example([Reply(429, True, RateLimited, "inf")], 480.0, False)
@example([Reply(401, True, CredentialsRejected), GOOD], 480.0, True)
@example([Reply(401, True, CredentialsRejected)], 480.0, True)
@example([Reply(429, True, RateLimited, "59")], 480.0, False)
@example([Reply(500, True, MarketplaceUnavailable)], 480.0, False)
def test_whatever_a_marketplace_answers(script: list[Reply], slice_s: float, can_refresh: bool) -> None:
    """Attempts are bounded, waits fit the slice and are as advised at least, and the kind is the table's."""
    played = Played(script, slice_s, can_refresh)
    error = played.play()
    used = played.used

    assert len(used) <= ATTEMPTS + 1
    assert played.refreshes <= 1
    assert played.refreshes <= sum(reply.means is CredentialsRejected for reply in used)
    assert all(seconds <= SLEPT_S and seconds < left for seconds, left in played.waits)
    assert (
        played.clock.monotonic() < slice_s + sum(reply.takes_s for reply in used) + ATTEMPTS * BACKOFF_S * 16
    )
    for number, reply in enumerate(used[:-1]):
        _check_retried(played, number, reply)
    _check_end(played, error)


def _check_retried(played: Played, number: int, reply: Reply) -> None:
    """Only errors that may pass were retried, and each attempt came late enough and early enough."""
    paused = played.sent_at[number + 1] - played.answered_at[number]
    if reply.means is CredentialsRejected:
        assert played.can_refresh
    elif reply.means is RateLimited:
        advised = ADVICE[reply.advice]
        assert paused >= (advised or 0.0)
        if advised is not None:
            assert paused <= advised + 1 + played.used[number + 1].pace_s
    else:
        assert reply.means is MarketplaceUnavailable
        waited = sum(seconds for seconds, _ in played.waits)
        assert played.answered_at[number] - played.sent_at[0] - waited <= RETRY_WITHIN_S
        assert paused <= BACKOFF_S * 2 ** (ATTEMPTS - 2) + played.used[number + 1].pace_s


def _check_end(played: Played, error: MarketplaceError | None) -> None:
    """The last answer, or a wait that does not fit, says how the call ended."""
    last = played.used[-1] if played.used else GOOD
    if error is None:
        assert last.means is None
        return
    assert "\n" not in error.message
    if not isinstance(error, RateLimited):
        assert type(error) is last.means
        return
    assert 0 <= error.wait_s <= MAX_WAIT_S
    advised = ADVICE[last.advice] if last.means is RateLimited else None
    pace_s = played.wait_s("things")
    if last.means is RateLimited and (len(played.used) >= ATTEMPTS or not pace_s):
        assert error.wait_s >= (advised or 0.0)
        assert advised is not None or error.wait_s <= LIMIT_BACKOFF_S * 2**ATTEMPTS
    else:
        assert pace_s > 0


def test_a_wait_without_end_is_a_day() -> None:
    """A marketplace that says wait for ever is asked again tomorrow; no date is out of range."""
    for wait_s in (float("inf"), float("nan"), 1e300, 10 * MAX_WAIT_S):
        error = RateLimited("market says wait", wait_s=wait_s)
        assert error.wait_s == MAX_WAIT_S
        assert datetime.now(UTC) + timedelta(seconds=error.wait_s) > datetime.now(UTC)

    assert RateLimited("market says wait", wait_s=-1.0).wait_s == 0.0
