"""The objects that every screen and action of the page uses."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import flask

from orchestrator.model.audit import Actor
from orchestrator.operators.acting.permission import may_write
from orchestrator.page.guard import Door, Session
from orchestrator.ports import DeadLetters
from orchestrator.services import Services

#: A refusal may have been an outage, or the role is granted meanwhile.
_ASK_AGAIN_S = 60.0


@dataclass(slots=True, eq=False)
class Context:
    """The world, the person, and the door."""

    services: Services
    actor: Actor
    dead_letters: Callable[[], DeadLetters]
    door: Door
    _may_write: bool = False
    _asked_at: float = field(default=float("-inf"))

    def can_write(self) -> bool:
        """Whether this person may act; others see no buttons. It is asked once, if the answer is yes."""
        if not self._may_write and time.monotonic() - self._asked_at > _ASK_AGAIN_S:
            self._may_write = may_write(self.services.store)
            self._asked_at = time.monotonic()
        return self._may_write

    @property
    def store_name(self) -> str:
        """The database that is looked at, so that nobody takes one for another."""
        settings = self.services.settings
        if settings.sync_store != "firestore":
            return settings.sync_store.partition(":")[2]
        return f"{settings.google_cloud_project}/{settings.firestore_database}"


def context() -> Context:
    """The running page's."""
    found: Context = flask.current_app.extensions["page"]
    return found


def session() -> Session:
    """The session of the request, which the guard has let in."""
    found: Session = flask.g.session
    return found
