"""Errors as lines for people, and exit codes for scripts: no command ends with a traceback."""

from __future__ import annotations

import os
import sys
import traceback

from orchestrator.cli.tables import safe
from orchestrator.errors import (
    LogUnavailable,
    MarketplaceUnavailable,
    QueueUnavailable,
    RateLimited,
    SecretUnavailable,
    SettingsInvalid,
    StoreUnavailable,
    SyncError,
    locate,
)

FAILED = 1
UNREACHABLE = 4
DEFECT = 5
INTERRUPTED = 130
_TRY_AGAIN = (
    *(LogUnavailable, MarketplaceUnavailable, QueueUnavailable),
    *(RateLimited, SecretUnavailable, StoreUnavailable),
)

ENVIRONMENT_ACTION = (
    'take over the environment: eval "$(terraform -chdir=terraform/environments/dev output -raw '
    'command_line_environment)" for a deployment, or '
    "`set -a; . .local/env; set +a` for the stack of `make dev`"
)


def report(error: Exception) -> int:
    """Print an error in one line, its remedy in another; returns the exit code."""
    if isinstance(error, SyncError):
        message, action = error.message, error.action
        code = UNREACHABLE if isinstance(error, _TRY_AGAIN) else FAILED
        if isinstance(error, SettingsInvalid):
            action = action or ENVIRONMENT_ACTION
    elif isinstance(error, OSError):
        message = f"this machine refused: {error}"
        action, code = "correct the path, its permissions or the free space, and repeat the command", FAILED
    else:
        # The text of an unexpected exception may hold private data, so only its place is told.
        message, code = f"a defect of this program: {locate(error)}", DEFECT
        action = "report this line; with LOG_LEVEL=DEBUG the command also prints how it came to it"
    print(f"error: {safe(message)}", file=sys.stderr)
    if action:
        print(f"       {safe(action)}", file=sys.stderr)
    if code == DEFECT and os.environ.get("LOG_LEVEL") == "DEBUG":
        traceback.print_exception(error, file=sys.stderr)
    return code
