"""`marketplace-sync vault …`."""

from __future__ import annotations

import argparse

from rich.console import Console

from orchestrator.cli.actor import actor
from orchestrator.cli.answer import Answer, Commands, command
from orchestrator.cli.output import print_faults, safe, table
from orchestrator.model.vault import KeysStatus
from orchestrator.operators.sellers import keysets
from orchestrator.operators.sellers.keysets import VaultView
from orchestrator.services import Services


def add_parsers(commands: Commands) -> None:
    """Describe the commands."""
    command(
        commands,
        "init",
        _init,
        "have the worker make the first keyset; one that exists is left as it is",
        "marketplace-sync vault init",
        note="`make run` does it by itself; after a deployment it may be repeated.",
    )
    command(
        commands,
        "rotate",
        _rotate,
        "have the worker encrypt every credential with a new key, then drop the old ones",
        "marketplace-sync vault rotate",
        note="It takes ten minutes at least: the old keys stay until no process has them in memory. Repeat "
        "it to continue a rotation that was broken off.",
    )
    command(
        commands,
        "status",
        _status,
        "show the keys' ids and the progress of a rotation",
        "marketplace-sync vault status",
    )


def _init(services: Services, _options: argparse.Namespace) -> Answer:
    keys, is_new = keysets.init(services, by=actor(services))
    value = {"created": is_new, "key": keys.primary}
    told = "has a keyset now" if is_new else "has a keyset already; nothing is changed"
    return Answer(value, f"The vault {told}: key {keys.primary}")


def _rotate(services: Services, _options: argparse.Namespace) -> Answer:
    state = keysets.rotate(services, by=actor(services))
    lines = ["The worker rotates the keys; it takes ten minutes at least. Follow it:"]
    return Answer(state, "\n".join([*lines, "  marketplace-sync vault status"]))


def _status(services: Services, _options: argparse.Namespace) -> Answer:
    view = keysets.status(services)
    return Answer(view, lambda screen: _print(screen, view))


def _print(screen: Console, view: VaultView) -> None:
    rows: list[tuple[str, object]] = [
        ("key", str(view.key) if view.key is not None else "none yet: marketplace-sync vault init"),
        ("older keys", ", ".join(str(key) for key in view.keys if key != view.key)),
        ("credentials", view.credentials),
    ]
    state = view.state
    if state is not None:
        rows += [
            (f"last {state.action.value}", state.status.value),
            ("requested", f"{state.requested_at:%Y-%m-%d %H:%M}Z by {state.requested_by}"),
            ("encrypted again", state.resealed),
            ("cannot be read", state.unreadable_count),
            ("finished", state.finished_at),
            ("error", state.error),
        ]
    screen.print(table("vault", ("", ""), rows))
    print_faults(screen, [view.fault] if view.fault else [])
    if state is not None and state.status is KeysStatus.BLOCKED:
        names = ", ".join(map(safe, state.unreadable))
        screen.print(
            f"The old keys stay, because these credentials cannot be read: {names}. Set each again "
            "(connections set ID --secret-file -), or remove its connection; then repeat `vault rotate`",
            style="red",
        )
