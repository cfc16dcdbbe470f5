"""The guards of the operators' page."""

from __future__ import annotations

from tests.system.guards.guard import Guard

GUARD = "orchestrator/page/guard.py"
REFUSED = "tests/page/test_guard.py::test_it_is_refused"
PAGE_GUARDS = (
    Guard(
        "the page: only its own address is answered",
        GUARD,
        'if request.environ.get("HTTP_HOST") != door.host:',
        "if False:",
        REFUSED,
    ),
    Guard(
        "the page: a form comes from its own origin",
        GUARD,
        'if request.headers.get("Origin") != door.origin:',
        "if False:",
        REFUSED,
    ),
    Guard(
        "the page: no session, no screen",
        GUARD,
        "if session is None:\n        raise Refused(",
        "if False:\n        raise Refused(",
        REFUSED,
    ),
    Guard(
        "the page: a form has its session's token",
        GUARD,
        'if request.method == "POST" and not compare_digest(',
        "if False and not compare_digest(",
        "tests/page/test_guard.py::test_a_form_needs_the_sessions_own_token",
    ),
    Guard(
        "the page: a link works once",
        GUARD,
        "            self._token = None\n            session",
        "            session",
        "tests/page/test_guard.py::test_a_link_works_once",
    ),
    Guard(
        "the page: it is shown in no frame",
        GUARD,
        "if fetched in _FRAMES:",
        "if False:",
        REFUSED,
    ),
    Guard(
        "the page: another site may link to it and do nothing else",
        GUARD,
        "if not is_link or fetched",
        "if False and fetched",
        REFUSED,
    ),
    Guard(
        "the page: every answer has the policy",
        "orchestrator/page/app.py",
        "    app.after_request(_secure)\n",
        "",
        "tests/page/test_guard.py::test_every_answer_is_secured",
    ),
    Guard(
        "the page: nothing is done without a confirmation",
        "orchestrator/page/actions.py",
        'if form.get("confirmed") != "yes":',
        "if False:",
        "tests/page/test_guard.py::test_the_first_click_only_tells",
    ),
    Guard(
        "the page: a viewer sees no button",
        "orchestrator/page/app.py",
        '"can_write": is_in and context.can_write(),',
        '"can_write": is_in,',
        "tests/page/test_buttons.py::test_a_viewer_sees_no_button",
    ),
    Guard(
        "the page: no cell of a file is a formula",
        "orchestrator/page/csv_cells.py",
        'return f"\'{text}" if text.startswith(_FORMULA) else text',
        "return text",
        "tests/page/test_screens.py::test_a_formula_becomes_a_text",
    ),
)
