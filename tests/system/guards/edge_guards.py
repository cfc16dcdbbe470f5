"""The guards of the functions' edge."""

from __future__ import annotations

from tests.system.guards.guard import Guard

_WORKER = "tests/edge/test_worker_events.py::"

EDGE_GUARDS = (
    Guard(
        "rule 6: a request that the framework refuses is a dead letter before it is acknowledged",
        "functions/events.py",
        "        app.register_error_handler(kind, bury)\n",
        "        app.register_error_handler(kind, lambda _error: ('acknowledged', 200))\n",
        _WORKER + "test_a_request_that_cannot_be_kept_is_delivered_again",
    ),
    Guard(
        "rule 6: a request that is no event is a dead letter before it is acknowledged",
        "functions/events.py",
        "                return bury()\n",
        '                return "acknowledged", 200\n',
        _WORKER + "test_a_request_without_a_readable_message_is_dead_lettered",
    ),
    Guard(
        "rule 6: a request that was not read is not acknowledged",
        "functions/events.py",
        '            return _refuse(f"a request is larger than {LARGEST_EVENT:,} bytes", 413)\n',
        '            return "acknowledged", 200\n',
        _WORKER + "test_a_request_that_is_too_large_is_left_to_pubsub",
    ),
    Guard(
        "rule 6: a dead letter of a strange request can be replayed if a good message is in it",
        "functions/events.py",
        "        return _envelope.decode(body).message\n",
        "        return PubsubMessage(data=body)\n",
        _WORKER + "test_a_dead_letter_holds_the_message_of_its_request",
    ),
    Guard(
        "callers: a secret that nobody can look up now is not refused",
        "functions/auth/scheduler_secret.py",
        "            if self._is_unread:\n",
        "            if False:\n",
        "tests/edge/test_good_callers.py::test_new_secret_during_an_outage_is_not_refused",
    ),
    Guard(
        "callers: a key that nobody can look up now is not refused",
        "functions/auth/certificates.py",
        "                if self._keys is None or self._keys is keys:\n",
        "                if self._keys is None:\n",
        "tests/edge/test_certificates.py::test_answer_is_503_to_a_new_key_without_certificates",
    ),
    Guard(
        "operators: a slow metric keeps no status waiting",
        "orchestrator/adapters/google/backlog.py",
        "        asking.join(wait_s)\n",
        "        asking.join()\n",
        "tests/adapters/test_backlog.py::test_a_slow_metric_keeps_nobody_waiting",
    ),
)
