"""One history: ticks, workers, operators and a changing market, with faults, and what must hold after it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from orchestrator.marketplaces.spec import Listing
from orchestrator.model import ids
from orchestrator.model.connection import STREAMS
from orchestrator.model.messages import Message
from orchestrator.ports import Put
from orchestrator.services import Services
from tests.system.simulation import knobs
from tests.system.simulation.accounts import Account, SimSecrets, Vault
from tests.system.simulation.edges import Edges
from tests.system.simulation.faulty import APPLES, Apple, Faults, SimStore
from tests.system.simulation.hands import Hands
from tests.system.simulation.judge import Judge
from tests.system.simulation.lanes import Lanes
from tests.system.simulation.leaks import Leaks
from tests.system.simulation.loop import START, Loop, SimClock, SimExecutor, chance
from tests.system.simulation.losses import Losses
from tests.system.simulation.market import Behaviour, Market
from tests.system.simulation.memory import MemoryStore, Violation
from tests.system.simulation.outbox import Outbox
from tests.system.simulation.people import MARKETPLACES, ORGANIZATIONS, People
from tests.system.simulation.process import MOST_FROZEN_S, Killed, Process
from tests.system.simulation.releases import Releases
from tests.system.simulation.slots import Slots
from tests.system.simulation.tellings import SimFeed, Tellings
from tests.system.simulation.watch import Watch

TICK_S = 900
#: Clocks of two instances differ by twice as much at most.
MOST_SKEW_S = 1200.0
HOUR_S = 3600
#: Workers may be away for so many ticks more.
AWAY_TICKS = 40
#: Quiet ticks, in seconds: what is left over ends, deadlines pass, all are well except the bad apple, ...
SETTLING = (0, 900, 4500, 5400, 6300)
#: ... a reconcile and one more; the bad apple is mended; and the same for it.
CHECKED = (26 * HOUR_S, 26 * HOUR_S + 900)
MENDED = tuple(26 * HOUR_S + after for after in (2700, 3600, 4500, 5400, 6300))


class History:
    """Everything that happens for one seed."""

    def __init__(self, seed: int, *, trace: Callable[[str], None] | None = None) -> None:
        self.seed = seed
        self._trace = trace
        self.loop = Loop(seed)
        self.rng = random.Random(seed)
        self.seen: Counter[str] = Counter()
        self.store = MemoryStore()
        self.vault = Vault()
        self.knobs = knobs.choose(self.rng)
        self.harness = Process()
        self.faults = self._choose_faults()
        self.skew_s = self.faults.skew_s
        self.apple = Apple()
        self.market = self._choose_market()
        self.leaks = Leaks(self)
        self.outbox = Outbox(self)
        self.lanes = Lanes(self)
        self.edges = Edges(self)
        self.people = People(self)
        self.hands = Hands(self)
        self.watch = Watch(self)
        Losses(self)
        self.slots = Slots(self)
        self.tellings = Tellings(self)
        self.judge = Judge(self)
        self.connections = [f"c{n}" for n in range(self.rng.randint(1, 4))]
        self.releases = Releases(self)
        #: Scheduled ticks that were accepted; when each was due, in seconds.
        self.ticks: set[str] = set()
        self.tick_s: list[float] = []
        #: When everything stops going wrong.
        self.quiet_s = float("inf")
        #: When all is stored, before a reconcile.
        self.settled_s = float("inf")
        self._processes: list[Process] = []
        self.deliveries = self.most_calls = self.most_published = self.most_writes = 0
        for connection_id in self.connections:
            self._connect(connection_id)

    # What the seed chooses

    def _choose_faults(self) -> Faults:
        rng = self.rng

        def some(most: float, often: float = 0.5) -> float:
            return rng.uniform(0, most) if chance(rng, often) else 0.0

        return Faults(
            killed=some(0.12),
            frozen=some(0.01),
            stopped=some(0.02),
            unavailable=some(0.06),
            ambiguous=some(0.1),
            resent=some(0.1),
            unpublished=some(0.1),
            duplicated=some(0.5),
            delayed=some(0.4),
            very_late=some(0.1, 0.3),
            lost=some(0.12),
            no_secrets=some(0.08),
            stale_secret=some(1.0),
            unstorable=some(0.15, 0.3),
            skew_s=rng.choice([0.0, 30.0, MOST_SKEW_S]),
        )

    def _choose_market(self) -> Market:
        rng = self.rng

        def some(most: float) -> float:
            return rng.uniform(0, most) if chance(rng, 0.4) else 0.0

        listings = {
            marketplace: {
                "orders": rng.choice([Listing.INCREMENTAL, Listing.ROLLING]),
                "products": Listing.SNAPSHOT,
                "inventory": rng.choice([Listing.INCREMENTAL, Listing.SNAPSHOT]),
            }
            for marketplace in MARKETPLACES
        }
        tells_time = chance(rng, 0.7)
        # Not a choice of the generator: all other histories stay as they are.
        is_detailed = self.seed % 7 == 2
        return Market(
            history=self,
            page_size=rng.randint(1, 4),
            counted=chance(rng, 0.5),
            by_offset=chance(rng, 0.3),
            durable=chance(rng, 0.7) or is_detailed,
            ordered=chance(rng, 0.6),
            listings=listings,
            offset=timedelta(seconds=rng.choice([0, 0, -45, 45, -600, 600]) if tells_time else 0),
            tells_time=tells_time,
            detailed=frozenset({"orders", "inventory"}) if is_detailed else frozenset(),
            detail_rows=1 + self.seed % 3,
            behaviour=Behaviour(
                unavailable=some(0.1),
                short_wait=some(0.1),
                long_wait=some(0.08),
                slow=some(0.15),
                expired=some(0.1),
                refused=some(0.02),
                defect=some(0.03),
                repeated=some(0.2),
                restless=some(0.15),
            ),
        )

    def _connect(self, connection_id: str) -> None:
        rng = self.rng
        people = self.people
        people.organizations[connection_id] = rng.choice(ORGANIZATIONS)
        people.marketplaces[connection_id] = rng.choice(MARKETPLACES)
        people.open_account(connection_id, Account(connection_id, strict=chance(rng, 0.3)))
        document: dict[str, Any] = {
            "organization_id": people.organizations[connection_id],
            "marketplace": people.marketplaces[connection_id],
            "name": connection_id,
            "status": "active",
            "credential": f"projects/p/secrets/{connection_id}/versions/latest",
            "settings": {},
            "streams": list(STREAMS[: rng.randint(1, 3)]),
            "backfill_since": None,
            "store_buyer_pii": chance(rng, 0.3),
            "reconcile_hours": rng.choice([1, 24]),
            **self.slots.fields(connection_id),
            "created_at": START,
            "updated_at": START,
        }
        self.store.commit([Put(ids.connection_path(connection_id), document)])
        for stream in STREAMS:
            for n in range(rng.randint(0, 6)):
                ago = timedelta(minutes=7 * (n + 1), days=rng.choice([0, 0, 0, 1, 15]))
                self.market.add(connection_id, stream, ago=ago)

    # Faults

    def happens(self, probability: float) -> bool:
        """Whether a fault happens now."""
        return probability > 0 and chance(self.loop.rng, probability)

    def step(self, process: Process, *, writes: bool) -> None:
        """A process is about to do something: others may go first, and it may end here."""
        process.calls += 1
        if process.calls == process.stalls_after:
            self.seen["stalled"] += 1
            self.say("stalls")
            process.thaws_at_s = self.loop.now_s + process.stalls_s
        if process.is_function and self.happens(self.faults.frozen):
            self.seen["frozen"] += 1
            self.say("freezes")
            process.is_troubled = True
            process.thaws_at_s = self.loop.now_s + self.loop.rng.uniform(60, MOST_FROZEN_S)
        if process.is_function and self.happens(self.faults.stopped):
            self.edges.stop(process)
        self.loop.pause()
        if writes:
            self.perhaps_die(process)

    def perhaps_die(self, process: Process) -> None:
        """Kill the process that is about to do something, or has just done it."""
        if self.happens(self.faults.killed):
            self.seen["killed"] += 1
            self.say("is killed")
            process.kill()
            raise Killed

    def violated(self, message: str) -> None:
        """Something happened that must never happen: the history ends here."""
        self.say(f"VIOLATION: {message}")
        if self.loop.failure is None:
            self.loop.failure = Violation(message)

    def refused_delivery(self, process: Process, message: Message) -> None:
        """Once nothing goes wrong, no message is handed back."""
        self.seen["refused delivery"] += 1
        if process.began_s > self.quiet_s:
            self.violated(f"nothing goes wrong, and a delivery is refused: {message}")

    def say(self, what: str | Callable[[], str]) -> None:
        """A line of the trace, where one is wanted."""
        if self._trace is not None:
            text = what if isinstance(what, str) else what()
            self._trace(f"{self.loop.now_s:12.3f} {self.running.name}: {text}")

    # Processes

    @property
    def running(self) -> Process:
        """Whose turn it is."""
        return self.loop.current.process if self.loop.current is not None else self.harness

    def services(self, process: Process) -> Services:
        """The world as one process sees it."""
        clock = SimClock(self.loop, process)
        return Services(
            settings=self.lanes.settings_of(process),
            store=SimStore(self, process),
            queue=self.lanes.queue_of(process),
            secrets=SimSecrets(self, process),
            clock=clock,
            connectors=self.releases.connectors(process),
            executor=SimExecutor(self.loop, process),
            changes=SimFeed(self, process),
            stopping=lambda: process.is_stopping,
            random=random.Random(self.loop.rng.getrandbits(64)),
        )

    def process(self, name: str, *, is_function: bool = False) -> Process:
        """A new process, whose clock may be off."""
        skew_s = self.loop.rng.uniform(-self.faults.skew_s, self.faults.skew_s)
        process = Process(name, skew_s=skew_s, is_function=is_function, began_s=self.loop.now_s)
        process.settings = self.lanes.settings_of_new_process()
        process.version = self.releases.of_new_process()
        self._processes.append(process)
        return process

    @property
    def working(self) -> int:
        """How many invocations are at work now."""
        return sum(each.is_function and each.is_alive for each in self._processes)

    def holder(self, owner: str | None) -> Process | None:
        """The process that claimed a lease as this owner."""
        return next((it for it in self._processes if owner is not None and it.owner == owner), None)

    # What happens

    def moment(self, tick: str) -> datetime:
        """A tick's own time."""
        return datetime.fromisoformat(tick)

    def tick(self) -> None:
        """The scheduler's tick, perhaps delivered twice at once."""
        moment = self.loop.now.replace(microsecond=0).isoformat()
        self.tick_s.append(self.loop.now_s)
        for _ in range(2 if self.happens(self.faults.duplicated) else 1):
            self.edges.tick(moment)

    def play(self) -> None:
        """Ticks with faults, then ticks without, then the verdict."""
        rng = self.rng
        stormy = rng.randint(2, 7)
        if chance(rng, 0.5):
            self.loop.at(rng.uniform(0, stormy * TICK_S - 2), self._spoil)
        for n in range(stormy):
            self.loop.at(n * TICK_S, self.tick)
            for _ in range(rng.randint(0, 6)):
                self.loop.at(n * TICK_S + rng.uniform(0, TICK_S - 2), self._change)
            for _ in range(rng.choice([0, 0, 1, 1, 2, 3])):
                self.loop.at(n * TICK_S + rng.uniform(0, TICK_S - 2), self.people.act)
        if chance(rng, 0.3):
            self.seen["workers away"] += 1
            begins, longer = rng.uniform(0, (stormy - 1) * TICK_S), rng.choice([0, 0, 0, AWAY_TICKS])
            for n in range(stormy, stormy + longer):
                self.loop.at(n * TICK_S, self.tick)
            stormy += longer
            self.loop.at(begins, partial(self.lanes.send_away, stormy * TICK_S))
        self.releases.plan_stormy(stormy * TICK_S)
        self.lanes.plan_stormy(stormy * TICK_S)
        self.loop.run(stormy * TICK_S - 1)
        self.calm()
        self.judge.backlog()
        # Perhaps nothing ticks for so long that documents' time to live is over.
        idle_s = MOST_FROZEN_S + rng.choice([0, 0, 0, 4 * 24 * HOUR_S])
        ticks = (*SETTLING, *CHECKED, *(MENDED if self.apple.kind else ()))
        self.loop.at(idle_s + 60, self.people.settle)
        for after_s in ticks:
            self.loop.at(idle_s + after_s, self.tick)
        self.releases.plan_quiet(idle_s + SETTLING[-2], idle_s + CHECKED[-1])
        self.lanes.plan_quiet(idle_s + SETTLING[-2])
        for after_s in (SETTLING[-1], *CHECKED):
            self.loop.at(idle_s + after_s + 600, self._look)
        if self.apple.kind:
            self.loop.at(idle_s + CHECKED[-1] + 900, self._mend)
        self.settled_s = self.quiet_s + idle_s + CHECKED[0] - HOUR_S
        self.loop.run(self.quiet_s + idle_s + ticks[-1] + HOUR_S)
        self.slots.ask_for_all()
        for _ in range(self.releases.turns_owed()):
            for connection_id in self.releases.held_up():
                self.loop.at(0, partial(self.people.ask_for, connection_id))
            self.loop.run(self.loop.now_s + HOUR_S)
        self.judge.history()
        if self.loop.failure is not None:
            raise self.loop.failure

    def calm(self) -> None:
        """From now on nothing goes wrong, but for the bad apple."""
        self.faults = Faults()
        self.market.behaviour = Behaviour()
        self.quiet_s = self.loop.now_s
        self.market.mend()
        self.lanes.calm()
        self.hands.repair_all()

    def _change(self) -> None:
        rng = self.loop.rng
        self.market.change(rng, rng.choice(self.connections), rng.choice(STREAMS))

    def _spoil(self) -> None:
        """A connection becomes a bad apple."""
        rng = self.loop.rng
        self.apple = Apple(rng.choice(self.connections), rng.choice(APPLES))
        self.seen["apple"] += 1
        self.people.spoil(self.apple.connection_id, self.apple.kind)

    def _mend(self) -> None:
        """The bad apple is put right; what it has missed is read at the next ticks."""
        self.settled_s = float("inf")
        connection_id, self.apple = self.apple.connection_id, Apple()
        self.people.mend(connection_id)
        for after_s in (HOUR_S, 2 * HOUR_S):
            self.loop.at(after_s, partial(self.people.ask_for, connection_id))

    def _look(self) -> None:
        self.judge.fairness(ids.tick_run_id(self.moment(max(self.ticks)), "sync"))

    def outcome(self) -> Counter[str]:
        """What happened, and how it all ended."""
        seen = Counter(self.seen)
        seen["skewed"] += self.skew_s == MOST_SKEW_S
        for path, (_, data) in self.store.documents.items():
            match path.split("/"):
                case ["connections", _, "rejects", _]:
                    seen["rejected"] += 1
                case ["connections", _, _, _]:
                    seen["deleted"] += data["deleted_at"] is not None
                    seen["kept with its buyer"] += data["buyer"] is not None
                case ["sync_state", _, "digests", _]:
                    seen["digest documents"] += 1
        return seen


def play(seed: int, *, trace: Callable[[str], None] | None = None) -> History:
    """Play one history; raises Violation where something that must hold does not."""
    history = History(seed, trace=trace)
    with knobs.turned(history.knobs), history.leaks.listening():
        history.play()
    return history


__all__ = ["History", "Violation", "play"]
