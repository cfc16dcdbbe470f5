"""Channels to Google's services: how they are opened, and when one is given up for a new one.

A connection that nobody uses may be dropped on its way without a word to either end: Google's VPC network
forgets one after 10 minutes (cloud.google.com/compute/docs/troubleshooting/general-tips), and two ticks are
15 minutes apart. All that is sent over it afterwards is lost, and the kernel sends it again for a quarter of
an hour before it reports an error. So a channel that was unused for a while is not used again, and one over
which a call was not answered in time is given up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

import grpc
from google.api_core import exceptions

#: Seconds without a call after which a channel is not used again. Google's network forgets a connection after
#: 600 s, others do after 350 s (AWS's gateways).
UNUSED_S = 300.0

#: Google's own Firestore client opens its channel with keepalive, and the generated one
#: does not (google-cloud-firestore 2.34.1, firestore_v1/base_client.py, `_DEFAULT_CHANNEL_OPTIONS`).
#:
#: While a call waits, a ping is sent each 30 s. If it has no answer in 20 s, or the other side acknowledges
#: no byte for as long (TCP_USER_TIMEOUT, gRPC's proposal A18), the connection is over. gRPC 1.85 has two
#: timeouts for that; the second one, a minute by default, decides (measured; chttp2_transport.cc).
#: Servers answer pings that come too often, or without a call, with GOAWAY `ENHANCE_YOUR_CALM`
#: (`too_many_pings`): so the interval is that of Google's client, and idle connections are not pinged
#: (github.com/grpc/grpc/blob/master/doc/keepalive.md).
#:
#: Channels of equal options share their connections, so a new channel would get the dead one: hence
#: `use_local_subchannel_pool`. And after an outage a channel would wait for up to two minutes until it
#: connects again (github.com/grpc/grpc/blob/master/doc/connection-backoff.md).
OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.ping_timeout_ms", 20_000),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)


class _Closable(Protocol):
    def close(self) -> None: ...


class Generated(Protocol):
    """A client of Google's; they share no base class."""

    @property
    def transport(self) -> _Closable:
        """Sends the calls, over its channel."""


class Transport(Protocol):
    """The class of a client's transport over gRPC."""

    def __call__(self, *, channel: Any) -> Any:
        """A transport over a channel, or over the channel that a function makes."""

    def create_channel(self, host: str, **options: Any) -> grpc.Channel:
        """A channel to the service itself."""


T = TypeVar("T", bound=Generated)


def emulator_channel(host: str) -> grpc.Channel:
    """A channel to one of Google's emulators, given as `HOST:PORT` or as a URL."""
    return grpc.insecure_channel(host.removeprefix("http://").rstrip("/"), options=list(OPTIONS))


def opened(make: Callable[..., T], transport: Transport, emulator_host: str) -> T:
    """A client with a channel of its own.

    Args:
        make: The client's class.
        transport: The class of its transport.
        emulator_host: `HOST:PORT` of Google's emulator; empty for the service itself.
    """
    if emulator_host:
        return make(transport=transport(channel=emulator_channel(emulator_host)))

    def channel(host: str, **given: Any) -> grpc.Channel:
        return transport.create_channel(host, **{**given, "options": list(OPTIONS)})

    # The client makes the transport itself, so that all but the options is as Google's code has it.
    return make(transport=partial(transport, channel=channel))


@dataclass(eq=False)
class _Open(Generic[T]):
    """A client that is in use, and what is known of its channel."""

    client: T
    used_at: float
    calls: int = 0
    is_given_up: bool = False


@dataclass(eq=False)
class Channel(Generic[T]):
    """The channel that new calls take; safe for threads.

    A channel that is given up is closed when its last call has ended, so that no other call ends with it.
    """

    #: Makes a client with a channel of its own; after a fork, since only the first call does it.
    open: Callable[[], T]
    monotonic: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _open: _Open[T] | None = field(default=None, init=False)

    @contextmanager
    def client(self) -> Iterator[T]:
        """The client for one call; if the call exceeds its deadline, later calls get another one."""
        taken = self._take()
        try:
            yield taken.client
        except exceptions.DeadlineExceeded:
            self._give_up(taken)
            raise
        finally:
            self._give_back(taken)

    def close(self) -> None:
        """Close it at once; the next call opens another."""
        with self._lock:
            closed, self._open = self._open, None
        if closed is not None:
            closed.client.transport.close()

    def _take(self) -> _Open[T]:
        unused = None
        with self._lock:
            taken = self._open
            if taken is not None and not taken.calls and self.monotonic() - taken.used_at > UNUSED_S:
                unused, taken = taken, None
            if taken is None:
                # With the lock held: one thread opens it, for all.
                taken = self._open = _Open(self.open(), self.monotonic())
            taken.calls += 1
        if unused is not None:
            unused.client.transport.close()
        return taken

    def _give_up(self, taken: _Open[T]) -> None:
        with self._lock:
            taken.is_given_up = True
            # Of the many calls that may fail over one channel, only the first gives up the current one.
            if self._open is taken:
                self._open = None

    def _give_back(self, taken: _Open[T]) -> None:
        with self._lock:
            taken.calls -= 1
            taken.used_at = self.monotonic()
            is_last = taken.is_given_up and not taken.calls
        if is_last:
            taken.client.transport.close()
