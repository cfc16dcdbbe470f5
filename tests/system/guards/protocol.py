"""The guards of the protocol: its ten rules and its eighteen failure histories."""

from __future__ import annotations

from tests.system.guards.guard import Guard

CORE = "tests/core/"
HISTORIES = CORE + "test_failure_histories.py::"
PROTOCOL = (
    Guard(
        "rule 2: `seq` grows in every commit",
        "orchestrator/tasks/ending.py",
        "state = msgspec.structs.replace(state, seq=state.seq + 1, last_run=last)",
        "state = msgspec.structs.replace(state, last_run=last)",
        "tests/system/simulation/test_histories.py::test_nothing_is_lost_and_every_run_ends[0]",
    ),
    Guard(
        "rule 5: an unknown commit is settled by reading",
        "orchestrator/tasks/holder.py",
        "if found != new:\n",
        "if True:\n",
        CORE + "test_crashes.py::test_a_commit_whose_answer_is_lost_is_made_once",
    ),
    Guard(
        "rule 5: another's commit at the same `seq` and moment is not taken for one's own",
        "orchestrator/tasks/holder.py",
        "lease = msgspec.structs.replace(lease, commits=self.state.lease.commits + 1)",
        "pass",
        CORE + "test_crashes.py::test_a_commit_of_another_is_not_taken_for_ones_own",
    ),
    Guard(
        "rule 6: the continuation is published before the message is acknowledged",
        "orchestrator/sync/slice.py",
        "self.services.queue.publish([following])",
        "following",
        CORE + "test_slices.py::test_a_long_task_goes_on_in_slices",
    ),
    Guard(
        "rule 7: whoever counts a shard down looks for open ones afterwards",
        "orchestrator/runs/close.py",
        "    if still_open <= 0:\n        close_check",
        "    if still_open < 0:\n        close_check",
        CORE + "test_runs.py::test_a_tick_syncs_every_due_connection_and_closes",
    ),
    Guard(
        "rule 7: a duplicate of a finished task repeats the close check",
        "orchestrator/tasks/claim.py",
        "                check_shard(self.services, message.run_id, message.shard, None)\n",
        "",
        CORE + "test_crashes.py::test_any_single_fault_changes_nothing_in_effect",
    ),
    Guard(
        "rule 8: only a running run may close",
        "orchestrator/runs/close.py",
        "if run.status is not RunStatus.RUNNING:",
        "if run.status.is_final:",
        CORE + "test_failure_histories.py::test_6_tasks_that_end_before_the_dispatch_does",
    ),
    Guard(
        "rule 8: whoever sets the last `done` closes",
        "orchestrator/runs/dispatch.py",
        "    if last:\n        sweep_late(services, run_id, run)\n        close_check(services, run_id)",
        "    if last:\n        pass",
        CORE + "test_failure_histories.py::test_6_tasks_that_end_before_the_dispatch_does",
    ),
    Guard(
        "dispatch, step b: the last expanded page is published again",
        "orchestrator/runs/dispatch.py",
        "if mine.n > worker.published and run.cancel_requested_at is None and not late:",
        "if False:",
        CORE + "test_crashes.py::test_any_single_fault_changes_nothing_in_effect",
    ),
    Guard(
        "rule 8: whoever makes a late run `running` has its open shards swept",
        "orchestrator/runs/dispatch.py",
        "    if last:\n        sweep_late(services, run_id, run)",
        "    if last:",
        CORE + "test_every_run_ends.py::test_a_dispatch_that_ends_past_the_deadline_has_the_rest_swept",
    ),
    Guard(
        "a heal a minute for all deliveries together, whoever asks",
        "orchestrator/model/healing.py",
        "return self.run == run_id and not self.done",
        "return True",
        CORE + "test_storms.py::test_the_dispatches_of_one_minute_heal_once",
    ),
    Guard(
        "a dispatch that heal has published never heals",
        "orchestrator/runs/dispatch.py",
        "if not healed and not message.heal and",
        "if not healed and",
        CORE + "test_storms.py::test_a_healed_dispatch_heals_nothing",
    ),
    Guard(
        "a heal continues where the last one stopped",
        "orchestrator/runs/heal.py",
        "return msgspec.structs.replace(walk, after=_place(found[-1], sort_field))",
        "return walk",
        CORE + "test_storms.py::test_more_open_runs_than_a_heal_looks_at",
    ),
    Guard(
        "planned twice in a run: a task is told apart by its shard",
        "orchestrator/model/state.py",
        "return self.run_id == run_id and self.shard == shard",
        "return self.run_id == run_id",
        CORE + "test_every_run_ends.py::test_a_sweep_of_one_of_two_tasks_leaves_the_other_alone",
    ),
    Guard(
        "planned twice in a run: the message of another marketplace is skipped",
        "orchestrator/tasks/claim_table.py",
        "if view.marketplace not in {None, ids.marketplace_of(view.message.shard)}:",
        "if False:",
        CORE + "test_claim.py",
    ),
    Guard(
        "planned twice in a run: each task has its own record",
        "orchestrator/tasks/ending.py",
        'if first is None or first.data.get("shard", shard) == shard:',
        "if True:",
        CORE + "test_every_run_ends.py::test_planned_twice_and_all_is_lost",
    ),
    Guard(
        "rule 9: what is older than its deadline is closed, not worked",
        "orchestrator/runs/dispatch.py",
        "late = services.clock.now() > run.deadline_at",
        "late = False",
        CORE + "test_runs.py::test_a_late_dispatch_closes_unexpanded",
    ),
    Guard(
        "rule 9: a message long past its deadline writes nothing",
        "orchestrator/runs/dispatch.py",
        "return services.clock.now() > message.deadline_at + grace",
        "return False",
        CORE + "test_failure_histories.py::test_17_a_message_older_than_its_run_s_documents",
    ),
    Guard(
        "history 1: a redelivery takes over from a holder that shows no sign of life",
        "orchestrator/tasks/claim.py",
        "        self.holder_silent = True\n        return False",
        "        return True",
        HISTORIES + "test_1_a_redelivery_watches_the_dead_holder_and_then_takes_over",
    ),
    Guard(
        "history 2: a worker that was taken for dead writes nothing",
        "orchestrator/tasks/ending.py",
        "Update(path, document, version=snapshot.version)",
        "Update(path, document)",
        CORE + "test_crashes.py::test_a_holder_that_wakes_up_late_writes_nothing",
    ),
    Guard(
        "rule 4, history 3: counters move in the commit that creates the task: sent again, they count once",
        "orchestrator/tasks/holder.py",
        "                written = self._write(new, writes, over)\n",
        """                written = self._write(new, writes[:1], over)
                if writes:
                    (shard_result,) = self._store.commit(writes[1:])
                    written.append(shard_result.increments["open"])
""",
        "tests/system/simulation/test_histories.py::test_nothing_is_lost_and_every_run_ends",
    ),
    Guard(
        "history 4: whoever closes looks after the own commit, not before",
        "orchestrator/sync/slice.py",
        "            still_open = holder.finish(close, task, is_edited=is_edited)\n",
        """            from orchestrator.model import ids
            from orchestrator.ports import Query
            shards = services.store.query(Query(f"{ids.run_path(message.run_id)}/shards", limit=9))
            others = [shard for shard in shards if shard.id != message.shard and shard.data["open"]]
            still_open = 1 if holder.finish(close, task, is_edited=is_edited) is None or others else 0
""",
        HISTORIES + "test_4_each_of_two_last_tasks_looks_after_its_own_commit",
    ),
    Guard(
        "history 5: a crash between finish and close: the redelivery looks again",
        "orchestrator/tasks/claim.py",
        "                check_shard(self.services, message.run_id, message.shard, None)\n",
        "",
        CORE + "test_crashes.py::test_any_single_fault_changes_nothing_in_effect",
    ),
    Guard(
        "history 6: a run closes only when every marketplace is expanded",
        "orchestrator/runs/close.py",
        "if run.status is not RunStatus.RUNNING:",
        "if run.status.is_final:",
        HISTORIES + "test_6_tasks_that_end_before_the_dispatch_does",
    ),
    Guard(
        "history 7: two marketplaces end at once: `done` is set on the run as it was read",
        "orchestrator/runs/dispatch.py",
        "services.store.commit([Update(ids.run_path(run_id), fields, version=version)])",
        "services.store.commit([Update(ids.run_path(run_id), fields)])",
        HISTORIES + "test_7_the_last_two_marketplaces_are_done_at_once",
    ),
    Guard(
        "history 8: a message of an earlier slice may claim a later one",
        "orchestrator/tasks/claim_table.py",
        "        if state.lease.owner is None and _waits(state, now):",
        "        if message.slice < opened.slice or (state.lease.owner is None and _waits(state, now)):",
        HISTORIES + "test_8_a_continuation_that_is_lost_or_comes_twice",
    ),
    Guard(
        "history 9: a lease that ran out is found by heal",
        "orchestrator/runs/heal.py",
        "state.open.message(snapshot.id) if state.open is not None else",
        "None if state.open is not None else",
        HISTORIES + "test_9_a_duplicate_is_acknowledged_and_then_the_holder_dies[heal]",
    ),
    Guard(
        "history 9: the next run takes over a lease that ran out",
        "orchestrator/tasks/claim_table.py",
        "return Claim(_claimed(view, None), older=opened)",
        'return _skip(view, "overlap")',
        HISTORIES + "test_9_a_duplicate_is_acknowledged_and_then_the_holder_dies[the next run]",
    ),
    Guard(
        "history 10: taking over closes the older task in the same commit",
        "orchestrator/tasks/claim.py",
        "writes = self._older_writes(older, read.state)",
        "writes = []",
        CORE + "test_crashes.py::test_the_next_run_takes_over_from_a_dead_worker",
    ),
    Guard(
        "history 11: a refused finish keeps the data and counts nothing",
        "orchestrator/tasks/holder.py",
        "return path, shard is None or record is not None or counted(shard, task.connection_id)",
        "return path, shard is None",
        "tests/system/simulation/test_histories.py::test_nothing_is_lost_and_every_run_ends",
    ),
    Guard(
        "history 11: a holder that is asked to stop obeys",
        "orchestrator/tasks/holder.py",
        "raise Stopped(found.open.cancel)",
        "pass",
        CORE + "test_runs.py::test_cancel_stops_at_the_next_page_and_leaves_a_valid_cursor",
    ),
    Guard(
        "history 12: what vanished in flight is closed by the next ticks",
        "orchestrator/runs/heal.py",
        "elif self.now > run.deadline_at:",
        "elif False:",
        HISTORIES + "test_12_everything_in_flight_vanishes_at_any_moment",
    ),
    Guard(
        "history 13: a day of queued ticks: late dispatches expand nothing",
        "orchestrator/runs/dispatch.py",
        "late = services.clock.now() > run.deadline_at",
        "late = False",
        HISTORIES + "test_13_a_day_of_queued_ticks",
    ),
    Guard(
        "history 14: a backlog longer than a run ends it as incomplete, and the next goes on",
        "orchestrator/sync/slice.py",
        "return Ending(TaskStatus.SUCCEEDED, incomplete=True)\n        stalled",
        "return Ending.failed(NO_ANSWER)\n        stalled",
        CORE + "test_slices.py::test_a_backlog_larger_than_a_run_goes_on_in_the_next",
    ),
    Guard(
        "history 15: a connection that kills its workers is given up",
        "orchestrator/tasks/claim_table.py",
        "attempts=opened.attempts + 1,",
        "attempts=opened.attempts,",
        CORE + "test_crashes.py::test_a_connection_that_kills_its_workers_is_given_up",
    ),
    Guard(
        "history 16: a forced run that carries the next tick's time is a run of its own",
        "orchestrator/runs/start.py",
        "if schedule_time is None or schedule_time > received_at:",
        "if schedule_time is None:",
        CORE + "test_runs.py::test_a_forced_run_never_eats_the_real_tick",
    ),
    Guard(
        "history 17: a message older than its run's documents",
        "orchestrator/runs/dispatch.py",
        "return services.clock.now() > message.deadline_at + grace",
        "return False",
        HISTORIES + "test_17_a_message_older_than_its_run_s_documents",
    ),
    Guard(
        "history 18: a dead letter of a closed run is replayed as a new run",
        "orchestrator/operators/dead_letters.py",
        "return Effect.NEW_RUN, over",
        "return Effect.PUBLISH, over",
        HISTORIES + "test_18_a_replayed_dead_letter_of_a_closed_run",
    ),
    Guard(
        "history 18: a dead letter that is replayed again finds the run that was started for it",
        "orchestrator/operators/dead_letters.py",
        'idempotency_key=ids.key_of("command line", f"dead letters of {run_id}, {number}"),',
        "idempotency_key=None,",
        CORE + "test_dead.py::test_a_replay_that_was_killed_is_repeated_with_the_same_run",
    ),
    Guard(
        "history 18: a dead letter is removed after it is published, never before",
        "orchestrator/operators/dead_letters.py",
        """            services.queue.publish([one.message for one in batch if one.message is not None])
            taken.remove(batch)
""",
        """            taken.remove(batch)
            services.queue.publish([one.message for one in batch if one.message is not None])
""",
        CORE + "test_dead.py::test_messages_that_cannot_be_published_stay",
    ),
    Guard(
        "rule 6: what cannot be read is a dead letter before it is acknowledged",
        "functions/events.py",
        "services.queue.bury(pushed.data, reason=str(error), attributes=pushed.attributes or {})",
        "pass",
        "tests/edge/test_worker_events.py::test_a_message_that_cannot_be_kept_is_delivered_again",
    ),
)
