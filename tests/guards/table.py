"""The guards: what holds, the line that keeps it, and the test that fails without it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Guard:
    """One line of the product that something rests on."""

    #: What it keeps: an invariant of the design or a rule of the protocol, by number, and in words.
    keeps: str
    #: The file, and the text that is replaced in it.
    path: str
    line: str
    without: str
    #: The test that fails then.
    test: str


CORE = "tests/core/"
GUARDS = (
    Guard(
        "invariant 1: a tick's run is created once",
        "orchestrator/runs.py",
        "run_id = ids.tick_run_id(schedule_time, job)",
        "run_id = ids.tick_run_id(schedule_time, job) + ids.ulid(now, services.random)",
        CORE + "test_runs.py::test_a_tick_delivered_again_is_the_same_run",
    ),
    Guard(
        "invariant 1: a forced run has an id space of its own",
        "orchestrator/runs.py",
        "if schedule_time is None or schedule_time > now + FORCED_AHEAD:",
        "if schedule_time is None:",
        CORE + "test_runs.py::test_a_forced_run_never_eats_the_real_tick",
    ),
    Guard(
        "invariant 2: `since` moves only with the window's last page",
        "orchestrator/sync.py",
        "self._keep_progress(absorber, self._inside(window))\n            raise",
        "self._keep_progress(absorber, self._behind(window))\n            raise",
        CORE + "test_streams.py::test_since_moves_only_with_the_window",
    ),
    Guard(
        "invariant 2: look-back re-reads what is indexed late",
        "orchestrator/windows.py",
        "min(cursor.since - terms.lookback, _back(until, span))",
        "min(cursor.since, _back(until, span))",
        CORE + "test_streams.py::test_what_is_indexed_late_is_found_by_lookback",
    ),
    Guard(
        "invariant 2: a window ends before the marketplace's own clock",
        "orchestrator/sync.py",
        "until = server_time - self._stream.age\n",
        "until = window.until\n",
        CORE + "test_streams.py::test_a_window_ends_before_the_marketplace_s_own_clock",
    ),
    Guard(
        "invariant 2: an expired token starts the window again",
        "orchestrator/sync.py",
        "if restarts > RESTARTS:",
        "if restarts > 0:",
        CORE + "test_streams.py::test_an_expired_page_token_starts_the_window_again",
    ),
    Guard(
        "invariant 2: other settings start a new window",
        "orchestrator/sync.py",
        "if state.scope != scope:",
        "if False:",
        CORE + "test_streams.py::test_other_settings_start_a_new_window",
    ),
    Guard(
        "invariant 3: an unchanged record is known by its digest",
        "orchestrator/absorbing.py",
        "if known == content and not self.full and earlier is None:",
        "if False:",
        CORE + "test_streams.py::test_an_unchanged_connection_costs_four_writes_and_two_reads",
    ),
    Guard(
        "invariant 3: what a snapshot has seen fits the digest it was stored with",
        "orchestrator/sync.py",
        "seen=self._loaded().seen_bits(), blind",
        "seen=window.seen, blind",
        CORE + "test_crashes.py::test_any_single_fault_changes_nothing_in_effect",
    ),
    Guard(
        "invariant 3: nothing is taken as vanished from a short listing",
        "orchestrator/sync.py",
        "if self._total is not None and self._total != window.read:",
        "if False:",
        CORE + "test_deletions.py::test_a_short_listing_deletes_nothing",
    ),
    Guard(
        "invariant 3: nothing is taken as vanished where the count changes during the scan",
        "orchestrator/sync.py",
        "absorber.blind = absorber.blind or self._total not in {None, page.total}",
        "absorber.blind = absorber.blind",
        CORE + "test_deletions.py::test_a_count_that_changes_during_the_scan_deletes_nothing",
    ),
    Guard(
        "invariant 3: what changed during a reconcile is not taken as vanished",
        "orchestrator/sync.py",
        "vanished = sorted(absorber.suspects)",
        "vanished = sorted(missing)",
        CORE + "test_deletions.py::test_what_changes_during_a_reconcile_is_not_taken_as_vanished",
    ),
    Guard(
        "invariant 4, rules 1 and 10: every commit is made on the state as it was read",
        "orchestrator/closing.py",
        "Update(path, document, version=snapshot.version)",
        "Update(path, document)",
        CORE + "test_crashes.py::test_a_holder_that_wakes_up_late_writes_nothing",
    ),
    Guard(
        "invariant 4: a holder that has lost releases nothing",
        "orchestrator/holding.py",
        "if self._is_lost or self.state.open is None",
        "if self.state.open is None",
        CORE + "test_crashes.py::test_a_holder_that_has_lost_releases_nothing",
    ),
    Guard(
        "invariant 4: a live lease is respected",
        "orchestrator/claim.py",
        "if not _is_over(state, now) or opened.order > message.order:",
        "if opened.order > message.order:",
        CORE + "test_claim.py",
    ),
    Guard(
        "rule 2: `seq` grows in every commit",
        "orchestrator/closing.py",
        "state = msgspec.structs.replace(state, seq=state.seq + 1, last_run=last)",
        "state = msgspec.structs.replace(state, last_run=last)",
        "tests/simulation/test_histories.py::test_nothing_is_lost_and_every_run_ends[0]",
    ),
    Guard(
        "invariant 5, rule 3: a final task is created, never rewritten",
        "orchestrator/closing.py",
        "Create(ids.task_path(task.run_id, task.connection_id), to_document(task)),",
        "Put(ids.task_path(task.run_id, task.connection_id), to_document(task)),",
        "tests/simulation/test_histories.py::test_nothing_is_lost_and_every_run_ends[0]",
    ),
    Guard(
        "rule 4: counters move in the commit that creates the task",
        "orchestrator/holding.py",
        "writes = ()\n",
        "writes = writes[1:]\n",
        "tests/simulation/test_histories.py::test_nothing_is_lost_and_every_run_ends[0]",
    ),
    Guard(
        "rule 5: an unknown commit is settled by reading",
        "orchestrator/holding.py",
        "if found != new:\n",
        "if True:\n",
        CORE + "test_crashes.py::test_any_single_fault_changes_nothing_in_effect",
    ),
    Guard(
        "rule 6: the continuation is published before the message is acknowledged",
        "orchestrator/task.py",
        "self.services.queue.publish([following])",
        "following",
        CORE + "test_slices.py::test_a_long_task_goes_on_in_slices",
    ),
    Guard(
        "rule 7: whoever counts a shard down looks for open ones afterwards",
        "orchestrator/claiming.py",
        "    if still_open <= 0:\n        close_check",
        "    if still_open < 0:\n        close_check",
        CORE + "test_runs.py::test_a_tick_syncs_every_due_connection_and_closes",
    ),
    Guard(
        "rule 7: a duplicate of a finished task repeats the close check",
        "orchestrator/claiming.py",
        "check_shard(self.services, message.run_id, message.shard, None)\n            case Skip",
        "pass\n            case Skip",
        CORE + "test_crashes.py::test_any_single_fault_changes_nothing_in_effect",
    ),
    Guard(
        "rule 8: only a running run may close",
        "orchestrator/closing.py",
        "if run.status is not RunStatus.RUNNING:",
        "if run.status.is_final:",
        CORE + "test_failure_histories.py::test_6_tasks_that_end_before_the_dispatch_does",
    ),
    Guard(
        "rule 8: whoever sets the last `done` closes",
        "orchestrator/dispatch.py",
        "    if last:\n        close_check(services, run_id)",
        "    if last:\n        pass",
        CORE + "test_failure_histories.py::test_6_tasks_that_end_before_the_dispatch_does",
    ),
    Guard(
        "dispatch, step b: the last expanded page is published again",
        "orchestrator/dispatch.py",
        "if mine.n > worker.published and run.cancel_requested_at is None and not late:",
        "if False:",
        CORE + "test_crashes.py::test_any_single_fault_changes_nothing_in_effect",
    ),
    Guard(
        "rule 9: what is older than its deadline is closed, not worked",
        "orchestrator/dispatch.py",
        "late = services.clock.now() > run.deadline_at",
        "late = False",
        CORE + "test_runs.py::test_a_late_dispatch_closes_unexpanded",
    ),
    Guard(
        "rule 9: a message long past its deadline writes nothing",
        "orchestrator/dispatch.py",
        "return services.clock.now() > message.deadline_at + grace",
        "return False",
        CORE + "test_failure_histories.py::test_17_a_message_older_than_its_run_s_documents",
    ),
    Guard(
        "invariant 5: heal publishes lost dispatches",
        "orchestrator/heal.py",
        "services.queue.publish(dispatch_messages(snapshot.id, run))",
        "dispatch_messages(snapshot.id, run)",
        CORE + "test_runs.py::test_a_lost_dispatch_is_healed_by_the_next_tick",
    ),
    Guard(
        "invariant 5: heal sweeps what is past its deadline",
        "orchestrator/heal.py",
        "elif now > run.deadline_at and limit > 0:",
        "elif False:",
        CORE + "test_runs.py::test_what_vanishes_is_closed_after_the_deadline",
    ),
    Guard(
        "invariant 5: a dead holder is taken over from after a minute and a half",
        "orchestrator/claiming.py",
        "        self.holder_silent = True\n        return False",
        "        return True",
        CORE + "test_failure_histories.py::test_1_a_redelivery_watches_the_dead_holder_and_then_takes_over",
    ),
    Guard(
        "invariant 5: attempts are counted in the claim",
        "orchestrator/claim.py",
        "attempts=opened.attempts + 1,",
        "attempts=opened.attempts,",
        CORE + "test_crashes.py::test_a_connection_that_kills_its_workers_is_given_up",
    ),
    Guard(
        "invariant 6: one record's failure stops no other",
        "orchestrator/absorbing.py",
        "except Exception as error:  # noqa: BLE001 - whatever one record does, the others go on",
        "except ZeroDivisionError as error:",
        CORE + "test_streams.py::test_a_malformed_record_is_kept_raw_and_stops_nothing",
    ),
    Guard(
        "invariant 6: one stream's failure stops no other",
        "orchestrator/streams.py",
        "except Exception as error:  # noqa: BLE001 - a defect fails its stream",
        "except ZeroDivisionError as error:  # was",
        CORE + "test_streams.py::test_one_failing_stream_does_not_stop_the_others",
    ),
    Guard(
        "invariant 7: a commit is bounded",
        "orchestrator/absorbing.py",
        "if part and (len(part) >= PART_DOCUMENTS or size + change.size > PART_BYTES):",
        "if False:",
        CORE + "test_streams.py::test_a_page_over_the_commit_limit_is_split",
    ),
    Guard(
        "invariant 7: a listing that moves nothing is given up",
        "orchestrator/task.py",
        "if stalled >= STALLED:",
        "if False:",
        CORE + "test_slices.py::test_a_slice_that_moves_nothing_twice_is_failed",
    ),
    Guard(
        "invariant 7: digests do not outgrow a document",
        "orchestrator/digests.py",
        "if not self._buckets or self._buckets >= MAX_BUCKETS:",
        "if True:",
        CORE + "test_digests.py::test_no_document_outgrows_firestore",
    ),
    Guard(
        "invariant 8: an unexpected error's text is not kept",
        "orchestrator/streams.py",
        'SyncError(f"defect: {locate(error)}"',
        'SyncError(f"defect: {error!r}"',
        CORE + "test_streams.py::test_one_failing_stream_does_not_stop_the_others",
    ),
)
