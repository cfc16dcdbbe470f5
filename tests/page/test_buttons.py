"""Every button does what the command line does, under the person's name, and only if it is confirmed."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.errors import StoreUnavailable
from orchestrator.model.audit import Action, AuditEntry, Face
from orchestrator.operators.audit_views import list_audit
from orchestrator.page.actions import ACTS
from orchestrator.ports import Query, Write, Written
from orchestrator.services import Services
from tests.page.hands import Hands, forms_of
from tests.page.scenes import ANN, Scene, broken, empty, healthy
from tests.page.served import serving
from tests.support.world import World


def entries(world: World) -> list[AuditEntry]:
    """All that is recorded, the latest first."""
    return list_audit(world.store, limit=100).entries


def newest_run(world: World) -> str:
    """The id of the newest run."""
    return world.store.query(Query("runs", order_by="order", descending=True, limit=1))[0].id


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """Three connections: one works, one is refused, one is paused; and some runs of them."""
    made = empty(tmp_path)
    made.world.connect("good", organization_id="org-a")
    made.world.connect("bad", credential="missing")
    made.world.connect("resting", status="paused")
    made.ticks(3)
    return made


@pytest.fixture
def hands(scene: Scene) -> Iterator[Hands]:
    """A person at the page."""
    with serving(scene) as page:
        yield Hands(page, page.enter())


def status_of(world: World, name: str) -> object:
    """A connection's status."""
    return world.get(f"connections/{name}").data["status"]


def test_pause_and_resume(scene: Scene, hands: Hands) -> None:
    """From the connection's own screen, and back."""
    (fields,) = hands.forms("/connections/good")["pause"]
    assert "good is paused" in hands.press("pause", fields)
    assert status_of(scene.world, "good") == "paused"
    (fields,) = hands.forms("/connections/good")["resume"]
    assert "good is active" in hands.press("resume", fields)
    assert status_of(scene.world, "good") == "active"
    assert [(each.action, each.actor, each.face, each.connection_id) for each in entries(scene.world)] == [
        (Action.RESUME, ANN.name, Face.PAGE, "good"),
        (Action.PAUSE, ANN.name, Face.PAGE, "good"),
    ]
    assert ANN.name in hands.look("/connections/good")


@pytest.mark.parametrize("full", [False, True])
def test_trigger(scene: Scene, hands: Hands, full: bool) -> None:
    """It starts one run, even if the confirmation is sent twice."""
    button = next(each for each in hands.forms("/connections/good")["trigger"] if ("full" in each) is full)
    _, _, shown = hands.send("trigger", button)
    assert "marketplace-sync trigger good" in shown
    (confirmed,) = forms_of(shown)["trigger"]
    places = [hands.send("trigger", confirmed)[1]["location"] for _ in range(2)]
    assert places[0] == places[1]
    run_id = newest_run(scene.world)
    assert places[0] == f"/runs/{run_id}"
    run = scene.world.run(run_id)
    assert (run.requested_by, run.selection.full) == (ANN.name, full)
    (entry,) = entries(scene.world)
    assert (entry.action, entry.connection_id, entry.run_id) == (Action.TRIGGER, "good", run_id)


def test_check(scene: Scene, hands: Hands) -> None:
    """It names the account, or the fault and its remedy."""
    assert "the marketplace answers: bazaar" in hands.press(
        "check", hands.forms("/connections/good")["check"][0]
    )
    (fields,) = hands.forms("/connections/bad")["check"]
    status, _, shown = hands.send("check", {**fields, "confirmed": "yes"})
    assert status == 409
    assert "secret &#39;missing&#39;: no such secret" in shown
    (entry,) = entries(scene.world)
    assert (entry.action, entry.actor, entry.face, entry.connection_id) == (
        Action.CHECK,
        ANN.name,
        Face.PAGE,
        "good",
    )


