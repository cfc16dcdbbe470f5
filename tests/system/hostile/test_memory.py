"""Memory is capped: by what is read of an answer and of a request, not by what is sent."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path

import msgspec
import pytest

from orchestrator.marketplaces.response import MOST_VALUES
from orchestrator.marketplaces.transport import MAX_BYTES
from orchestrator.model.run import TaskStatus
from tests.support.linux import on_linux
from tests.support.project import ROOT
from tests.system.hostile.serving import MIB, Body, answering, listing, offer, packed
from tests.system.hostile.syncing import Outcome

pytestmark = [on_linux, pytest.mark.processes]

#: An answer that is given up stands in memory up to its limit, and twice while its buffer grows.
REFUSED_MIB = 3 * MAX_BYTES // MIB
#: A page that is written and one that is read, which stands twice, and once more as its rows; and as much
#: again for what the allocator does not give back.
READ_MIB = 10 * MAX_BYTES // MIB


def synced(tmp_path: Path, body: Body, *, encoding: str = "") -> Outcome:
    """What a process of its own makes of a marketplace with such answers."""
    with (
        answering(lambda _: iter([listing(offer("0"))])) as friendly,
        answering(body, encoding=encoding) as hostile,
    ):
        command = [sys.executable, "-m", "tests.system.hostile.syncing", str(tmp_path), friendly, hostile]
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
    """Two dozen pages of one large record each take no more than a few of them."""
    large = b',"x":"%b"' % (b"y" * (MAX_BYTES - MIB))

    def body(number: int) -> Iterator[bytes]:
        yield listing(offer(str(number), large), token=b'"%d"' % number if number < 23 else b"null")

    outcome = synced(tmp_path, body)

    assert (outcome.status, outcome.written) == (TaskStatus.SUCCEEDED, 23)
    # One page is read, one normalized and one written at a time, each with a copy or two on its way.
    assert growth(outcome) < 1.4 * READ_MIB


def test_a_page_of_many_records_is_worked_on_in_portions(tmp_path: Path) -> None:
    """Nearly fifty thousand records of one page are stored without being documents all at once."""
    records = [offer(str(number), b',"x":"%b"' % (b"y" * 200)) for number in range(49_000)]
    outcome = synced(tmp_path, lambda _: iter([listing(*records)]))

    assert (outcome.status, outcome.written) == (TaskStatus.SUCCEEDED, 48_999)
    assert growth(outcome) < READ_MIB / 2


def test_a_large_record_is_not_taken_apart_for_its_reject(tmp_path: Path) -> None:
    """A record of 300,000 empty lists, which is none, is kept as a reject without being searched."""
    outcome = synced(
        tmp_path, lambda _: iter([listing(b'{"x":[%b]}' % b",".join([b"[[[[[[]]]]]]"] * 300_000))])
    )

    assert (outcome.status, outcome.rejected) == (TaskStatus.SUCCEEDED, 1)
    assert growth(outcome) < REFUSED_MIB
