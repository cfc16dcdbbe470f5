"""The guards of migrations: a release that raises a stream's version holds no change up and loses nothing."""

from __future__ import annotations

from tests.system.guards.guard import Guard

CORE = "tests/core/"
MIGRATION_GUARDS = (
    Guard(
        "invariant 2: a raised version starts no stream again: changes arrive at the next tick",
        "orchestrator/sync/migration/versions.py",
        "migration = _history(terms, cursor)",
        "cursor, migration = Cursor(full=cursor.full), ()",
        CORE + "test_migrations.py::test_a_change_arrives_at_the_first_tick_of_a_migration",
    ),
    Guard(
        "invariant 2: a state of release 0.1 is one of version 1, and not of other settings",
        "orchestrator/sync/windows.py",
        "return scope in {scope_of(stream, connection), _scope_of_release_0_1(stream, connection)}",
        "return scope == scope_of(stream, connection)",
        "tests/system/released/test_migrating.py"
        "::test_a_store_of_the_last_release_is_migrated_by_the_next_ticks",
    ),
    Guard(
        "invariant 2: a history reaches to the end of the last window of the version before",
        "orchestrator/sync/migration/versions.py",
        "cursor.window.until if cursor.window is not None else None]",
        "None]",
        CORE + "test_migrations.py::test_a_window_that_is_open_continues_and_its_first_pages_are_rewritten",
    ),
    Guard(
        "invariant 2: a history's checkpoint is its own, in every commit of a page",
        "orchestrator/sync/migration/history.py",
        "return Cursor(window=self.state.migration[0] if is_open else None)",
        "return self.state.cursor",
        CORE + "test_migration_turns.py::test_a_worker_that_is_killed_in_its_turn_leaves_nothing_out",
    ),
    Guard(
        "invariant 2: a reconcile leaves the history to the migration: changes do not wait for it",
        "orchestrator/sync/normalizer.py",
        "return known is not None and self._is_left(record)",
        "return False",
        CORE + "test_migrations.py::test_a_reconcile_leaves_the_history_to_the_migration",
    ),
    Guard(
        "invariant 2: a part of the history that is rewritten leaves the part before it to be rewritten",
        "orchestrator/sync/migration/history.py",
        "self._later = state.migration[1:]",
        "self._later = ()",
        CORE + "test_migrations.py::test_the_latest_part_of_the_history_is_rewritten_first",
    ),
    Guard(
        "invariant 3: a history marks no record as vanished: records have left it for later windows",
        "orchestrator/sync/migration/history.py",
        "        self._writer.keep(**self._writer.at(Cursor()), short=False)",
        "        super()._complete(window, cursor, page)",
        CORE + "test_migrations.py::test_a_suspect_that_has_left_the_history_is_not_marked_by_it",
    ),
    Guard(
        "invariant 6: rewriting history takes no more of a limit than there is without a wait",
        "orchestrator/sync/migration/history.py",
        "has_waited = self._task.session.client.slept_s > self._slept_before_s",
        "has_waited = False",
        CORE + "test_migration_turns.py::test_a_short_wait_for_a_limit_ends_the_turn",
    ),
    Guard(
        "invariant 6: a share of the connections rewrites history at a tick",
        "orchestrator/sync/migration/turns.py",
        "return (minute + key_of(connection_id)) % TURNS == 0",
        "return True",
        CORE + "test_migration_turns.py::test_only_the_connections_whose_turn_it_is_take_part",
    ),
    Guard(
        "invariant 6: while tasks wait for workers, no history is rewritten",
        "orchestrator/sync/migration/turns.py",
        "return clock.monotonic() + min(TURN_S, left)",
        "return clock.monotonic() + TURN_S",
        CORE + "test_migration_turns.py::test_a_late_task_leaves_its_turn",
    ),
    Guard(
        "invariant 6: a page of the history that fails holds no change up, and is asked for again",
        "orchestrator/sync/streams.py",
        "except Exception as error:  # noqa: BLE001 - a defect fails the stream alone",
        "except ZeroDivisionError as error:  # was",
        CORE + "test_migration_turns.py::test_a_page_of_the_history_that_fails_stops_no_change",
    ),
    Guard(
        "invariant 2: a page of the history that takes longer than a first slice is read in the continuation",
        "orchestrator/sync/streams.py",
        "if not task.is_short or",
        "if True or",
        CORE + "test_migration_turns.py::test_a_page_longer_than_a_first_slice_is_read_in_the_continuation",
    ),
    Guard(
        "invariant 2: a continuation knows which streams' changes the first slice has stored",
        "orchestrator/sync/streams.py",
        "for name in (*opened.done, *self.done) if name in wanted",
        "for name in self.done if name in wanted",
        CORE + "test_migration_turns.py::test_a_page_longer_than_a_first_slice_is_read_in_the_continuation",
    ),
    Guard(
        "invariant 6: a first slice whose turn ended with a wait for a limit is not continued",
        "orchestrator/sync/streams.py",
        "and self.task.session.client.slept_s == slept_s:",
        "and True:",
        CORE + "test_migration_turns.py::test_a_turn_that_has_ended_is_not_continued",
    ),
)
