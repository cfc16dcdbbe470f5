"""The guards of the local stack: it tells the truth, and loses nothing unasked."""

from __future__ import annotations

from tests.system.guards.guard import Guard

STACK = "tests/system/stack/"

LOCAL_GUARDS = (
    Guard(
        "local stack: a tick that nobody answers keeps no other waiting",
        "local/ticks.py",
        "threading.Thread(target=self._deliver, args=(self.due,), daemon=True).start()",
        "self._deliver(self.due)",
        STACK + "test_ticks.py::test_a_tick_that_nobody_answers_keeps_no_other_waiting",
    ),
    Guard(
        "local stack: other options have another store",
        "local/folder.py",
        "if known is not None and known.name != wanted.name:",
        "if False:",
        STACK + "test_folder.py::test_other_data_has_another_store_and_the_first_one_stays",
    ),
    Guard(
        "local stack: a reset empties one store alone",
        "local/folder.py",
        "        if reset:\n            _remove_store(path)",
        "        if reset:\n            _remove_store(self.path)",
        STACK + "test_folder.py::test_a_reset_empties_the_store_of_this_data_alone",
    ),
    Guard(
        "local stack: a port is claimed before anybody listens to it",
        "local/ports.py",
        "fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "pass",
        STACK + "test_ports.py::test_a_second_stack_has_other_ports_before_the_first_listens",
    ),
    Guard(
        "local stack: a stack keeps its ports",
        "local/ports.py",
        "tried.insert(0, known[name])",
        "tried.append(known[name])",
        STACK + "test_ports.py::test_a_second_stack_has_other_ports_before_the_first_listens",
    ),
    Guard(
        "local stack: a fault of one account strikes no other",
        "local/sandbox/faults.py",
        "if account != fault.account:",
        "if False:",
        "tests/marketplaces/test_account_faults.py::test_one_account_is_refused_and_the_other_is_not",
    ),
    Guard(
        "command line: emulators that are gone are named at once",
        "orchestrator/wiring.py",
        "    if not delivers:\n        _require_emulators(settings)",
        "",
        "tests/adapters/test_wiring.py::test_a_command_is_told_that_the_emulators_are_gone",
    ),
)
