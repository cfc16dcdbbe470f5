"""The guards of the promise that a deployment which ends well works, down to its worker."""

from __future__ import annotations

from tests.system.guards.guard import Guard

TICK = "tests/delivery/terraform/test_tick.py::"
DEPLOY_GUARDS = (
    Guard(
        "deployment: the worker is waited for, also by a run that is over at once",
        "terraform/proof.py",
        "while not _has_moved(run) and self._heal() <= before.heal:",
        "while not _has_moved(run) and run.dispatch:",
        TICK + "test_without_a_worker_the_deployment_has_failed",
    ),
    Guard(
        "deployment: a run that the HTTP function recorded proves no worker",
        "terraform/proof.py",
        "    if not shares:\n        return False\n",
        "",
        TICK + "test_without_a_worker_the_deployment_has_failed",
    ),
    Guard(
        "deployment: a heal less than a minute before does not hide the worker",
        "terraform/proof.py",
        "if not run.dispatch and wait.waited_s > resend_at:",
        "if False and wait.waited_s > resend_at:",
        TICK + "test_a_heal_of_another_tick_just_before_does_not_hide_the_worker",
    ),
    Guard(
        "deployment: the wait for the worker ends with the run's time",
        "terraform/proof.py",
        "self._wait(min(self.patience.worker_s, max(0.0, left)))",
        "self._wait(self.patience.worker_s)",
        TICK + "test_the_wait_for_the_worker_ends_with_the_run",
    ),
    Guard(
        "deployment: a run that is never closed ends the wait",
        "terraform/proof.py",
        "            if clock.now() > deadline_at:\n",
        "            if clock.now() > deadline_at.replace(hour=7):\n",
        TICK + "test_a_run_that_is_never_closed_is_bounded_by_its_deadline",
    ),
    Guard(
        "deployment: a refused tick is sent again",
        "terraform/proof.py",
        "if attempt != seen and attempt.is_refusal:",
        "if False and attempt.is_refusal:",
        TICK + "test_a_refused_tick_is_sent_again",
    ),
    Guard(
        "deployment: only a missing permission is waited for",
        "terraform/waiting.py",
        "if not may_pass or wait.waited_s >= wait.limit_s:",
        "if wait.waited_s >= wait.limit_s:",
        "tests/delivery/terraform/test_permissions.py::test_another_refusal_of_gcloud_is_an_error_at_once",
    ),
    Guard(
        "deployment: `partial` is no failure, and `failed` is one",
        "terraform/tick.py",
        "        case RunStatus.FAILED:\n",
        "        case RunStatus.FAILED | RunStatus.PARTIAL:\n",
        TICK + "test_partial_is_a_deployment",
    ),
    Guard(
        "deployment: the status interface has to show this run",
        "terraform/proof.py",
        'if found.get("run_id") != run_id or',
        "if",
        TICK + "test_a_status_interface_of_another_store_is_an_error",
    ),
    Guard(
        "deployment: the worker of continuations is waited for",
        "terraform/proof.py",
        "        self._backfill_answers()\n",
        "",
        TICK + "test_without_the_worker_of_continuations_the_deployment_has_failed",
    ),
    Guard(
        "deployment: only an answer proves the worker of continuations",
        "terraform/backfill.py",
        "from_document(CheckRequest, each.data).answered_at is not None for each in found",
        "from_document(CheckRequest, each.data) is not None for each in found",
        TICK + "test_without_the_worker_of_continuations_the_deployment_has_failed",
    ),
    Guard(
        "deployment: the worker of continuations is asked again before a question is too old",
        "terraform/backfill.py",
        "ask_at = wait.waited_s + _AGAIN_S",
        "ask_at = wait.limit_s * 2",
        TICK + "test_a_late_worker_of_continuations_is_asked_again",
    ),
)
