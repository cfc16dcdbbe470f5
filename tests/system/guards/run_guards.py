"""The guards of the invariants about workers, runs, bounds and leaks."""

from __future__ import annotations

from tests.system.guards.guard import Guard

CORE = "tests/core/"
EDGE = "tests/edge/"
SLOW = "tests/system/hostile/test_slow_clients.py::"
CALLS = "tests/marketplaces/test_client.py::"
RUN_GUARDS = (
    Guard(
        "invariant 4: a worker that closes the task of a removal leaves the removal its own",
        "orchestrator/tasks/claim_table.py",
        "removed_at=state.removed_at if state.removing else None,",
        "removed_at=None,",
        CORE
        + "test_second_lives.py::"
        + "test_a_task_between_slices_is_closed_for_the_removal_that_asked_for_it",
    ),
    Guard(
        "invariant 4: the state of a live connection does not expire",
        "orchestrator/tasks/claim_table.py",
        "        expires_at=None,\n    )",
        "    )",
        CORE + "test_second_lives.py::test_a_document_written_by_hand_over_a_tombstone_is_a_second_life_too",
    ),
    Guard(
        "invariant 5: a connection is added again for its own marketplace alone",
        "orchestrator/operators/connections.py",
        'if state.marketplace not in {"", connection.marketplace}:',
        "if False:",
        CORE
        + "test_second_lives.py::"
        + "test_removed_and_added_again_for_another_marketplace_within_one_run_is_refused",
    ),
    Guard(
        "invariant 6: a document that cannot be read stops no list",
        "orchestrator/model/documents.py",
        "except (msgspec.ValidationError, RecursionError) as error:\n        return None, one_line(",
        "except RecursionError as error:\n        return None, one_line(",
        "tests/cli/test_unreadable.py",
    ),
    Guard(
        "invariant 4: a holder that has lost releases nothing",
        "orchestrator/tasks/holder.py",
        "if self._is_lost or not is_mine:",
        "if not is_mine:",
        CORE + "test_crashes.py::test_a_holder_that_has_lost_releases_nothing",
    ),
    Guard(
        "invariant 5: a claim whose check of an older run fails is decided on again",
        "orchestrator/tasks/claim.py",
        "                holder.release()\n",
        "",
        CORE + "test_redeliveries.py::test_a_claim_whose_close_check_fails_is_decided_on_again",
    ),
    Guard(
        "invariant 5: a holder whose task was closed repeats the close check",
        "orchestrator/sync/slice.py",
        "if not holder.is_continued(self.message.run_id, self.message.shard):",
        "if holder.is_continued(self.message.run_id, self.message.shard):",
        CORE
        + "test_redeliveries.py::"
        + "test_a_holder_whose_task_was_closed_by_a_worker_that_died_repeats_the_close_check",
    ),
    Guard(
        "invariant 5: a holder that lost its connection to a failure has its message redelivered",
        "orchestrator/tasks/holder.py",
        "        if found.lease.owner is None:\n            raise StoreUnavailable(",
        "        if False:\n            raise StoreUnavailable(",
        CORE
        + "test_redeliveries.py::"
        + "test_a_holder_that_lost_its_connection_to_a_worker_that_failed_has_its_message_redelivered",
    ),
    Guard(
        "invariant 4: a live lease is respected",
        "orchestrator/tasks/claim_table.py",
        "if not state.lease.is_over(now) or opened.order > message.order:",
        "if opened.order > message.order:",
        CORE + "test_claim.py",
    ),
    Guard(
        "invariant 5, rule 3: a final task is created, never rewritten",
        "orchestrator/tasks/ending.py",
        "Create(path or ids.task_path(task.run_id, task.connection_id), to_document(task)))",
        "Put(path or ids.task_path(task.run_id, task.connection_id), to_document(task)))",
        "tests/system/simulation/test_histories.py::test_nothing_is_lost_and_every_run_ends[0]",
    ),
    Guard(
        "invariant 5: the round through open runs does not wait for the one through lost leases",
        "orchestrator/runs/heal.py",
        "runs=before.runs.following(now, round_length),",
        "runs=before.runs.following(now, round_length) if before.leases.ended else before.runs,",
        CORE + "test_storms.py::test_the_round_through_open_runs_does_not_wait_for_the_lost_leases",
    ),
    Guard(
        "invariant 5: heal publishes lost dispatches",
        "orchestrator/runs/heal.py",
        "services.queue.publish(dispatch_messages(run_id, run, heal=True))",
        "dispatch_messages(run_id, run, heal=True)",
        CORE + "test_runs.py::test_a_lost_dispatch_is_healed_by_the_next_tick",
    ),
    Guard(
        "invariant 5: heal sweeps what is past its deadline",
        "orchestrator/runs/heal.py",
        "elif self.now > run.deadline_at:",
        "elif False:",
        CORE + "test_runs.py::test_what_vanishes_is_closed_after_the_deadline",
    ),
    Guard(
        "invariant 5: a dead holder is taken over from after a minute and a half",
        "orchestrator/tasks/claim.py",
        "        self.holder_silent = True\n        return False",
        "        return True",
        CORE + "test_failure_histories.py::test_1_a_redelivery_watches_the_dead_holder_and_then_takes_over",
    ),
    Guard(
        "invariant 5: attempts are counted in the claim",
        "orchestrator/tasks/claim_table.py",
        "attempts=opened.attempts + 1,",
        "attempts=opened.attempts,",
        CORE + "test_crashes.py::test_a_connection_that_kills_its_workers_is_given_up",
    ),
    Guard(
        "invariant 5: a shard that still counts open tasks is settled when every lease has ended",
        "orchestrator/tasks/sweep.py",
        "        if self.is_overdue:\n            return self._settle(name)",
        "        if False:\n            return self._settle(name)",
        CORE + "test_every_run_ends.py::test_a_shard_that_counts_too_many_is_settled_with_a_reason",
    ),
    Guard(
        "invariant 5: a sweep covers a range of shards",
        "orchestrator/runs/sweeps.py",
        "    end = max(first, min(last, first + RANGE - 1))\n",
        "    end = first\n",
        CORE + "test_every_run_ends.py::test_a_run_over_a_hundred_thousand_connections_ends_within_two_ticks",
    ),
    Guard(
        "invariant 6: a document that cannot be read stops no other",
        "orchestrator/model/documents.py",
        "except (msgspec.ValidationError, RecursionError) as error:",
        "except ZeroDivisionError as error:",
        CORE + "test_unreadable.py::test_an_unreadable_state_with_a_lost_lease_stops_no_tick",
    ),
    Guard(
        "invariant 6: one record's failure stops no other",
        "orchestrator/sync/normalizer.py",
        "except Exception as error:  # noqa: BLE001 - a failing record does not stop the others",
        "except ZeroDivisionError as error:",
        CORE + "test_streams.py::test_a_malformed_record_is_kept_raw_and_stops_nothing",
    ),
    Guard(
        "invariant 6: one stream's failure stops no other",
        "orchestrator/sync/streams.py",
        "except Exception as error:  # noqa: BLE001 - a defect fails its stream",
        "except ZeroDivisionError as error:  # was",
        CORE + "test_streams.py::test_one_failing_stream_does_not_stop_the_others",
    ),
    Guard(
        "invariant 7: a commit is bounded",
        "orchestrator/sync/changes.py",
        "if group and (len(group) >= most or size + size_of(item) > most_bytes):",
        "if False:",
        CORE + "test_streams.py::test_a_page_over_the_commit_limit_is_split",
    ),
    Guard(
        "invariant 7: a listing that moves nothing is given up",
        "orchestrator/sync/slice.py",
        "if stalled >= STALLED:",
        "if False:",
        CORE + "test_slices.py::test_a_slice_that_moves_nothing_twice_is_failed",
    ),
    Guard(
        "invariant 7: digests do not outgrow a document",
        "orchestrator/sync/digest.py",
        "if not self.bucket_count or self.bucket_count >= MAX_BUCKETS:",
        "if True:",
        CORE + "test_digests.py::test_no_document_outgrows_firestore",
    ),
    Guard(
        "invariant 7: a client without headers costs no thread",
        "functions/process.py",
        "    server.install()\n",
        "",
        SLOW + "test_a_connection_without_headers_is_closed[silent]",
    ),
    Guard(
        "invariant 7: a refusal does not wait for the body",
        "functions/process.py",
        "flask.current_app.before_request(requests.hide_body)",
        "pass",
        SLOW + "test_a_refusal_does_not_wait_for_the_body[Content-Length: 50-POST /nowhere]",
    ),
    Guard(
        "invariant 7: the rest of a refused body is not waited for",
        "functions/server.py",
        "        conn.sock.setblocking(False)\n        try:\n            return bool",
        "        try:\n            return bool",
        SLOW + "test_a_refused_body_that_drips_is_dropped",
    ),
    Guard(
        "invariant 7: a slow body ends, and its event is redelivered",
        "functions/events.py",
        "with time_limit(request.environ):",
        "if True:",
        SLOW + "test_an_event_that_drips_is_redelivered",
    ),
    Guard(
        "invariant 8: an unexpected error's text is not kept",
        "orchestrator/sync/streams.py",
        'SyncError(f"defect: {locate(error)}"',
        'SyncError(f"defect: {error!r}"',
        CORE + "test_streams.py::test_one_failing_stream_does_not_stop_the_others",
    ),
    Guard(
        "invariant 7: a failing call is repeated only so often",
        "orchestrator/marketplaces/client.py",
        "if attempt >= ATTEMPTS or clock.monotonic() - started > RETRY_WITHIN_S:",
        "if clock.monotonic() - started > 100 * RETRY_WITHIN_S:",
        CALLS + "test_a_lasting_failure_ends_after_a_bounded_number_of_attempts",
    ),
    Guard(
        "invariant 7: an answer is read only so far",
        "orchestrator/marketplaces/transport.py",
        "if len(read) > MAX_BYTES:",
        "if False:",
        CALLS + "test_an_answer_over_the_limit_is_refused",
    ),
    Guard(
        "invariant 7: an answer that trickles in is given up",
        "orchestrator/timed_http.py",
        "self.fp = io.BufferedReader(_Timed(sock))",
        'self.fp = sock.makefile("rb")',
        "tests/adapters/test_deadlines.py::test_a_marketplace_that_never_finishes",
    ),
    Guard(
        "invariant 8: a token's signature is checked",
        "functions/auth/tokens.py",
        'raise TokenInvalid("signature does not match") from error',
        "return",
        EDGE + "test_hostile_callers.py::test_hostile_caller_is_refused",
    ),
    Guard(
        "invariant 8: a token is made out to this function",
        "functions/auth/tokens.py",
        "if claims.aud not in audiences:",
        "if False:",
        EDGE + "test_hostile_callers.py::test_hostile_caller_is_refused",
    ),
    Guard(
        "invariant 8: the scheduler shows its secret too",
        "functions/auth/gate.py",
        'if self.auth.requires_secret and not self.secret.matches(headers.get("x-scheduler-secret", "")):',
        "if False:",
        EDGE + "test_hostile_callers.py::test_hostile_caller_is_refused",
    ),
    Guard(
        "invariant 8: operators' routes are the operators'",
        "functions/auth/gate.py",
        "if email not in self.auth.operators:",
        "if False:",
        EDGE + "test_hostile_callers.py::test_operator_routes_admit_operators_alone",
    ),
    Guard(
        "invariant 8: a defect tells the caller nothing",
        "functions/problems.py",
        '"this is a defect; its cause is in the log")',
        "str(error))",
        EDGE + "test_every_route.py::test_defect_tells_nothing",
    ),
    Guard(
        "invariant 8: credentials are taken out of log lines",
        "functions/logs.py",
        "text = pattern.sub(replacement, text)",
        "pass",
        EDGE + "test_logs.py::test_credentials_are_redacted",
    ),
    Guard(
        "invariant 8: rejects keep nothing personal",
        "orchestrator/sync/rejects.py",
        "kept = scrub(raw, self.task.connector.personal_fields)",
        "kept = raw",
        CORE + "test_streams.py::test_a_reject_keeps_a_buyer_only_where_that_is_wanted",
    ),
    Guard(
        "invariant 8: only the marketplace's own hosts are spoken to",
        "orchestrator/marketplaces/client.py",
        'if parts.scheme != "https" or not is_known:',
        "if False:",
        CALLS + "test_nothing_but_the_marketplaces_own_hosts_is_spoken_to",
    ),
    Guard(
        "invariant 8: no private address is spoken to",
        "orchestrator/marketplaces/transport.py",
        "if not address.is_global:",
        "if False:",
        CALLS + "test_a_name_that_resolves_to_a_private_address_is_refused",
    ),
    Guard(
        "invariant 8: `base_url` is for development only",
        "orchestrator/marketplaces/session_request.py",
        "if not request.development:",
        "if False:",
        "tests/marketplaces/test_auth.py::test_base_url_is_refused_outside_development",
    ),
    Guard(
        "invariant 8: an organization's run touches no other's connections",
        "orchestrator/runs/selection.py",
        'if organization_id is not None and found[name].get("organization_id") != organization_id:',
        "if False:",
        CORE + "test_runs.py::test_a_run_of_one_organization_touches_no_other",
    ),
)