def test_retry_and_cancel(scene: Scene, hands: Hands) -> None:
    """A closed run's screen retries it, an open one's cancels it."""
    old = newest_run(scene.world)
    buttons = hands.forms(f"/runs/{old}")
    assert "cancel" not in buttons
    hands.press("retry", buttons["retry"][0])
    new = newest_run(scene.world)
    assert scene.world.run(new).retry_of == old

    buttons = hands.forms(f"/runs/{new}")
    assert "retry" not in buttons
    assert "is asked to stop" in hands.press("cancel", buttons["cancel"][0])
    assert scene.world.run(new).cancel_requested_by == ANN.name
    assert "cancel" not in hands.forms(f"/runs/{new}")
    assert [each.action for each in entries(scene.world)] == [Action.CANCEL, Action.RETRY]


def test_replay(scene: Scene, hands: Hands) -> None:
    """The confirmation tells the effect before it is done; unreadable ones stay unless a button says so."""
    scene.die("bad")
    scene.world.clock.advance(60)
    scene.bury(b"\x00")
    buttons = hands.forms("/dead")["replay"]
    _, _, shown = hands.send("replay", buttons[0])
    assert "1 to be worked on by new runs, 1 to be kept" in shown
    assert "1 worked on by new runs, 1 kept" in hands.press("replay", buttons[0])
    assert scene.world.run(newest_run(scene.world)).requested_by == ANN.name
    hands.press("replay", hands.forms("/dead")["replay"][1])
    assert "None: every message was worked on" in hands.look("/dead")
    assert Action.REPLAY in {each.action for each in entries(scene.world)}


def test_rejects_are_read_again(tmp_path: Path) -> None:
    """From the list of one connection's rejects, and from its own screen."""
    scene = broken(tmp_path)
    with serving(scene) as page:
        hands = Hands(page, page.enter())
        assert "retry-rejects" in hands.forms("/connections/odd-shop")
        assert "retry-rejects" not in hands.forms("/connections/good-0")
        # Their number by connection leads to their number by reason, and that to those with the reason.
        assert re.search(
            r"<strong>\d+</strong> of <a href=\"/rejects\?connection=odd-shop\"", hands.look("/rejects")
        )
        of_one = hands.look("/rejects?connection=odd-shop")
        (address, *_) = re.findall(
            r"</strong> <a href=\"(/rejects\?connection=odd-shop&amp;reason=[^\"]+)", of_one
        )
        assert "Only those with the reason" in hands.look(html.unescape(address))
        (fields,) = hands.forms("/rejects?connection=odd-shop")["retry-rejects"]
        hands.press("retry-rejects", fields)
        (address, *_) = re.findall(r"<a href=\"(/rejects/odd-shop/[^\"]+)\"", of_one)
        (fields,) = hands.forms(address)["forget-reject"]
        assert "is forgotten" in hands.press("forget-reject", fields)
        assert Action.FORGET in {each.action for each in entries(scene.world)}
    run = scene.world.run(newest_run(scene.world))
    assert (run.trigger, run.selection.full, run.selection.streams) == ("manual", True, ("orders",))
    assert entries(scene.world)[0].connection_id == "odd-shop"


def test_bulk_by_filter(scene: Scene, hands: Hands) -> None:
    """Only those that fit the filter in the address are paused and resumed, each with its own entry."""
    (fields,) = hands.forms("/connections?organization=org-a")["pause-all"]
    assert "1 paused" in hands.press("pause-all", fields)
    assert [status_of(scene.world, name) for name in ("good", "bad")] == ["paused", "active"]
    (fields,) = hands.forms("/connections")["resume-all"]
    assert "2 resumed" in hands.press("resume-all", fields)
    assert [status_of(scene.world, name) for name in ("good", "bad", "resting")] == ["active"] * 3
    assert {(each.action, each.connection_id) for each in entries(scene.world)} == {
        (Action.PAUSE, "good"),
        (Action.RESUME, "good"),
        (Action.RESUME, "resting"),
    }


