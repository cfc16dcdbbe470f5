"""The guards of what operators are told: freshness, causes, and the cost of the status."""

from __future__ import annotations

from tests.system.guards.guard import Guard

FRESH = "tests/core/test_freshness.py::"
STATUS = "tests/core/test_status.py::"
FRESHNESS_GUARDS = (
    Guard(
        "operators: a paused connection is never late",
        "orchestrator/operators/pause.py",
        '"paused", {"late_at": None, "wanted": False, **known})',
        '"paused", {"wanted": False, **known})',
        FRESH + "test_lateness_is_never_wrong_about_data",
    ),
    Guard(
        "operators: every commit of a holder measures the data",
        "orchestrator/tasks/holder.py",
        "new = measured(close(self.state), self._pace, now)",
        "new = close(self.state)",
        FRESH + "test_lateness_is_never_wrong_about_data",
    ),
    Guard(
        "operators: a resumed connection is measured again",
        "orchestrator/operators/pause.py",
        "        if snapshot is not None and not isinstance(state.late_at, datetime):\n",
        "        if False:\n",
        FRESH + "test_lateness_is_never_wrong_about_data",
    ),
    Guard(
        "operators: a wait hides no error that needs a person",
        "orchestrator/model/freshness.py",
        "        if hides and state.health is not Health.OK:\n            return state\n",
        "",
        FRESH + "test_what_needs_a_person_is_not_hidden",
    ),
    Guard(
        "operators: a cause keeps its beginning",
        "orchestrator/model/freshness.py",
        "cause = msgspec.structs.replace(cause, since=before.since)",
        "pass",
        FRESH + "test_a_cause_keeps_its_beginning",
    ),
    Guard(
        "operators: a skipped task carries the cause of its connection",
        "orchestrator/tasks/claim_table.py",
        "return Close(skipped(view.state, reason, view.now), state)",
        "return Close(Ending(TOO_LATE.status.SKIPPED, reason), state)",
        STATUS + "test_a_refused_credential_stays_in_front_until_it_works",
    ),
    Guard(
        "operators: ticks that stopped come first",
        "orchestrator/operators/health/verdict.py",
        "    yield from _of_the_ticks(facts)\n",
        "",
        STATUS + "test_ticks_that_stopped_come_first",
    ),
    Guard(
        "operators: a reject that is stored by now is over",
        "orchestrator/operators/health/status.py",
        "        reject=reject[0].data if reject else None,\n",
        "        reject=reject[0].data if reject else {},\n",
        STATUS + "test_rejects_and_a_backlog",
    ),
    Guard(
        "operators: a deferred task tells that it is throttled",
        "orchestrator/sync/slice.py",
        "state = with_cause(state, wait)",
        "pass",
        STATUS + "test_a_deferred_task_is_throttled_too",
    ),
    Guard(
        "operators: the status reads a bounded number of documents",
        "orchestrator/operators/health/causes.py",
        "self.left -= len(found)",
        "pass",
        "tests/core/test_status_reads.py::test_status_costs_a_bounded_number_of_reads",
    ),
)
