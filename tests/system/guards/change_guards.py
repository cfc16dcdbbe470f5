"""The guards of the promise that consumers are told of every change, at least once."""

from __future__ import annotations

from tests.system.guards.guard import Guard

TELLING = "tests/core/test_telling.py::"
REMOVALS = "tests/core/test_told_removals.py::"
CHANGE_GUARDS = (
    Guard(
        "changes: a task that could not tell leaves its changes to the next one",
        "orchestrator/tasks/ending.py",
        "untold, over_at = state.owed, state.lease.expires_at",
        "untold, over_at = state.untold, state.lease.expires_at",
        TELLING + "test_a_failing_topic_stops_no_sync_and_is_made_up_for",
    ),
    Guard(
        "changes: a takeover owes the changes of the task that it closes",
        "orchestrator/tasks/claim_table.py",
        "        untold = state.owed\n",
        "        untold = state.untold\n",
        TELLING + "test_a_takeover_tells_the_changes_of_the_older_run",
    ),
    Guard(
        "changes: only changes that were told are forgotten",
        "orchestrator/sync/slice.py",
        "without_debt(state) if is_told else state",
        "without_debt(state)",
        TELLING + "test_a_failing_topic_stops_no_sync_and_is_made_up_for",
    ),
    Guard(
        "changes: consumers read from the earliest write of all slices on",
        "orchestrator/model/change_event.py",
        "since=min(self.since, other.since)",
        "since=other.since",
        TELLING + "test_slices_are_told_together_from_the_earliest_write_on",
    ),
    Guard(
        "changes: they are counted by the commit that stores the records",
        "orchestrator/sync/page_writer.py",
        "if self._task.services.changes is not None and (written or deleted):",
        "if self._task.services.changes is not None and deleted:",
        "tests/system/simulation/test_histories.py::test_nothing_is_lost_and_every_run_ends[0]",
    ),
    Guard(
        "changes: a reject is none",
        "orchestrator/sync/page_writer.py",
        "written = sum(not change.rejected for change in changes)",
        "written = len(changes)",
        TELLING + "test_a_task_without_a_change_tells_nothing",
    ),
    Guard(
        "changes: a sweep tells those of the tasks that it closes",
        "orchestrator/tasks/sweep.py",
        "state = self.teller.told(connection_id, state)",
        "pass",
        TELLING + "test_a_sweep_tells_the_changes_of_the_task_that_it_closes",
    ),
    Guard(
        "changes: a failing topic holds up no sweep",
        "orchestrator/tasks/telling.py",
        "        if self.has_failed:\n            return False\n",
        "",
        TELLING + "test_a_sweep_asks_a_failing_topic_once",
    ),
    Guard(
        "changes: a heal has the changes told that no task can tell",
        "orchestrator/runs/heal.py",
        "else state.reminder(snapshot.id)",
        "else None",
        TELLING + "test_a_heal_tells_what_no_task_can",
    ),
    Guard(
        "changes: a purge that has begun is told",
        "orchestrator/operators/pause.py",
        "self._purges or (continues and state.purging)",
        "self._purges",
        REMOVALS + "test_an_interrupted_purge_is_told_by_whoever_ends_the_removal",
    ),
    Guard(
        "changes: the queue's own topic is refused",
        "orchestrator/settings_table.py",
        'if value and given.text(name) and changes in {queue, f"{queue}-dead"}:',
        "if False:",
        "tests/core/test_settings.py::test_changes_are_not_told_to_the_queue",
    ),
)
