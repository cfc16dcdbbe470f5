"""Errors: the names that documents and logs hold."""

from __future__ import annotations

from orchestrator import errors

KINDS = (
    *("error", "settings_invalid", "message_invalid", "connection_invalid", "record_invalid"),
    *("store_error", "conflict", "store_unavailable", "write_rejected", "queue_unavailable"),
    *("changes_unavailable", "log_unavailable"),
    *("secret_error", "secret_missing", "secret_unavailable"),
    *("marketplace_error", "rate_limited", "marketplace_unavailable", "credentials_rejected"),
    *("permission_denied", "request_rejected", "response_invalid", "page_token_expired"),
    *("request_error", "not_found", "not_possible"),
)


def test_kinds_are_the_stored_ones() -> None:
    """Stored documents and alerts name these kinds, so no class may be renamed unnoticed."""
    classes = [
        each
        for each in vars(errors).values()
        if isinstance(each, type)
        and issubclass(each, errors.SyncError)
        # For its catchers; documents have the kind of its base.
        and each is not errors.SecretAbsent
    ]

    assert sorted(each.kind for each in classes) == sorted(KINDS)
