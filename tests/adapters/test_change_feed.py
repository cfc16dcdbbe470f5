"""The change feed's contract, on the embedded feed and on Pub/Sub, with a real consumer."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from cloudevents.http import from_json

from local.google.emulators import Emulators
from orchestrator.adapters.embedded.change_feed import LocalChanges
from orchestrator.adapters.embedded.delivery import Delivery
from orchestrator.adapters.google.change_feed import PubSubChanges
from orchestrator.errors import ChangesUnavailable
from orchestrator.model.change_event import ChangeEvent, Changes, StreamChanges, changed_event
from orchestrator.ports import ChangeFeed
from tests.adapters.test_queue import subscribe
from tests.adapters.worker import Worker
from tests.support.clocks import START
from tests.support.emulators import fresh_project
from tests.support.waiting import wait_until


@pytest.fixture(params=["local", pytest.param("pubsub", marks=pytest.mark.emulator)])
def feed(request: pytest.FixtureRequest, tmp_path: Path, worker: Worker) -> Iterator[ChangeFeed]:
    """A feed of each kind that delivers to a consumer."""
    made: LocalChanges | PubSubChanges
    if request.param == "local":
        delivery = Delivery(min_backoff_s=0.05)
        made = LocalChanges(tmp_path / "changes.db", worker.url, delivery=delivery)
    else:
        emulators: Emulators = request.getfixturevalue("emulators")
        project = fresh_project()
        subscribe(emulators.pubsub_host, project, worker.url)
        made = PubSubChanges(project=project, topic="work", emulator_host=emulators.pubsub_host)
    yield made
    made.close()


def event_of(connection_id: str) -> ChangeEvent:
    """An event about one changed order."""
    streams = {"orders": StreamChanges(written=1, since=START)}
    changes = Changes(run_id="t-1", organization_id="org-é", streams=streams)
    return changed_event(connection_id, "shopify", changes, START)


def test_an_event_arrives_as_a_structured_cloudevent(feed: ChangeFeed, worker: Worker) -> None:
    """Its bytes are unchanged, and its content type is the one of the CloudEvents specification."""
    name = f"c-{uuid.uuid4().hex}"
    event = event_of(name)

    feed.publish([event])
    wait_until(lambda: name in worker.receipts.read_text() if worker.receipts.exists() else False)

    (line,) = [line for line in worker.receipts.read_text().splitlines() if name in line]
    note = json.loads(line)
    assert note["body"].encode() == event.encoded()
    assert note["attributes"] == {"content-type": "application/cloudevents+json"}
    assert from_json(note["body"]).data["organization_id"] == "org-é"


@pytest.mark.emulator
def test_a_missing_topic_is_told_with_its_remedy(emulators: Emulators) -> None:
    """Publishing fails within seconds, and names the setting."""
    feed = PubSubChanges(project=fresh_project(), topic="none", emulator_host=emulators.pubsub_host)

    with pytest.raises(ChangesUnavailable) as raised:
        feed.publish([event_of("a")])
    feed.close()

    assert "SYNC_CHANGES" in raised.value.action


def test_a_file_that_cannot_be_written_is_an_error_of_the_feed(tmp_path: Path) -> None:
    """The queue's own error would have the whole message redelivered."""
    (tmp_path / "changes.db").mkdir()
    feed = LocalChanges(tmp_path / "changes.db", "http://127.0.0.1:9/", delivers=False)

    with pytest.raises(ChangesUnavailable):
        feed.publish([event_of("a")])