def test_a_cause_is_checked_and_triggered_from_the_first_screen(scene: Scene, hands: Hands) -> None:
    """The group of one cause has the button that remedies it, for its connections alone."""
    (fields,) = hands.forms("/")["check-all"]
    assert fields["cause"] == "secret_missing"
    assert "0 answered, 1 failed" in hands.press("check-all", fields)

    (fields,) = hands.forms("/connections?cause=secret_missing")["trigger-all"]
    hands.press("trigger-all", fields)
    run = scene.world.run(newest_run(scene.world))
    assert run.selection.connection_ids == {"shopify": ("bad",)}


def test_ticks_that_stopped_are_started_from_the_first_screen(scene: Scene, hands: Hands) -> None:
    """The verdict's own button."""
    scene.world.clock.advance(7 * 86_400)
    (fields,) = hands.forms("/")["trigger-all"][:1]
    hands.press("trigger-all", {"csrf": fields["csrf"]})
    assert scene.world.run(newest_run(scene.world)).trigger == "manual"


def test_all_paused_are_resumed_from_the_first_screen(tmp_path: Path) -> None:
    """The verdict's own button."""
    scene = healthy(tmp_path)
    for name in ("north-shop", "south-shop", "take-it"):
        scene.world.connect(name, status="paused")
    with serving(scene) as page:
        hands = Hands(page, page.enter())
        hands.press("resume-all", hands.forms("/")["resume-all"][0])
    assert status_of(scene.world, "take-it") == "active"


def test_every_button_is_pressed_here() -> None:
    """A new action needs a test."""
    pressed = set(re.findall(r'hands\.(?:press|send)\("([a-z-]+)"', Path(__file__).read_text()))
    assert pressed == set(ACTS)


@pytest.mark.parametrize("act", ACTS)
def test_nothing_is_done_unconfirmed(scene: Scene, hands: Hands, act: str) -> None:
    """A first click writes no document."""
    before = scene.world.store.query(Query("connections", limit=10))
    (fields,) = hands.forms("/connections/good")["check"]
    hands.send(act, {"csrf": fields["csrf"], "connection_id": "good", "run_id": newest_run(scene.world)})
    assert scene.world.store.query(Query("connections", limit=10)) == before
    assert entries(scene.world) == []


class Refusing:
    """A store whose commits are refused, as Firestore refuses those of a viewer."""

    def __init__(self, world: World, refusal: Exception) -> None:
        self._store, self._refusal, self.commits = world.store, refusal, 0

    def commit(self, writes: Sequence[Write]) -> list[Written]:
        """Refuse."""
        self.commits += 1
        raise self._refusal

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


@pytest.fixture
def viewer() -> Callable[[Scene], tuple[Services, Refusing]]:
    """Services that may only look."""

    def make(scene: Scene) -> tuple[Services, Refusing]:
        store = Refusing(scene.world, StoreUnavailable("PermissionDenied", action="grant a role"))
        return replace(scene.world.services, store=store), store  # type: ignore[arg-type] # by __getattr__

    return make


def test_a_viewer_sees_no_button(scene: Scene, viewer: Callable[[Scene], tuple[Services, Refusing]]) -> None:
    """It is found out by one commit that cannot succeed, and an action by hand is refused by the store."""
    services, store = viewer(scene)
    with serving(scene, services) as page:
        hands = Hands(page, page.enter())
        for address in (
            "/",
            "/connections",
            "/connections/good",
            "/dead",
            f"/runs/{newest_run(scene.world)}",
        ):
            assert hands.forms(address) == {}
        assert store.commits == 1
        assert "read only" in hands.look("/")


def test_the_probe_writes_nothing(scene: Scene, hands: Hands) -> None:
    """A person who may act has been asked without a trace."""
    assert hands.forms("/connections/good")
    assert scene.world.store.get("connections/-permission-") is None
