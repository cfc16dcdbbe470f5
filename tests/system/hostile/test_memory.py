"""Memory is capped: by what is read of an answer and of a request, not by what is sent."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path

import msgspec
import pytest

from orchestrator.marketplaces.response import MOST_VALUES
from orchestrator.marketplaces.transport import MAX_BYTES
from orchestrator.model.run import TaskStatus
from orchestrator.room import LARGE_BYTES, PLACES
from tests.support.linux import on_linux
from tests.support.project import ROOT
from tests.system.hostile.serving import MIB, Body, answering, listing, offer, packed
from tests.system.hostile.syncing import Outcome

pytestmark = [on_linux, pytest.mark.processes]

#: Tasks at once: `worker.concurrency` (terraform/modules/marketplace_sync/variables.tf).
TASKS = 32
#: An answer that is given up stands in memory up to its limit, and twice while its buffer grows.
REFUSED_MIB = 3 * MAX_BYTES // MIB
#: A page that is written and one that is read, which stands twice, and once more as its rows; and as much
#: again for what the allocator does not give back.
READ_MIB = 10 * MAX_BYTES // MIB
#: A page that is read while no other is written.
PAGE_MIB = 6 * MAX_BYTES // MIB


def synced(tmp_path: Path, body: Body, *, encoding: str = "", tasks: int = 1) -> Outcome:
    """What a process of its own makes of a marketplace with such answers, for so many connections at once."""
    with (
        answering(lambda _: iter([listing(offer("0"))])) as friendly,
        answering(body, encoding=encoding) as hostile,
    ):
        arguments = [str(tmp_path), str(tasks), friendly, hostile]
        command = [sys.executable, "-m", "tests.system.hostile.syncing", *arguments]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=300, check=True)
    return msgspec.json.decode(run.stdout, type=Outcome)


def growth(outcome: Outcome) -> float:
    """What the hostile answers have taken, in MiB."""
    return outcome.peak_mib - outcome.before_mib


def padded(mib: int) -> Iterator[bytes]:
    """A listing with so many MiB of blanks in it."""
    return chain([b'{"continuation_token":null,"items":['], repeat(b" " * MIB, mib), [b"]}"])


def endless() -> Iterator[bytes]:
    """A listing that never ends."""
    return chain([b'{"continuation_token":null,"items":['], repeat(b" " * 65_536))


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (lambda _: padded(50), ""),
        (lambda _: packed(padded(50)), "gzip"),
        (lambda _: packed(padded(4096)), "gzip"),
        (lambda _: endless(), ""),
    ],
    ids=["50 MB", "50 MB in 50 KB", "4 GB in 4 MB", "endless"],
)
def test_an_answer_is_read_up_to_its_limit(tmp_path: Path, body: Body, encoding: str) -> None:
    """An answer that is too large is given up with one clear line before it is in memory."""
    outcome = synced(tmp_path, body, encoding=encoding)

    assert growth(outcome) < REFUSED_MIB
    assert outcome.status is TaskStatus.FAILED
    assert outcome.error == f"takealot offers: the answer is larger than {MAX_BYTES} bytes"


def test_an_answer_of_tiny_values_is_not_taken_apart(tmp_path: Path) -> None:
    """Five million empty objects travel as 15 MB, and would take half a gigabyte."""
    outcome = synced(tmp_path, lambda _: iter([listing(*[b"{}"] * (5 * MIB))]))

    assert growth(outcome) < REFUSED_MIB
    assert outcome.status is TaskStatus.FAILED
    assert outcome.error == f"takealot offers: the answer has more than {MOST_VALUES} values"


def test_large_pages_are_not_joined(tmp_path: Path) -> None:
    """A dozen pages of one large record each take no more than a few of them."""
    large = b',"x":"%b"' % (b"y" * (MAX_BYTES - MIB))

    def body(number: int) -> Iterator[bytes]:
        yield listing(offer(str(number), large), token=b'"%d"' % number if number < 11 else b"null")

    outcome = synced(tmp_path, body)

    assert (outcome.status, outcome.written) == (TaskStatus.SUCCEEDED, 11)
    # A large page is stored before the next one is read.
    assert growth(outcome) < READ_MIB


def test_a_page_of_many_records_is_worked_on_in_portions(tmp_path: Path) -> None:
    """Nearly fifty thousand records of one page are stored without being documents all at once."""
    records = [offer(str(number), b',"x":"%b"' % (b"y" * 200)) for number in range(49_000)]
    outcome = synced(tmp_path, lambda _: iter([listing(*records)]))

    assert (outcome.status, outcome.written) == (TaskStatus.SUCCEEDED, 48_999)
    assert growth(outcome) < READ_MIB / 2


def test_the_tasks_of_a_worker_take_turns_with_large_answers(tmp_path: Path) -> None:
    """A hostile marketplace answers all of a worker's tasks with its most at the same moment."""
    outcome = synced(tmp_path, at_once(TASKS), tasks=TASKS)

    assert (outcome.status, outcome.written) == (TaskStatus.SUCCEEDED, TASKS)
    # A task that waits has read a small part of its answer, whose buffer stands twice while it grows.
    assert growth(outcome) < PLACES * PAGE_MIB + (TASKS - PLACES) * 2 * LARGE_BYTES // MIB


def at_once(tasks: int) -> Body:
    """Large listings that end once so many of them are read up to their end, or given up."""
    counting, is_read, all_read = threading.Lock(), itertools.count(1), threading.Event()

    def body(_: int) -> Iterator[bytes]:
        start, end = listing(offer("1", b',"x":"|"')).split(b"|")
        try:
            yield start
            yield b"y" * (MAX_BYTES - MIB)
        finally:
            with counting:
                if next(is_read) == tasks:
                    all_read.set()
        all_read.wait(20)
        yield end

    return body


def test_a_large_record_is_not_taken_apart_for_its_reject(tmp_path: Path) -> None:
    """A record of 120,000 lists in lists, which is none, is kept as a reject without being searched."""
    outcome = synced(
        tmp_path, lambda _: iter([listing(b'{"x":[%b]}' % b",".join([b"[[1.5,1.5,1.5]]"] * 120_000))])
    )

    assert (outcome.status, outcome.rejected) == (TaskStatus.SUCCEEDED, 1)
    assert growth(outcome) < REFUSED_MIB
