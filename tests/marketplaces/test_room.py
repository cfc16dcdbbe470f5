"""Large answers take turns: small ones never wait, and whoever has ended leaves room for the next."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from local.sandbox.http import Reply
from orchestrator.errors import MarketplaceUnavailable, RateLimited
from orchestrator.marketplaces import client, transport
from orchestrator.marketplaces.auth import FixedHeader
from orchestrator.marketplaces.client import Client
from orchestrator.marketplaces.response import Response
from orchestrator.room import Crowded, Place, Room
from tests.support.scripted import Bench, Scripted, Secrets, scripted

#: Only a defect waits so long.
PATIENCE_S = 20.0
SMALL_BYTES = 1_000
LARGE = Reply(200, b'{"text":"%b"}' % (b"x" * SMALL_BYTES))
SMALL = Reply(200, b'{"text":""}')


@pytest.fixture(autouse=True)
def _small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer with more than a kilobyte, or more than a hundred values, is large."""
    monkeypatch.setattr(client, "LARGE_BYTES", SMALL_BYTES)
    monkeypatch.setattr(transport, "LARGE_BYTES", SMALL_BYTES)
    monkeypatch.setattr(client, "LARGE_VALUES", 100)


def speaking(bench: Bench, server: Scripted) -> Client:
    """A session with the server."""
    return Client(
        bench.opening("shopify", {}, Secrets("{}")),
        marketplace="example",
        hosts=frozenset({"api.example.com"}),
        auth=FixedHeader("X-Key", "key"),
        base_url=server.url,
    )


def ask(session: Client) -> int:
    """One call; returns the length of the answer."""

    def length(response: Response) -> int:
        return len(response.body)

    return session.request("things", "https://api.example.com/v1/things", length)


def never() -> None:
    """The check of somebody who must not have to wait."""
    raise AssertionError("it waits")


def give_up() -> None:
    """The check of somebody whose time is over."""
    raise TimeoutError


def test_one_large_answer_too_many_waits_until_another_is_done(caplog: pytest.LogCaptureFixture) -> None:
    """It is asked for again once there is room; one line of the log tells why its task does nothing."""
    caplog.set_level(logging.INFO)
    waits = threading.Event()
    told: list[int] = []

    class Waiting(Bench):
        def wait(self, seconds: float) -> None:
            waits.set()

    room = Room(2)
    with scripted(LARGE) as server, ThreadPoolExecutor() as executor:
        first, second = speaking(Bench(room=room), server), speaking(Bench(room=room), server)
        ask(first)
        ask(second)
        third = speaking(Waiting(room=room, troubled=lambda: told.append(len(server.requests))), server)
        answer = executor.submit(ask, third)
        assert waits.wait(PATIENCE_S)
        assert not answer.done()
        second.place.give_back()
        assert answer.result(PATIENCE_S) == len(LARGE.body)

    assert third.place.is_held
    assert (third.calls, len(server.requests)) == (2, 4)
    lines = [line.message for line in caplog.records if getattr(line, "action", "") == "answer_waits"]
    assert lines == ["example things: a large answer waits for its turn"]
    # While it waits, the tasks of later runs skip the connection.
    assert told == [3]


def test_small_answers_never_wait() -> None:
    """Neither if nobody leaves room, nor if they are many."""
    bench = Bench(room=Room(0))
    with scripted(SMALL) as server:
        session = speaking(bench, server)
        for _ in range(3):
            ask(session)

    assert (session.calls, bench.waits, session.place.is_held) == (3, [], False)


def test_answers_of_one_page_are_large_together() -> None:
    """A page's next call needs room once its answers have more than a small one; each page begins anew."""
    half = Reply(200, b'"%b"' % (b"x" * (SMALL_BYTES - 100)))
    with scripted(half) as server:
        session = speaking(Bench(room=Room(1)), server)
        held = []
        for _ in range(3):
            ask(session)
            held.append(session.place.is_held)
        session.place.give_back()
        session.begin_page()
        ask(session)

    assert [*held, session.place.is_held] == [False, False, True, False]


@pytest.mark.parametrize("value", [b"1", b"[]"])
def test_an_answer_of_many_values_is_large(value: bytes) -> None:
    """Decoded, they take far more memory than on their way."""
    with scripted(Reply(200, b"[%b]" % b",".join([value] * 102))) as server:
        session = speaking(Bench(room=Room(1)), server)
        ask(session)
        crowded = speaking(Bench(room=Room(0), longest_wait=-1), server)
        with pytest.raises(RateLimited, match="no room"):
            ask(crowded)

    assert session.place.is_held


def test_a_refusal_takes_no_room() -> None:
    """Only the status of a large error counts: no place is kept during the waits before retries."""
    with scripted(Reply(503, LARGE.body)) as server:
        session = speaking(Bench(room=Room(0)), server)
        with pytest.raises(MarketplaceUnavailable, match="answered 503"):
            ask(session)

    assert session.calls == client.ATTEMPTS


def test_a_wait_ends_with_the_slice() -> None:
    """Then the page is left to the next slice, and the place to others."""
    room = Room(1)
    with scripted(LARGE) as server:
        holder = speaking(Bench(room=room), server)
        ask(holder)
        late = speaking(Bench(room=room, longest_wait=-1), server)
        with pytest.raises(RateLimited) as raised:
            ask(late)

    assert raised.value.wait_s == 0
    assert raised.value.message == "example things: no room for a large answer in time"
    holder.place.give_back()
    assert room.enter_at_once()


def test_places_are_given_in_turn() -> None:
    """Who comes first is served first; nobody slips in between."""
    room, served = Room(1), list[str]()
    assert room.enter_at_once()
    with ThreadPoolExecutor() as executor:
        ended = []
        for name in ("first", "second"):
            waits = threading.Event()

            def serve(name: str = name, waits: threading.Event = waits) -> None:
                room.enter(waits.set)
                served.append(name)
                room.leave()

            ended.append(executor.submit(serve))
            assert waits.wait(PATIENCE_S)
        room.leave()
        for each in ended:
            each.result(PATIENCE_S)

    assert served == ["first", "second"]
    room.enter(never)


def test_who_gives_up_leaves_the_place_to_the_next() -> None:
    """Also if it was given to them in that very moment."""
    room = Room(1)
    room.enter(never)
    with suppress(TimeoutError):
        room.enter(give_up)
    room.leave()
    room.enter(never)

    def too_late() -> None:
        room.leave()
        raise TimeoutError

    with suppress(TimeoutError):
        room.enter(too_late)
    room.enter(never)


def test_a_place_is_taken_and_given_back_once() -> None:
    """However often a session asks for it, or is told to give it back."""
    room = Room(1)
    place, other = Place(room), Place(room)
    assert place.take_at_once()
    place.take(never)
    assert not other.take_at_once()
    place.give_back()
    place.give_back()
    assert other.take_at_once()
    place.is_wanted = False
    with pytest.raises(Crowded):
        place.take(lambda: None)
