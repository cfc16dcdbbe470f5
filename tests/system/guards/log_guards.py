"""The guards of the log, of the lines that alerts count, and of reading the log back."""

from __future__ import annotations

from tests.system.guards.guard import Guard

FLEET = "orchestrator/runs/fleet.py"
CLOUD = "orchestrator/adapters/google/cloud_logging.py"

LOG_GUARDS = (
    Guard(
        "log: a message names its connection by itself",
        "functions/logs.py",
        "redact(_subject(bound) + record.getMessage())",
        "redact(record.getMessage())",
        "tests/edge/test_logs.py::test_a_message_stands_alone",
    ),
    Guard(
        "log: the line of a closed run is not its last connection's",
        "orchestrator/runs/close.py",
        'with log_context.apart("connection_id", "marketplace", "stream"), log_context.bind(run_id=run_id):',
        "with log_context.bind(run_id=run_id):",
        "tests/core/test_log_lines.py::test_a_closed_run_is_about_all_its_connections",
    ),
    Guard(
        "log: a run without connections is closed in the log too, or the alert on silence lies",
        "orchestrator/runs/start.py",
        "        log_closed(run_id, run)\n",
        "        pass\n",
        "tests/core/test_log_lines.py::test_a_run_without_connections_is_told_too",
    ),
    Guard(
        "log: a skipped task says why",
        "orchestrator/tasks/claim.py",
        "        log_finished(task)\n",
        "",
        "tests/core/test_log_lines.py::test_a_skipped_task_says_why",
    ),
    Guard(
        "alerts: the fleet's state is logged at each heal",
        "orchestrator/runs/heal.py",
        "    fleet.tell(services)\n",
        "",
        "tests/core/test_fleet.py::test_each_tick_has_one_line_without_connections_too",
    ),
    Guard(
        "alerts: connections that need attention are no trouble of their marketplace",
        FLEET,
        "if tasks.failed - needs_attention > tasks.succeeded:",
        "if tasks.failed > tasks.succeeded:",
        "tests/core/test_fleet.py::test_a_connection_that_needs_attention_is_named_until_it_works",
    ),
    Guard(
        "alerts: a paused connection raises none",
        FLEET,
        'if connection is None or connection.data.get("status") != ConnectionStatus.ACTIVE:',
        "if connection is None:",
        "tests/core/test_fleet.py::test_a_paused_connection_is_not_named",
    ),
    Guard(
        "alerts: the named connections are bounded",
        FLEET,
        "        if named == NAMED:\n            return\n",
        "",
        "tests/core/test_fleet.py::test_at_most_some_are_named",
    ),
    Guard(
        "alerts: without the store the tick goes on",
        FLEET,
        "with suppress(StoreUnavailable), log_context",
        "with suppress(ZeroDivisionError), log_context",
        "tests/core/test_fleet.py::test_without_the_store_the_tick_goes_on",
    ),
    Guard(
        "refusals: the log's line is not taken for a credential",
        "functions/auth/gate.py",
        '"the Authorization header holds no token"',
        '"no bearer token"',
        "tests/edge/test_refused_lines.py::test_who_was_refused_and_why",
    ),
    Guard(
        "logs: pages are told apart by time and id",
        CLOUD,
        "if query.after is not None and (line.at, line.id) <= query.after:",
        "if query.after is not None and line.at <= query.after[0]:",
        "tests/adapters/test_cloud_logging.py::test_a_page_resumes_behind_a_line",
    ),
    Guard(
        "logs: an id is never a filter",
        CLOUD,
        """escaped = text.replace("\\\\", "\\\\\\\\").replace('"', '\\\\"')""",
        "escaped = text",
        "tests/adapters/test_cloud_logging.py::test_a_name_is_never_a_filter",
    ),
    Guard(
        "logs: an empty page is not the last one",
        CLOUD,
        "if not page.next_page_token:",
        "if not page.next_page_token or not page.entries:",
        "tests/adapters/test_cloud_logging.py::test_pages_are_followed_to_the_limit",
    ),
    Guard(
        "logs: a search ends",
        CLOUD,
        "if self._monotonic() > over_at:",
        "if False:",
        "tests/adapters/test_cloud_logging.py::test_an_endless_search_is_given_up",
    ),
)
