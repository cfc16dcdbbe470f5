"""People who operate the sync."""

from __future__ import annotations

import getpass
import socket

from orchestrator.model.audit import Actor, Face

ME = Actor("me@example.test", Face.HTTP)
#: Who the command line acts for on a local store.
LOCAL = f"{getpass.getuser()} on {socket.gethostname()}"
