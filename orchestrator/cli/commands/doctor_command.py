"""`marketplace-sync doctor`: checks of the environment, the store, the queue and the secrets."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Iterator
from functools import partial
from importlib import metadata

from rich.console import Console

from orchestrator import VERSION, wiring
from orchestrator.cli.answer import Answer, Commands, command
from orchestrator.cli.faults import ENVIRONMENT_ACTION, FAILED
from orchestrator.cli.output import cell, safe
from orchestrator.errors import SettingsInvalid, SyncError
from orchestrator.operators import checks
from orchestrator.operators.checks import Check, Result
from orchestrator.services import Services
from orchestrator.settings import Settings

_PACKAGES = ("google-cloud-firestore", "google-cloud-secret-manager", "google-auth", "grpcio", "msgspec")


def add_parser(commands: Commands) -> None:
    """Describe the command."""
    one = command(
        commands,
        "doctor",
        _doctor,
        "check the environment, credentials, store, queue, secrets, clock and ticks",
        "marketplace-sync doctor",
        note="Nothing is changed. The exit code is 1 if a check failed.",
    )
    one.set_defaults(needs_services=False)


def _doctor(_services: Services | None, _options: argparse.Namespace) -> Answer:
    found = list(_checks())
    code = FAILED if any(check.result is Result.FAILED for check in found) else 0
    return Answer(found, lambda screen: _print(screen, found), code)


def _checks() -> Iterator[Check]:
    yield _versions()
    try:
        settings = Settings.from_environment(os.environ)
    except SettingsInvalid as error:
        yield Check(
            name="environment", result=Result.FAILED, finding=error.message, remedy=ENVIRONMENT_ACTION
        )
        return
    finding = f"{settings.environment}: SYNC_STORE={settings.sync_store} SYNC_QUEUE={settings.sync_queue}"
    yield Check(name="environment", result=Result.OK, finding=finding)
    try:
        services = wiring.build(settings, delivers=False)
    except SyncError as error:
        yield checks.failed("store", error)
        return
    yield from checks.look(
        services,
        caller=partial(wiring.caller, settings),
        queue=partial(wiring.reach_queue, settings),
        # Taking none tells whether they can be read.
        dead_letters=lambda: wiring.dead_letters(settings).take(0),
    )


def _versions() -> Check:
    packages = []
    for name in _PACKAGES:
        try:
            packages.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            packages.append(f"{name} is missing")
    finding = f"marketplace-sync {VERSION}, Python {platform.python_version()}, {', '.join(packages)}"
    if any(each.endswith("missing") for each in packages):
        return Check(name="versions", result=Result.FAILED, finding=finding, remedy="make setup")
    return Check(name="versions", result=Result.OK, finding=finding)


def _print(screen: Console, found: list[Check]) -> None:
    for check in found:
        line = cell(check.result.value)
        line.append(
            f"{' ' * (8 - len(check.result))}{safe(check.name)}: {safe(check.finding)}", style="default"
        )
        screen.print(line, soft_wrap=True)
        if check.remedy:
            screen.print(f"        {safe(check.remedy)}", soft_wrap=True)
    bad = sum(check.result is Result.FAILED for check in found)
    doubtful = sum(check.result is Result.WARNING for check in found)
    screen.print(f"{bad} failed, {doubtful} to look at, of {len(found)} checks.")
