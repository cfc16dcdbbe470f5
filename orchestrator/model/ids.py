"""Ids of runs, shards and documents."""

from __future__ import annotations

import hashlib
import random
import re
from datetime import UTC, datetime

from orchestrator.errors import RecordInvalid

#: Firestore: an id is at most 1,500 bytes of UTF-8 (cloud.google.com/firestore/quotas).
MAX_ID_BYTES = 1500
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_UNSAFE = re.compile(r"[/%\x00-\x1f\x7f]")


def escape(natural_id: str) -> str:
    """Turn any id into a valid Firestore document id, reversibly (percent notation).

    `/`, `%` and control characters are escaped, and so is the first character of `.`, `..` and
    `__reserved__` names.

    Raises:
        RecordInvalid: The id is empty, not text, or too long for a document id.
    """
    if not natural_id:
        raise RecordInvalid("the record's id is empty")
    escaped = _UNSAFE.sub(lambda match: f"%{ord(match[0]):02X}", natural_id)
    if _is_reserved(escaped):
        escaped = f"%{ord(escaped[0]):02X}{escaped[1:]}"
    try:
        size = len(escaped.encode())
    except UnicodeEncodeError as error:
        raise RecordInvalid("the record's id is not valid Unicode") from error
    if size > MAX_ID_BYTES:
        raise RecordInvalid(f"the record's id is {size} bytes long; a document id takes {MAX_ID_BYTES}")
    return escaped


def is_document_id(text: str) -> bool:
    """Whether a document can have this very id.

    Firestore answers a request for any other id with an error, as if Firestore itself were broken.
    """
    try:
        return 0 < len(text.encode()) <= MAX_ID_BYTES and "/" not in text and not _is_reserved(text)
    except UnicodeEncodeError:
        return False


def unescape(document_id: str) -> str:
    """The marketplace's own id; undoes `escape`."""
    return re.sub(r"%([0-9A-F]{2})", lambda match: chr(int(match[1], 16)), document_id)


def _is_reserved(text: str) -> bool:
    return text in {".", ".."} or (text.startswith("__") and text.endswith("__"))


def ulid(now: datetime, rng: random.Random) -> str:
    """26 characters that sort by time (github.com/ulid/spec)."""
    value = (int(now.timestamp() * 1000) << 80) | rng.getrandbits(80)
    return "".join(_CROCKFORD[(value >> shift) & 31] for shift in range(125, -5, -5))


def tick_run_id(schedule_time: datetime, job: str) -> str:
    """The run of a scheduled tick: the same for every delivery of it."""
    return f"t-{schedule_time.astimezone(UTC):%Y%m%dT%H%M%SZ}-{escape(job)}"


def forced_run_id(received_at: datetime, job: str) -> str:
    """The run of a tick that a person forced: one a second, and never a scheduled tick's id.

    A coarser id could take a tick that is delivered a moment early for a forced run before it.
    """
    return f"f-{received_at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{escape(job)}"


def manual_run_id(now: datetime, rng: random.Random, idempotency_key: str | None) -> str:
    """A new run, or the same one for the same key."""
    if idempotency_key is None:
        return f"m-{ulid(now, rng)}"
    return "m-" + hashlib.sha256(idempotency_key.encode()).hexdigest()[:26]


def key_of(caller: str, key: str) -> str:
    """The idempotency key of one caller: the same words of another caller are another key."""
    return f"{caller}\0{key}"


def retry_run_id(run_id: str, number: int) -> str:
    """The `number`th retry of a run."""
    return f"{run_id}.r{number}"


def has_options(run_id: str) -> bool:
    """Whether the run's document may narrow or widen the work of its tasks (manual runs, retries)."""
    return run_id.startswith("m-") or re.search(r"\.r\d+$", run_id) is not None


def order_key(created_at: datetime, run_id: str) -> str:
    """Sorts runs by creation, then id: the total order in which the protocol compares runs."""
    return f"{created_at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}|{run_id}"


def shard_id(marketplace: str, number: int) -> str:
    """`{marketplace}-{n}`, counted from 0 per marketplace."""
    return f"{marketplace}-{number:06d}"


def marketplace_of(shard: str) -> str:
    """The marketplace in a shard's id."""
    return shard.rpartition("-")[0]


def run_path(run_id: str) -> str:
    """`runs/{run_id}`."""
    return f"runs/{run_id}"


def shard_path(run_id: str, shard: str) -> str:
    """`runs/{run_id}/shards/{marketplace}-{n}`."""
    return f"runs/{run_id}/shards/{shard}"


def task_path(run_id: str, connection_id: str) -> str:
    """`runs/{run_id}/tasks/{connection_id}`."""
    return f"runs/{run_id}/tasks/{connection_id}"


def final_key(connection_id: str) -> str:
    """The connection's key in its shard's `final`: a field name that no store has to quote."""
    return "c" + hashlib.blake2b(connection_id.encode(), digest_size=8).hexdigest()


def second_task_path(run_id: str, shard: str, connection_id: str) -> str:
    """`runs/{run_id}/shards/{shard}/tasks/{connection_id}`.

    The record's place if another shard's task has the usual one: only edited documents have a connection
    planned twice in one run.
    """
    return f"{shard_path(run_id, shard)}/tasks/{connection_id}"


def connection_path(connection_id: str) -> str:
    """`connections/{connection_id}`."""
    return f"connections/{connection_id}"


def state_path(connection_id: str) -> str:
    """`sync_state/{connection_id}`."""
    return f"sync_state/{connection_id}"


def credential_path(connection_id: str) -> str:
    """`credentials/{connection_id}`."""
    return f"credentials/{connection_id}"


def check_path(check_id: str) -> str:
    """`checks/{ulid}`."""
    return f"checks/{check_id}"


def audit_path(entry_id: str) -> str:
    """`audit/{ulid}`."""
    return f"audit/{entry_id}"
