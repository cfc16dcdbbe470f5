"""Google's Firestore and Pub/Sub emulators, as the Google Cloud SDK installs them.

They are started without `gcloud`, which would add a process and a second to each.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from local.processes import Processes, free_ports

_INFO_TIMEOUT_S = 30.0
_HEAP = "-Xmx1g"
#: Its archive does not say what to run; the SDK's own script does.
_FIRESTORE_CLASS = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"


class EmulatorsMissing(Exception):
    """This machine lacks an emulator or Java; the message says which and how to get it."""


@dataclass(frozen=True, slots=True)
class Emulators:
    """Where the two emulators listen."""

    firestore_host: str
    pubsub_host: str

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables by which Google's client libraries find them."""
        return {"FIRESTORE_EMULATOR_HOST": self.firestore_host, "PUBSUB_EMULATOR_HOST": self.pubsub_host}


def start_emulators(processes: Processes) -> Emulators:
    """Start both on free ports and wait until they answer.

    Raises:
        EmulatorsMissing: Nothing was started.
        StackFailed: One of them did not come up.
    """
    java, firestore, pubsub = _java(), _jar("cloud-firestore-emulator"), _jar("pubsub-emulator")
    ports = free_ports(2)
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
        raise EmulatorsMissing("the emulators need Java 17 or later, and there is no `java` on the PATH")
    return java


def _jar(component: str) -> Path:
    found = sorted((_sdk_root() / "platform" / component).rglob("*emulator*.jar"))
    if not found:
        raise EmulatorsMissing(
            f"the Google Cloud SDK lacks {component}: "
            f"`gcloud components install {component}`, or your package manager's package of that name"
        )
    return found[-1]


@functools.cache
def _sdk_root() -> Path:
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        raise EmulatorsMissing(
            "the emulators come with the Google Cloud SDK, and there is no `gcloud` on the PATH"
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
            f"`gcloud info` does not say where the Google Cloud SDK is: {error}"
        ) from error
    return Path(answer.stdout.strip())
