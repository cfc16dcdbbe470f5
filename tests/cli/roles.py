"""The roles that each command needs on Google Cloud, by its calls of ports; docs/deploy.md has the table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from local.processes import ROOT
from orchestrator import wiring
from orchestrator.services import Services

DEPLOY = ROOT / "docs" / "deploy.md"

READS, WRITES = "`datastore.viewer`", "`datastore.user`"
PUBLISHES = "`pubsub.publisher` on `sync-tasks` and `sync-tasks-backfill`"
PULLS = "`pubsub.subscriber` on `sync-tasks-dead` and `sync-tasks-backfill-dead`"
TELLS = "`pubsub.publisher` on `sync-changes`, if there is one"
COUNTS = "`monitoring.viewer`, to count dead letters"
LOGS = "`logging.viewer`"
OPENS, ADDS = "`secretmanager.secretAccessor`", "`secretmanager.secretVersionAdder`"
CREATES = "`secretmanager.secrets.create`"
#: The order in which the table names them.
ORDER = (READS, WRITES, PUBLISHES, TELLS, PULLS, COUNTS, LOGS, OPENS, ADDS, CREATES)

#: Each method of a port that a command may call, with the call that Google's adapter makes of it
#: (orchestrator/adapters/google), and the role that has its permission:
#: https://cloud.google.com/firestore/docs/security/iam, https://cloud.google.com/pubsub/docs/access-control,
#: https://cloud.google.com/secret-manager/docs/access-control, https://cloud.google.com/logging/docs/access-control.
NEEDS = {
    "store.get": READS,  # BatchGetDocuments: datastore.entities.get
    "store.get_many": READS,
    "store.query": READS,  # RunQuery: datastore.entities.get and .list
    "store.count": READS,  # RunAggregationQuery: the same
    "store.sum": READS,
    "store.now": READS,
    "store.commit": WRITES,  # Commit: datastore.entities.create, .update and .delete
    "queue.publish": PUBLISHES,  # Publish: pubsub.topics.publish
    "wiring.reach_queue": PUBLISHES,  # TestIamPermissions, which asks for it
    "changes.publish": TELLS,
    "dead_letters.take": PULLS,  # Pull and ModifyAckDeadline: pubsub.subscriptions.consume
    "dead_letters.give_back": PULLS,
    "dead_letters.remove": PULLS,  # Acknowledge: the same
    "dead_letters.count": COUNTS,  # ListTimeSeries: monitoring.timeSeries.list; without it, none is counted
    "wiring.log_reader": LOGS,  # ListLogEntries: logging.logEntries.list
    "secrets.get": OPENS,  # AccessSecretVersion: secretmanager.versions.access
    "secrets.add_version": ADDS,  # AddSecretVersion: secretmanager.versions.add
    "secrets.create": CREATES,  # CreateSecret; of Google's roles only secretmanager.admin has it
}

#: What the examples do not reach on a store without its vault, its marketplace, its consumers and its worker.
#: Without a vault, which Terraform makes, a new secret also needs ADDS and CREATES.
BEYOND = {
    "connections add": {OPENS},
    "connections authorize": {OPENS, WRITES},
    "connections check": {OPENS, PUBLISHES, WRITES},
    "connections remove": {TELLS},
    "connections set": {OPENS},
    "dead list": {READS},
    "dead replay": {PUBLISHES, WRITES},
    "runs cancel": {WRITES},
    "ui": set(ORDER) - {ADDS, CREATES},
    "vault init": {OPENS, PUBLISHES, WRITES},
    "vault rotate": {OPENS, PUBLISHES, WRITES},
    "vault status": {OPENS, READS},
}


class _Noted:
    """A port whose calls are noted."""

    def __init__(self, port: object, name: str, noted: set[str]) -> None:
        self._port, self._name, self._noted = port, name, noted

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._port, method)
        if callable(found) and f"{self._name}.{method}" in NEEDS:
            self._noted.add(f"{self._name}.{method}")
        return found


@contextmanager
def noted() -> Iterator[set[str]]:
    """The methods of ports that the commands in the block call."""
    calls: set[str] = set()
    build, dead_letters = wiring.build, wiring.dead_letters

    def building(*given: Any, **options: Any) -> Services:
        services = build(*given, **options)
        ports = {name: getattr(services, name) for name in ("changes", "queue", "secrets", "store")}
        wrapped: dict[str, Any] = {
            name: _Noted(port, name, calls) for name, port in ports.items() if port is not None
        }
        return replace(services, **wrapped)

    def reading(*given: Any) -> Any:
        return _Noted(dead_letters(*given), "dead_letters", calls)

    def noting(name: str) -> Any:
        function = getattr(wiring, name)

        def call(*given: Any) -> Any:
            calls.add(f"wiring.{name}")
            return function(*given)

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "build", building)
        patch.setattr(wiring, "dead_letters", reading)
        for name in ("log_reader", "reach_queue"):
            patch.setattr(wiring, name, noting(name))
        yield calls


def roles(command: str, calls: set[str]) -> set[str]:
    """The roles of a command that makes these calls; who may write may read too."""
    found = {NEEDS[call] for call in calls} | BEYOND.get(command, set())
    return found - {READS} if WRITES in found else found


def documented() -> dict[str, set[str]]:
    """Each command's roles, as docs/deploy.md has them."""
    table = DEPLOY.read_text().partition("<!-- commands -->")[2].partition("<!-- /commands -->")[0]
    rows = re.findall(r"^\| (`.+`) \| (.+) \|$", table, flags=re.MULTILINE)
    return {
        command: {role for role in ORDER if role in needed}
        for commands, needed in rows
        for command in re.findall(r"`([^`]+)`", commands)
    }
