"""Google's Firestore and Pub/Sub emulators, from the Google Cloud SDK.

They are started without `gcloud`, which would add a process and a second to each.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.processes import Processes, free_ports

_INFO_TIMEOUT_S = 30.0
_HEAP = "-Xmx1g"
#: The main class: the archive does not name it, but the SDK's own start script does.
_FIRESTORE_CLASS = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"


class EmulatorsMissing(Exception):
    """This machine lacks an emulator or Java; the message says how to install it."""


@dataclass(frozen=True, slots=True)
class Emulators:
    """Addresses of the two emulators, as `host:port`."""

    firestore_host: str
    pubsub_host: str

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables from which Google's client libraries read the addresses."""
        return {"FIRESTORE_EMULATOR_HOST": self.firestore_host, "PUBSUB_EMULATOR_HOST": self.pubsub_host}


@contextmanager
def environment_kept() -> Iterator[None]:
    """Undo changes to this process's environment at the end: emulators that are gone must not be asked."""
    before = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def start_emulators(processes: Processes, ports: Sequence[int] = ()) -> Emulators:
    """Start both and wait until they answer.

    Args:
        processes: Starts and ends them.
        ports: Firestore's and Pub/Sub's; by default free ones.

    Raises:
        EmulatorsMissing: This machine lacks one of them; nothing was started.
        StackFailed: One of them did not answer.
    """
    java, firestore, pubsub = _java(), _jar("cloud-firestore-emulator"), _jar("pubsub-emulator")
    ports = ports or free_ports(2)
    names = ("firestore-emulator", "pubsub-emulator")
    programs = (["-cp", str(firestore), _FIRESTORE_CLASS, "start"], ["-jar", str(pubsub)])
    for name, program, port in zip(names, programs, ports, strict=True):
        command = [java, _HEAP, "-Duser.language=en", *program, "--host=127.0.0.1", f"--port={port}"]
        processes.start(name, command, os.environ)
    for name, port in zip(names, ports, strict=True):
        processes.wait_ready(name, f"http://127.0.0.1:{port}/")
    return Emulators(*(f"127.0.0.1:{port}" for port in ports))


def _java() -> str:
    java = shutil.which("java")
    if java is None:
        raise EmulatorsMissing("the emulators need Java 17 or later, but there is no `java` on the PATH")
    return java


def _jar(component: str) -> Path:
    found = sorted((_sdk_root() / "platform" / component).rglob("*emulator*.jar"))
    if not found:
        raise EmulatorsMissing(
            f"the Google Cloud SDK lacks {component}: "
            f"run `gcloud components install {component}`, or install the package of that name"
        )
    return found[-1]


@functools.cache
def _sdk_root() -> Path:
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        raise EmulatorsMissing(
            "the emulators are part of the Google Cloud SDK, but there is no `gcloud` on the PATH"
        )
    beside = Path(gcloud).resolve().parent.parent
    if (beside / "platform").is_dir():
        return beside
    try:
        answer = subprocess.run(
            [gcloud, "info", "--format=value(installation.sdk_root)"],
            capture_output=True,
            text=True,
            timeout=_INFO_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise EmulatorsMissing(
            f"`gcloud info` did not print the folder of the Google Cloud SDK: {error}"
        ) from error
    return Path(answer.stdout.strip())
