"""The guards of the second stage: details that cost calls of their own."""

from __future__ import annotations

from tests.system.guards.guard import Guard

CORE = "tests/core/"

DETAIL_GUARDS = (
    Guard(
        "invariant 3: an unchanged record costs no detail call",
        "orchestrator/sync/normalizer.py",
        "known == content or not self._asks_again)",
        "False)",
        CORE + "test_details.py::test_an_unchanged_row_costs_no_detail_call",
    ),
    Guard(
        "invariant 3: a slice that ends in a page has completed its rows for good",
        "orchestrator/sync/stream_sync.py",
        "elif stored := self._normalizer.stored():",
        'elif stored := b"":',
        CORE + "test_details.py::test_a_slice_that_ends_in_a_page_keeps_the_rows_done",
    ),
    Guard(
        "invariant 2: only the last commit of completed rows counts all of them as stored",
        "orchestrator/sync/details.py",
        "writer.write(group, writer.cursor)",
        "writer.write(group, cursor())",
        CORE + "test_details.py::test_a_commit_that_fails_in_a_batch_loses_no_row",
    ),
    Guard(
        "invariant 2: a row changed back within an unfinished page is stored again",
        "orchestrator/sync/normalizer.py",
        "== content and (is_held or known is None):",
        "is not None and True:",
        CORE + "test_details.py::test_a_change_back_within_an_unfinished_page_is_stored",
    ),
    Guard(
        "invariant 3: rows completed before a call that hangs are stored",
        "orchestrator/sync/details.py",
        "return list(rows), error",
        "return [], error",
        CORE + "test_details.py::test_a_call_that_hangs_does_not_cost_the_rows_before_it",
    ),
    Guard(
        "invariant 4: a slice ends in the middle of a page's details",
        "orchestrator/sync/details.py",
        "SliceOver() if self._task.time_left() <= 0 else None",
        "None",
        CORE + "test_details.py::test_a_slice_that_ends_in_a_page_keeps_the_rows_done",
    ),
    Guard(
        "invariant 5: a record without its details does not count as complete",
        "orchestrator/sync/normalizer.py",
        "(key, incomplete(content) if content == change.content else content, day)",
        "(key, content, day)",
        CORE + "test_missing_details.py::test_a_reconcile_asks_for_missing_details_and_fails_no_tick",
    ),
    Guard(
        "invariant 5: one record whose details fail does not stop its stream",
        "orchestrator/sync/details.py",
        "is_narrowed = self._attempt > 1 or any",
        "is_narrowed = any",
        CORE + "test_missing_details.py::test_one_bad_apple_is_stored_without_its_details",
    ),
    Guard(
        "invariant 4: rows that failed together are completed one by one, each for good",
        "orchestrator/sync/details.py",
        "self._single = len(changes) - 1\n        return self._complete(changes[:1])",
        "return [row for change in changes for row in self._complete([change])]",
        CORE + "test_details.py::test_rows_that_failed_together_need_not_fit_one_slice",
    ),
    Guard(
        "records: more rows than were to be completed are no answer",
        "orchestrator/sync/details.py",
        "if not 0 < len(rows) <= len(changes):",
        "if not rows:",
        CORE + "test_missing_details.py::test_too_few_or_too_many_completed_rows_fail_the_page",
    ),
    Guard(
        "invariant 5: details that make no sense do not cost the record that is listed",
        "orchestrator/sync/normalizer.py",
        "except Exception as error:  # noqa: BLE001 - details that make no sense cost their record no more",
        "except ZeroDivisionError as error:",
        CORE + "test_missing_details.py::test_a_record_whose_details_make_no_sense_is_stored_as_listed",
    ),
    Guard(
        "invariant 2: an outage of details fails the page",
        "orchestrator/sync/details.py",
        "if self._failed >= OUTAGE_ROWS:",
        "if False:",
        CORE + "test_missing_details.py::test_an_outage_stores_nothing_without_details",
    ),
    Guard(
        "records: a row with an unreadable detail keeps its amounts exact",
        "orchestrator/marketplaces/typed_rows.py",
        "self._loose = msgspec.json.Decoder(kind, float_hook=_number)",
        "self._loose = msgspec.json.Decoder(kind)",
        "tests/marketplaces/test_typed_rows.py::test_a_detail_of_any_kind_keeps_all_digits_of_its_numbers",
    ),
    Guard(
        "records: a number that Python cannot express costs its detail alone",
        "orchestrator/marketplaces/typed_rows.py",
        "return _NO_NUMBER",
        "raise",
        "tests/marketplaces/test_typed_rows.py"
        "::test_a_number_that_python_cannot_express_costs_its_detail_alone",
    ),
    Guard(
        "large answers: a wait that nobody wants any more is no connector's defect",
        "orchestrator/sync/details.py",
        "except (Crowded, Lost, SyncError):",
        "except (Lost, SyncError):",
        "tests/core/test_large_pages.py::test_a_cancelled_task_does_not_wait_for_its_turn",
    ),
    Guard(
        "records: the fees of a sale of Takealot's are exact",
        "orchestrator/marketplaces/takealot/sale_records.py",
        "_sales = msgspec.json.Decoder(list[Sale], float_hook=exact)",
        "_sales = msgspec.json.Decoder(list[Sale])",
        "tests/marketplaces/takealot/test_takealot_mapped.py::test_fees_are_exact",
    ),
)
