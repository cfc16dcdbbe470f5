"""The guards of the invariants about records: once a tick, nothing lost, nothing twice, one bad apple."""

from __future__ import annotations

from tests.system.guards.guard import Guard

CORE = "tests/core/"
MARKET = "tests/marketplaces/ebay/"
RECORD_GUARDS = (
    Guard(
        "invariant 1: a tick's run is created once",
        "orchestrator/runs/start.py",
        "run_id = ids.tick_run_id(schedule_time, job)",
        "run_id = ids.tick_run_id(schedule_time, job) + ids.ulid(now, services.random)",
        CORE + "test_runs.py::test_a_tick_delivered_again_is_the_same_run",
    ),
    Guard(
        "invariant 1: a forced run has an id space of its own",
        "orchestrator/runs/start.py",
        "if schedule_time is None or schedule_time > received_at:",
        "if schedule_time is None:",
        CORE + "test_runs.py::test_a_forced_run_never_eats_the_real_tick",
    ),
    Guard(
        "invariant 1: the store's time tells a tick from a forced run",
        "orchestrator/runs/start.py",
        "received_at = services.store.now() or now",
        "received_at = now",
        CORE + "test_clocks.py::test_a_forced_run_just_before_a_tick_leaves_the_tick_its_run",
    ),
    Guard(
        "invariant 1: forced runs of one minute are different runs",
        "orchestrator/model/ids.py",
        'f"f-{received_at.astimezone(UTC):%Y%m%dT%H%M%SZ}',
        'f"f-{received_at.astimezone(UTC):%Y%m%dT%H%MZ}',
        CORE + "test_clocks.py::test_a_tick_delivered_early_is_not_taken_for_a_forced_run_before_it",
    ),
    Guard(
        "invariant 2: `since` moves only with the window's last page",
        "orchestrator/sync/stream_sync.py",
        "keep_progress(self._inside(window))\n            raise",
        "keep_progress(self._behind(window))\n            raise",
        CORE + "test_streams.py::test_since_moves_only_with_the_window",
    ),
    Guard(
        "invariant 2: look-back re-reads what is indexed late",
        "orchestrator/sync/windows.py",
        "min(cursor.since - terms.lookback, _back(until, span))",
        "min(cursor.since, _back(until, span))",
        CORE + "test_streams.py::test_what_is_indexed_late_is_found_by_lookback",
    ),
    Guard(
        "invariant 2: a window ends before the store's time",
        "orchestrator/sync/windows.py",
        "min(now, told or now) - stream.age",
        "now - stream.age",
        CORE + "test_clocks.py::test_a_worker_s_clock_costs_no_record",
    ),
    Guard(
        "invariant 2: a window ends before the marketplace's own clock",
        "orchestrator/sync/windows.py",
        "until = server_time - age\n",
        "until = window.until\n",
        CORE + "test_streams.py::test_a_window_ends_before_the_marketplace_s_own_clock",
    ),
    Guard(
        "invariant 2: an expired token starts the window again",
        "orchestrator/sync/stream_sync.py",
        "if restarts > RESTARTS:",
        "if restarts > 0:",
        CORE + "test_streams.py::test_an_expired_page_token_starts_the_window_again",
    ),
    Guard(
        "invariant 2: other settings start a new window",
        "orchestrator/sync/migration/versions.py",
        "if not windows.is_scope_of(known.scope, terms.stream, connection):",
        "if False:",
        CORE + "test_streams.py::test_other_settings_start_a_new_window",
    ),
    Guard(
        "invariant 3: an unchanged record is known by its digest",
        "orchestrator/sync/normalizer.py",
        "if earlier is None and self._is_known(key, content, known):",
        "if False:",
        CORE + "test_streams.py::test_an_unchanged_connection_costs_two_writes_and_two_reads",
    ),
    Guard(
        "invariant 3: what a snapshot has seen fits the digest it was stored with",
        "orchestrator/sync/page_writer.py",
        "seen=self.digest.seen_bits(), blind",
        "seen=window.seen, blind",
        CORE + "test_crashes.py::test_any_single_fault_changes_nothing_in_effect",
    ),
    Guard(
        "invariant 3: what a listing has shown is taken up as it was, whatever the digest forgets",
        "orchestrator/sync/digest.py",
        "self._forget(fold, oldest_day)",
        "pass",
        CORE + "test_digests.py::test_what_was_seen_outlives_what_is_forgotten",
    ),
    Guard(
        "invariant 3: a listed record stays listed when its old digest entry is forgotten",
        "orchestrator/sync/digest.py",
        "day >= oldest_day or mark for",
        "day >= oldest_day for",
        CORE
        + "test_deletions.py::test_a_record_edited_after_its_digest_entry_grew_old_is_not_taken_as_vanished",
    ),
    Guard(
        "invariant 3: nothing is taken as vanished from a short listing",
        "orchestrator/sync/vanished.py",
        "if total is not None and total != window.read:",
        "if False:",
        CORE + "test_deletions.py::test_a_short_listing_deletes_nothing",
    ),
    Guard(
        "invariant 3: nothing is taken as vanished where the count changes during the scan",
        "orchestrator/sync/stream_sync.py",
        "self._normalizer.blind = self._normalizer.blind or self._is_recounted",
        "pass",
        CORE + "test_deletions.py::test_a_count_that_changes_during_the_scan_deletes_nothing",
    ),
    Guard(
        "invariant 2: `since` stays if a listing ends before the marketplace's count",
        "orchestrator/sync/stream_sync.py",
        "if not self._is_short(window):\n",
        "if True:\n",
        CORE + "test_odd_listings.py::test_a_listing_that_ends_early_is_no_success",
    ),
    Guard(
        "invariant 2: a listing that repeats itself ends",
        "orchestrator/sync/stream_sync.py",
        "self._repeats.refuse(window)",
        "pass",
        CORE + "test_odd_listings.py::test_a_marketplace_that_repeats_itself_fails_the_stream_soon",
    ),
    Guard(
        "invariant 2: empty pages that were read stay read, also before an error",
        "orchestrator/sync/pages.py",
        "if token == first:\n",
        "if not records:\n",
        CORE + "test_odd_listings.py::test_empty_spans_are_progress_also_before_an_error",
    ),
    Guard(
        "invariant 6: a refusal belongs to its stream",
        "orchestrator/tasks/ending.py",
        "refused_at=task.finished_at if is_whole else None,",
        "refused_at=task.finished_at if attention else None,",
        CORE + "test_refusals.py::test_a_403_on_one_endpoint_leaves_the_other_streams_syncing",
    ),
    Guard(
        "invariant 6: a limiter of the whole key binds all streams",
        "orchestrator/sync/streams.py",
        "bound = names if is_shared else [name]",
        "bound = [name]",
        CORE + "test_refusals.py::test_a_limiter_of_the_whole_key_binds_all_streams",
    ),
    Guard(
        "invariant 6: a record that the marketplace cannot show does not count as vanished",
        "orchestrator/sync/normalizer.py",
        "self._see_named(each.record_id, digest)",
        "pass",
        CORE
        + "test_unshown.py::test_a_hidden_product_is_not_taken_as_vanished_and_its_reject_goes_with_the_next"
        "_listing",
    ),
    Guard(
        "invariant 3: what changed during a reconcile is not taken as vanished",
        "orchestrator/sync/stream_sync.py",
        "return sorted(normalizer.suspects), set(gone) - normalizer.suspects",
        "return sorted(gone), set(gone) - normalizer.suspects",
        CORE + "test_deletions.py::test_what_changes_during_a_reconcile_is_not_taken_as_vanished",
    ),
    Guard(
        "invariant 3: a part of a listing that could not be read has not vanished",
        "orchestrator/sync/stream_sync.py",
        "return [], normalizer.suspects",
        "pass",
        "tests/marketplaces/amazon/test_amazon_cases.py"
        "::test_levels_at_amazon_do_not_vanish_while_amazon_refuses_to_list_them",
    ),
    Guard(
        "invariant 2: sales of Takealot's that come short of its count are not complete",
        "orchestrator/marketplaces/takealot/listings.py",
        "if told is not None and came < told:",
        "if told is not None and came < 0:",
        "tests/marketplaces/takealot/test_takealot_short.py"
        "::test_a_day_of_which_rows_are_missing_fails_the_stream",
    ),
    Guard(
        "invariant 2: a search of Amazon's for listings that ends early continues",
        "orchestrator/marketplaces/amazon/listing_search.py",
        "return read < found.number_of_results",
        "return False",
        "tests/marketplaces/amazon/test_amazon_hidden.py"
        "::test_a_search_for_listings_that_ends_early_continues_from_its_last_time",
    ),
    Guard(
        "invariant 4, rules 1 and 10: every commit is made on the state as it was read",
        "orchestrator/tasks/ending.py",
        "Update(path, document, version=snapshot.version)",
        "Update(path, document)",
        CORE + "test_crashes.py::test_a_holder_that_wakes_up_late_writes_nothing",
    ),
    Guard(
        "invariant 2: a stalled removal deletes nothing of the connection that was added again",
        "orchestrator/operators/pause.py",
        "if snapshot is None or not state.removing or state.removed_at != self._began_at:",
        "if snapshot is None:",
        CORE
        + "test_second_lives.py::"
        + "test_a_purge_that_goes_on_after_the_connection_was_added_again_deletes_nothing_of_it",
    ),
    Guard(
        "invariant 2: a purge ends with its own removal",
        "orchestrator/operators/pause.py",
        "if snapshot is None or not state.removing or state.removed_at != self._began_at:",
        "if snapshot is None or not state.removing:",
        CORE + "test_second_lives.py::test_a_purge_of_another_removal_is_not_carried_on",
    ),
    Guard(
        "invariant 2: a connection is not added while one of its id is being removed",
        "orchestrator/operators/connections.py",
        "    if state.removing:\n        raise NotPossible(",
        "    if False:\n        raise NotPossible(",
        CORE
        + "test_second_lives.py::"
        + "test_an_interrupted_purge_is_not_forgotten_by_an_add_and_finished_by_the_same_command",
    ),
    Guard(
        "invariant 2: a worker that closes its task keeps the removal that has begun",
        "orchestrator/tasks/holder.py",
        "removing=found.removing,",
        "removing=False,",
        CORE
        + "test_second_lives.py::"
        + "test_a_removal_is_kept_by_a_worker_that_closes_its_task_at_the_same_moment",
    ),
    Guard(
        "records: a connection that changes hands has its records written for the new owner",
        "orchestrator/sync/normalizer.py",
        "connection.keep_raw,\n        connection.organization_id,",
        "connection.keep_raw,",
        CORE
        + "test_record_documents.py::test_a_record_is_written_once_more_when_its_connection_changes_hands",
    ),
    Guard(
        "records: a vanished order leaves the lists and sums",
        "orchestrator/model/records/document.py",
        'if stream == "orders" else {}',
        'if stream == "none" else {}',
        CORE + "test_record_documents.py::test_a_vanished_order_leaves_the_lists_and_sums",
    ),
    Guard(
        "records: `synced_at` is the time of the commit",
        "orchestrator/sync/page_writer.py",
        "Put(write.path, {**write.data, SYNCED_AT: now})",
        "write",
        CORE + "test_record_documents.py::test_synced_at_is_the_commit_s_time_by_the_store_s_clock",
    ),
    Guard(
        "personal data: Amazon is asked for no address without the connection's consent",
        "orchestrator/marketplaces/amazon/listings.py",
        "wants_place = session.store_buyer_pii or session.settings.destination",
        "wants_place = True",
        "tests/marketplaces/amazon/test_amazon.py::test_orders_of_all_marketplaces_are_asked_for_at_once",
    ),
    Guard(
        "records: a discount of Amazon's lowers the price, whatever its sign",
        "orchestrator/marketplaces/amazon/order_parts/proceeds.py",
        'return amount and Money(amount.amount.removeprefix("-"), amount.currency)',
        "return amount",
        "tests/marketplaces/amazon/test_amazon_orders.py"
        "::test_a_discount_of_either_sign_is_split_by_its_subject",
    ),
    Guard(
        "records: nothing is left of a sale of Takealot's that is cancelled or given back",
        "orchestrator/marketplaces/takealot/sale_records.py",
        'frozenset({"cancelled", "refunded", "returned"})',
        "frozenset()",
        "tests/marketplaces/takealot/test_takealot_mapped.py"
        "::test_trap_a_cancelled_item_counts_in_the_total_but_not_in_the_net",
    ),
    Guard(
        "records: a document that is too large loses optional fields first",
        "orchestrator/model/records/document.py",
        "if _drop(document, name):",
        "if False:",
        CORE + "test_record_documents.py::test_a_large_document_sheds_optional_fields",
    ),
    Guard(
        "records: a kept row has no personal data unless they are stored",
        "orchestrator/sync/normalizer.py",
        "frozenset() if self._connection.store_buyer_pii else self._personal_fields",
        "frozenset()",
        CORE + "test_record_documents.py::test_a_row_is_kept_as_text_if_that_is_wanted",
    ),
    Guard(
        "records: an envelope is completed only in the version that was read",
        "orchestrator/operators/stored_records.py",
        "version=snapshot.version,",
        "version=None,",
        "tests/cli/test_records.py::test_a_record_that_is_synced_meanwhile_stays_as_it_was_written",
    ),
    Guard(
        "records: the tax that eBay collects is in its totals, because its breakdown is asked for",
        "orchestrator/marketplaces/ebay/listings.py",
        '("fieldGroups", "TAX_BREAKDOWN"),',
        "",
        MARKET + "test_ebay_sandbox.py::test_every_mapped_field_is_filled",
    ),
    Guard(
        "records: a tax that is not in an eBay total is not taken off the net",
        "orchestrator/marketplaces/ebay/order_amounts.py",
        "return tax, _value(tax) >= _value(collected)",
        "return tax, True",
        MARKET + "test_ebay_amounts.py::test_a_total_without_the_collected_tax_has_none_of_it",
    ),
    Guard(
        "records: an eBay refund that is told twice counts once",
        "orchestrator/marketplaces/ebay/order_amounts.py",
        "return by_line.pop(key)",
        "return parts",
        MARKET + "test_ebay_amounts.py::test_trap_a_refund_by_line_may_be_told_twice_or_only_at_its_line",
    ),
    Guard(
        "records: the destination of an eBay order is behind the hub",
        "orchestrator/marketplaces/ebay/order_people.py",
        "if row.ebay_supported_fulfillment is True:",
        "if False:",
        MARKET + "test_ebay_sandbox.py::test_trap_the_destination_is_behind_the_hub",
    ),
    Guard(
        "records: an eBay order without a parcel costs no detail call",
        "orchestrator/marketplaces/ebay/tracking.py",
        "if not listed.hrefs:",
        "if False:",
        MARKET + "test_ebay_sandbox.py::test_orders_are_completed_with_one_call_for_those_with_parcels",
    ),
    Guard(
        "records: a list of a row's is unreadable if one of its items is",
        "orchestrator/marketplaces/values.py",
        " and len({*map(type, plain)}) == 1:",
        ":",
        "tests/marketplaces/test_typed_rows.py::test_a_list_with_other_items_is_unreadable",
    ),
)
