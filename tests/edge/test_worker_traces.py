"""Log lines of the worker's work: the trace they belong to, and the work they name."""

from __future__ import annotations

import pytest

from tests.edge.worker import BINARY, TRACE, TRACEPARENT, Worker, message_of, push

# The framework itself calls datetime.utcnow(), deprecated from Python 3.12 on.
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")


@pytest.mark.parametrize(
    "attributes",
    [{"traceparent": TRACEPARENT}, {"googclient_traceparent": TRACEPARENT}],
)
def test_trace_of_the_publisher_is_bound(worker: Worker, attributes: dict[str, str]) -> None:
    """Log lines belong to the publisher's trace, before that of the delivery."""
    worker.post(push(attributes=attributes), {"traceparent": f"00-{'1' * 32}-{'2' * 16}-01"})

    assert worker.bound[0]["trace"] == TRACE
    assert worker.bound[0]["traceparent"] == TRACEPARENT


@pytest.mark.parametrize(
    "headers",
    [{"traceparent": TRACEPARENT}, {"X-Cloud-Trace-Context": f"{TRACE}/{0xB7AD6B7169203331};o=1"}],
)
def test_trace_of_the_delivery_is_bound(worker: Worker, headers: dict[str, str]) -> None:
    """Without a publisher's trace the delivery's own is used, in either header's form."""
    worker.post(push(), headers)

    assert (worker.bound[0]["trace"], worker.bound[0]["span"]) == (TRACE, "b7ad6b7169203331")


def test_trace_of_an_event_is_bound(worker: Worker) -> None:
    """CloudEvents may carry the trace as an extension."""
    worker.post({"message": message_of()}, {**BINARY, "ce-traceparent": TRACEPARENT})

    assert worker.bound[0]["trace"] == TRACE


def test_work_is_bound(worker: Worker) -> None:
    """Log lines of the work name run, connection, marketplace and kind."""
    worker.post(push())

    assert worker.bound == [{"run_id": "t-1", "task": "cancel"}]
