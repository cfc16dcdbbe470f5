"""The guards of the command line's promises."""

from __future__ import annotations

from tests.system.guards.guard import Guard

CLI_GUARDS = (
    Guard(
        "command line: no text in CSV is a formula",
        "orchestrator/cli/csv_rows.py",
        """return f"'{harmless}" if harmless.startswith(_FORMULA) else harmless""",
        "return harmless",
        "tests/cli/test_frame.py::test_no_text_in_csv_is_a_formula",
    ),
    Guard(
        "command line: no command ends with a traceback",
        "orchestrator/cli/app.py",
        "    except Exception as error:",
        "    except OSError as error:",
        "tests/cli/test_frame.py::test_a_defect_is_one_line",
    ),
    Guard(
        "command line: a table breaks no word of a column that it shows",
        "orchestrator/cli/tables.py",
        "*(_word(text) for text in (column, *(row[at] for row in texts)))",
        "0",
        "tests/cli/test_narrow.py::test_no_word_is_ever_broken",
    ),
    Guard(
        "command line: a pipe gets every column",
        "orchestrator/cli/output.py",
        "screen.width = _WIDE",
        "screen.width = 80",
        "tests/cli/test_narrow.py::test_a_pipe_gets_every_column",
    ),
    Guard(
        "command line: arguments that are no text are refused",
        "orchestrator/cli/app.py",
        "if not _is_text(word):",
        "if False:",
        "tests/cli/test_frame.py::test_an_argument_that_is_no_text_is_wrong_usage",
    ),
    Guard(
        "command line: the price of a day is bounded in reads, and says so",
        "orchestrator/operators/spending.py",
        "while read < MOST_RUNS:",
        "while True:",
        "tests/cli/test_cost.py::test_reading_is_bounded",
    ),
    Guard(
        "command line: the doctor finds ticks that have stopped",
        "orchestrator/operators/checks.py",
        "    if ticks.silent_for(now) is None:",
        "    if True:",
        "tests/cli/test_doctor.py::test_stopped_ticks_are_found",
    ),
    Guard(
        "command line: an expired login is told from an outage",
        "orchestrator/adapters/google/calls.py",
        " or _NOT_LOGGED_IN in fault",
        "",
        "tests/adapters/test_reach.py::test_an_expired_login_is_told_from_an_outage",
    ),
)
