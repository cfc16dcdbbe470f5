"""The guards of the connections' own paces: none is lost, none is asked before its slot."""

from __future__ import annotations

from tests.system.guards.guard import Guard

PACES = "tests/core/test_paces.py::"
MADE_UP = "tests/core/test_made_up_slots.py::"
DUE = "orchestrator/runs/due.py"
SELECTION = "orchestrator/runs/selection.py"
PACE_GUARDS = (
    Guard(
        "paces: a marketplace with a connection that has no pace is read whole",
        DUE,
        "for name, number in without.items() if number > 0",
        "for name, number in without.items() if number < 0",
        PACES + "test_connections_of_an_earlier_release_are_not_lost",
    ),
    Guard(
        "paces: a connection without a pace gets it",
        SELECTION,
        'Update(each.path, {"pace": pace_of(each.id, each.data)}, version=each.version)',
        "Update(each.path, {}, version=each.version)",
        PACES + "test_connections_of_an_earlier_release_are_not_lost",
    ),
    Guard(
        "paces: a connection without a pace is due at once",
        SELECTION,
        'return not _is_paced(connection) or due.covers(connection.data["pace"])',
        "return _is_paced(connection) and due.covers(pace_of(connection.id, connection.data))",
        PACES + "test_connections_of_an_earlier_release_are_not_lost",
    ),
    Guard(
        "paces: the first tick that knows them covers everything",
        DUE,
        "        if run.selection.due is None:\n",
        "        if False:\n",
        PACES + "test_a_tick_of_the_release_before_is_followed_by_one_of_everything",
    ),
    Guard(
        "paces: a tick that was late or cancelled is made up for",
        DUE,
        "return is_done and run.error is None and run.cancel_requested_at is None",
        "return is_done",
        MADE_UP + "test_a_run_that_was_too_late_is_made_up_for",
    ),
    Guard(
        "paces: a tick whose dispatch is under way is made up for",
        DUE,
        "is_done = all(each.done for each in run.dispatch.values())",
        "is_done = True",
        MADE_UP + "test_a_dispatch_under_way_is_made_up_for_if_it_comes_to_nothing",
    ),
    Guard(
        "paces: a span whose paces fit no query is read whole",
        SELECTION,
        "is_scan = due.is_everything or marketplace in due.scanned or len(paces) > 1",
        "is_scan = due.is_everything or marketplace in due.scanned",
        MADE_UP + "test_a_missed_slot_is_made_up_for",
    ),
    Guard(
        "paces: a connection is wanted from its claim on",
        "orchestrator/model/freshness.py",
        "wanted=state.wanted or (pace.is_own and state.open is not None),",
        "wanted=state.wanted,",
        MADE_UP + "test_a_task_that_was_cancelled_at_work_is_repeated",
    ),
    Guard(
        "paces: a task serves no edit that was made while it was at work",
        "orchestrator/tasks/holder.py",
        "if not (is_edited or self._is_written_by_others):",
        "if True:",
        MADE_UP + "test_an_edit_during_a_task_is_served_by_the_next_tick",
    ),
    Guard(
        "paces: a task that nobody claimed leaves its connection wanted",
        "orchestrator/tasks/sweep.py",
        "state = msgspec.structs.replace(state, wanted=True)  # nobody has worked on it",
        "pass",
        MADE_UP + "test_a_cancelled_run_after_which_another_ticked_is_made_up_for",
    ),
    Guard(
        "paces: the run of one stream serves nobody",
        "orchestrator/model/freshness.py",
        "is_all = opened.streams is None and not incomplete and",
        "is_all = not incomplete and",
        MADE_UP + "test_a_run_of_one_stream_is_no_task_of_all",
    ),
    Guard(
        "paces: whoever is wanted is found by the marketplace, also if no worker has met it",
        "orchestrator/tasks/ending.py",
        "    if not state.marketplace:\n",
        "    if False:\n",
        MADE_UP + "test_a_cancelled_run_after_which_another_ticked_is_made_up_for",
    ),
    Guard(
        "paces: two lists are merged no further than both are read",
        SELECTION,
        "after = min((end for end",
        "after = max((end for end",
        PACES + "test_pages_cover_each_once",
    ),
    Guard(
        "paces: a connection that is wanted takes part only if it is active",
        SELECTION,
        "if each is not None and all(each.data.get(name) == value for name, _, value in "
        "of_active(marketplace))",
        "if each is not None",
        PACES + "test_pages_cover_each_once",
    ),
    Guard(
        "paces: a paused connection is not looked for",
        "orchestrator/operators/pause.py",
        '{"late_at": None, "wanted": False, **known})',
        '{"late_at": None, **known})',
        MADE_UP + "test_a_paused_connection_is_not_looked_for",
    ),
    Guard(
        "paces: one behind a page's end keeps its wrong pace until it is covered",
        "orchestrator/runs/selection.py",
        "            unpaced = [each for each in unpaced if each.id <= after]\n",
        "",
        PACES + "test_a_connection_behind_a_pages_end_keeps_its_wrong_pace_until_it_is_covered",
    ),
    Guard(
        "paces: a task serves no edit that came between two slices",
        "orchestrator/sync/slice.py",
        "is_edited = self.streams is not None and _is_edited(self.streams.task)",
        "is_edited = False",
        MADE_UP + "test_an_edit_between_two_slices_is_served_by_the_next_tick",
    ),
    Guard(
        "paces: a task serves no full request that came between two slices",
        "orchestrator/model/freshness.py",
        "not incomplete and not state.requested_full",
        "not incomplete",
        MADE_UP + "test_a_full_request_between_two_slices_is_served_by_the_next_tick",
    ),
)
