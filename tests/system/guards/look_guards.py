"""The guards of looking at a connection without a lease."""

from __future__ import annotations

from tests.system.guards.guard import Guard

LOOKS = "tests/core/test_looks.py::"
LOOK_GUARDS = (
    Guard(
        "invariant 4: a look that finds something claims before it writes",
        "orchestrator/tasks/holder.py",
        "        self.claim()\n        attempts",
        "        attempts",
        LOOKS + "test_a_look_that_finds_something_claims_before_it_writes",
    ),
    Guard(
        "invariant 4: a claim counts only on top of the version that was looked at",
        "orchestrator/tasks/holder.py",
        "                raise Moved from None\n        self.is_claimed",
        "                pass\n        self.is_claimed",
        LOOKS + "test_a_look_during_which_the_state_is_written_is_made_again_with_a_lease[something is new]",
    ),
    Guard(
        "looks: a marketplace in trouble is waited for under the lease",
        "orchestrator/marketplaces/client.py",
        "                self._given.troubled()\n",
        "",
        "tests/marketplaces/test_client.py::test_the_lease_is_taken_as_soon_as_a_call_fails",
    ),
    Guard(
        "invariant 4: a look ends only on top of the version that was looked at",
        "orchestrator/tasks/holder.py",
        "over = self._snapshot if self.is_claimed else self._looked_at",
        "over = self._snapshot",
        LOOKS + "test_a_look_in_vain_that_its_session_meets_counts_for_nothing",
    ),
    Guard(
        "invariant 5: a look whose commit is refused is decided on again",
        "orchestrator/tasks/holder.py",
        "                if not self.is_claimed:\n                    raise Moved from None\n",
        "",
        LOOKS + "test_a_look_during_which_the_state_is_written_is_made_again_with_a_lease[nothing is new]",
    ),
    Guard(
        "invariant 5: after a look in vain the task's record decides too",
        "orchestrator/tasks/claim_table.py",
        "return is_old or view.has_looked or state.open is not None",
        "return is_old or state.open is not None",
        LOOKS + "test_after_a_look_in_vain_the_record_decides",
    ),
    Guard(
        "invariant 7: nobody looks twice in one delivery",
        "orchestrator/tasks/claim_table.py",
        "message.heal or message.redelivered or view.has_looked:",
        "message.heal or message.redelivered:",
        LOOKS + "test_these_claim_first[the look before was in vain]",
    ),
    Guard(
        "invariant 5: a redelivered message claims first, so that its workers' deaths are counted",
        "orchestrator/tasks/claim_table.py",
        "message.heal or message.redelivered or",
        "message.heal or",
        LOOKS + "test_a_worker_that_dies_at_a_look_is_counted_from_its_first_redelivery_on",
    ),
    Guard(
        "invariant 5: the worker's edge tells that a message is redelivered",
        "functions/events.py",
        "isinstance(attempt, int) and attempt > 1",
        "False",
        "tests/edge/test_worker_events.py::test_a_redelivery_is_told[2-True]",
    ),
    Guard(
        "invariant 4: a refresh token is replaced under the lease",
        "orchestrator/marketplaces/auth.py",
        "        self.request.claim()\n",
        "",
        "tests/marketplaces/test_auth.py::test_a_rotated_pair_is_stored_before_it_is_used",
    ),
    Guard(
        "an edited connection is claimed before its first call",
        "orchestrator/sync/slice.py",
        "            task.holder.claim()  # everything is read anew",
        "            pass",
        LOOKS + "test_an_edited_connection_is_claimed_before_its_first_call",
    ),
)
