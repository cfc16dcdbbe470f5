"""The guards of tasks without a record: the five rules that let state and shard tell what is final."""

from __future__ import annotations

from tests.system.guards.guard import Guard

QUIET = "tests/core/test_quiet_tasks.py::"
QUIET_GUARDS = (
    Guard(
        "no record, rule A: a skip is a commit of the state, with the later run as the last",
        "orchestrator/tasks/claim_table.py",
        "    state = closed_state(view.state, message.run_id, message.order, message.shard)\n    if",
        "    state = view.state\n    if",
        QUIET + "test_a_skip_leaves_a_trace_in_the_state",
    ),
    Guard(
        "no record, rule A: the commit that closes a task of an unreadable state leaves a trace in it",
        "orchestrator/tasks/claim.py",
        "            writes.insert(0, unread(read.snapshot, message.order))",
        "            pass",
        QUIET + "test_a_task_that_was_closed_while_its_state_could_not_be_read_is_final",
    ),
    Guard(
        "no record, rule B: the commit that closes a task names it in the shard",
        "orchestrator/tasks/ending.py",
        '    increments = {f"final.{ids.final_key(task.connection_id)}": ended}\n',
        "    increments = {}\n",
        QUIET + "test_a_shard_names_its_final_tasks",
    ),
    Guard(
        "no record, rule C: a later run's task proves nothing without the shard",
        "orchestrator/tasks/claim.py",
        "if decision == Finished(certain=False) and not self._is_final():",
        "if False:",
        QUIET + "test_a_task_that_a_later_run_has_overtaken_is_not_final",
    ),
    Guard(
        "no record, rule C: after a later run's task the shard is asked",
        "orchestrator/model/state.py",
        " or last.order >= order",
        "",
        QUIET + "test_a_shard_names_its_final_tasks",
    ),
    Guard(
        "no record, rule D: whether a task is final is asked before a skip",
        "orchestrator/tasks/claim_table.py",
        "        if not view.known_open and _may_be_final(view):",
        "        if opened is None and not view.known_open and _may_be_final(view):",
        QUIET + "test_a_final_task_is_not_skipped_because_another_run_is_at_work",
    ),
    Guard(
        "no record, rule D: a shard counts for the version of the state that was read before it",
        "orchestrator/tasks/claim.py",
        "Finished(certain=False) and not self._is_final():",
        "Finished(certain=False) and (self.has_looked or not self._is_final()):",
        QUIET + "test_a_shard_that_was_read_is_acted_on_under_the_state_s_version",
    ),
    Guard(
        "no record, rule D: sweep and cancel believe the shard as it is with the state",
        "orchestrator/tasks/sweep.py",
        "if record is not None or found is None or counted(found, connection_id):",
        "if record is not None or found is None:",
        QUIET + "test_a_sweep_believes_the_shard_as_it_is_with_the_state",
    ),
    Guard(
        "no record, rule E: a removed connection's state stays until its messages are gone",
        "orchestrator/operators/pause.py",
        "                last_run=state.last_run,\n",
        "",
        QUIET + "test_a_state_outlives_its_messages",
    ),
    Guard(
        "no record, rule E: a state that is not there proves nothing",
        "orchestrator/model/state.py",
        "return last is None or last.order",
        "return last is not None and last.order",
        QUIET + "test_a_state_that_somebody_has_deleted_proves_nothing",
    ),
    Guard(
        "no record: records are left while messages of an earlier release may come",
        "orchestrator/tasks/claim_table.py",
        "return view.now + view.run_length + view.lease if view.state.seq else view.now",
        "return view.now",
        QUIET + "test_records_are_left_until_no_message_of_an_earlier_release_is_left",
    ),
    Guard(
        "no record: a task that an earlier release has closed is found by its record",
        "orchestrator/tasks/claim.py",
        "return shard is None or record is not None or counted(shard, message.connection_id)",
        "return shard is None or counted(shard, message.connection_id)",
        QUIET + "test_a_task_that_an_earlier_release_has_skipped_is_found_by_its_record",
    ),
    Guard(
        "no record: whatever happened leaves one",
        "orchestrator/model/run.py",
        "counts.seen == counts.unchanged",
        "True",
        QUIET + "test_whatever_happened_leaves_a_record",
    ),
)
