"""A worker for the queues' contract: notes every delivery, and behaves as the message's run id says.

`fail-N-…` answers 500 to the first N deliveries, `slow-MS-…` takes its time, all else is accepted.
"""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from collections import Counter
from pathlib import Path

import functions_framework
from cloudevents.http import CloudEvent

_deliveries: Counter[str] = Counter()
_lock = threading.Lock()


@functions_framework.cloud_event
def receive(event: CloudEvent) -> None:
    """Note the message, then behave as its run id says."""
    message = event.data["message"]
    body = base64.b64decode(message["data"])
    fields = json.loads(body)
    note = {
        "at": time.time(),
        "id": event["id"],
        "type": event["type"],
        "source": event["source"],
        "body": body.decode(),
        "attributes": message["attributes"],
    }
    with _lock:
        _deliveries[body.decode()] += 1
        number = _deliveries[body.decode()]
        with Path(os.environ["RECEIPTS"]).open("a") as receipts:
            receipts.write(json.dumps(note) + "\n")
    behaviour, _, rest = fields.get("run_id", "").partition("-")
    if behaviour == "fail" and number <= int(rest.partition("-")[0]):
        raise RuntimeError("asked to fail")
    if behaviour == "slow":
        time.sleep(int(rest.partition("-")[0]) / 1000)
