"""The guards of the vault."""

from __future__ import annotations

from tests.system.guards.guard import Guard

VAULT = "tests/vault/"

VAULT_GUARDS = (
    Guard(
        "vault: each part of the context has its length before it",
        "orchestrator/vault/credential.py",
        'return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)',
        'return b"".join(encoded)',
        VAULT + "test_credentials.py::test_parts_of_the_context_cannot_run_into_each_other",
    ),
    Guard(
        "vault: a credential is encrypted for its target",
        "orchestrator/vault/credential.py",
        'for name in sorted({*connector.target, "base_url"}):',
        'for name in ("base_url",):',
        VAULT + "test_credentials.py::test_a_credential_opens_for_its_own_connection_and_target_alone",
    ),
    Guard(
        "vault: a renewed token overwrites nothing that a person has set meanwhile",
        "orchestrator/vault/credential.py",
        "if stored.set_at != set_at:",
        "if False:",
        VAULT + "test_credentials.py::test_a_rotated_token_never_overwrites_what_a_person_has_set",
    ),
    Guard(
        "vault: the token before a renewed one is under the new one's key",
        "orchestrator/vault/credential.py",
        "if stored.key_id == key_id:",
        "if True:",
        VAULT + "test_rotation.py::test_a_token_that_is_renewed_during_a_rotation_keeps_the_one_before_it",
    ),
    Guard(
        "vault: an unknown key has the keyset read again",
        "orchestrator/adapters/vault.py",
        "        if key_id not in keyset.key_ids().ids:\n            keyset = ",
        "        if False:\n            keyset = ",
        VAULT + "test_credentials.py::test_an_unknown_key_has_the_keyset_read_again_once",
    ),
    Guard(
        "vault: a public keyset that was exchanged is not rotated",
        "orchestrator/vault/keys.py",
        """        if self._vault.has_foreign_keys():
            raise self._foreign()
        if self._state.from_key is None:""",
        """        if self._state.from_key is None:""",
        VAULT + "test_rotation.py::test_a_keyset_that_does_not_fit_is_not_rotated",
    ),
    Guard(
        "vault: a rotation that is repeated adds no second key",
        "orchestrator/vault/keys.py",
        "if held.primary == self._state.from_key:",
        "if True:",
        VAULT + "test_rotation.py::test_a_rotation_may_be_broken_off_anywhere",
    ),
    Guard(
        "vault: old keys stay until no process has them in memory",
        "orchestrator/vault/keys.py",
        'self._commit(after="", is_last_pass=True, unreadable=(), unreadable_count=0)',
        "break",
        VAULT + "test_rotation.py::test_old_keys_stay_until_nobody_has_them_in_memory",
    ),
    Guard(
        "vault: old keys stay while a credential cannot be read",
        "orchestrator/vault/keys.py",
        "if self._state.unreadable_count:",
        "if False:",
        VAULT + "test_rotation.py::test_a_credential_that_cannot_be_read_keeps_the_old_keys",
    ),
    Guard(
        "vault: one worker at a time is at the keys",
        "orchestrator/vault/keys.py",
        "if state.is_held(now):",
        "if False:",
        VAULT + "test_rotation.py::test_one_worker_at_a_time",
    ),
    Guard(
        "vault: a keyset that exists is never replaced",
        "orchestrator/operators/sellers/keysets.py",
        "if (known := vault.published()) is not None:",
        "if (known := vault.published()) is not None and False:",
        VAULT + "test_rotation.py::test_the_first_keyset_is_made_once",
    ),
    Guard(
        "vault: a change of the target asks for the credential again",
        "orchestrator/operators/sellers/changing.py",
        "if known != context_of(connector, before.id, after):",
        "if False:",
        VAULT + "test_people.py::test_a_change_of_the_target_asks_for_the_credential",
    ),
    Guard(
        "vault: a check is made for somebody who waits alone",
        "orchestrator/vault/trial.py",
        "if began_at >= asked.requested_at + ASKED:",
        "if False:",
        VAULT + "test_people.py::test_a_check_that_nobody_answers_ends",
    ),
    Guard(
        "a check replaces no refresh token while a task is open",
        "orchestrator/vault/renewal.py",
        "if state.open is not None:",
        "if False:",
        VAULT + "test_check_lease.py::test_a_check_waits_for_a_task_and_gives_up",
    ),
    Guard(
        "a check takes the lease before it replaces a refresh token",
        "orchestrator/vault/renewal.py",
        "if self._owner is not None:",
        "if True:",
        VAULT + "test_check_lease.py::test_a_token_is_replaced_under_the_lease[known-check]",
    ),
    Guard(
        "a task waits for a check that may be replacing the refresh token",
        "orchestrator/tasks/claim_table.py",
        "        if _is_held(view):\n            return Watch()  # somebody",
        "        if False:\n            return Watch()  # somebody",
        VAULT + "test_check_lease.py::test_a_task_waits_for_a_check",
    ),
    Guard(
        "a person's clock decides nothing that a worker's clock decides too",
        "orchestrator/services.py",
        "return self.store.now() or self.clock.now()",
        "return self.clock.now()",
        VAULT + "test_people.py::test_a_persons_clock_may_be_off[behind]",
    ),
)
