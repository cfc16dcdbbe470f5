"""The guards of connections to other services: dead ones are left, live ones kept, and all are checked."""

from __future__ import annotations

from tests.system.guards.guard import Guard

CHANNELS = "orchestrator/adapters/google/channels.py"
TEST = "tests/adapters/test_channels.py::"

CHANNEL_GUARDS = (
    Guard(
        "channels: one over which a call was not answered in time is given up",
        CHANNELS,
        "if self._open is taken:",
        "if False:",
        TEST + "test_a_dropped_connection_costs_one_call",
    ),
    Guard(
        "channels: a late failure does not give up the channel that followed",
        CHANNELS,
        "if self._open is taken:",
        "if True:",
        TEST + "test_a_late_failure_leaves_the_new_channel",
    ),
    Guard(
        "channels: other calls end with their own result",
        CHANNELS,
        "is_last = taken.is_given_up and not taken.calls",
        "is_last = taken.is_given_up",
        TEST + "test_other_calls_keep_the_connection_they_have",
    ),
    Guard(
        "channels: a new one does not share the dead connection",
        CHANNELS,
        '("grpc.use_local_subchannel_pool", 1),',
        "",
        TEST + "test_other_calls_keep_the_connection_they_have",
    ),
    Guard(
        "channels: one that was unused for long is not used again",
        CHANNELS,
        "self.monotonic() - taken.used_at > UNUSED_S",
        "False",
        TEST + "test_a_connection_that_was_unused_for_long_is_not_used_again",
    ),
    Guard(
        "channels: pings find a dead connection while a call waits",
        CHANNELS,
        '("grpc.http2.ping_timeout_ms", 20_000),',
        "",
        TEST + "test_a_dropped_connection_is_found_while_a_call_waits",
    ),
    Guard(
        "channels: those to Google itself have the options",
        CHANNELS,
        '{**given, "options": list(OPTIONS)}',
        "given",
        TEST + "test_every_channel_to_google_has_the_options",
    ),
    Guard(
        "TLS: the certificates of authorities are loaded once a process",
        "orchestrator/timed_http.py",
        '{"ssl_context": tls_context(), **options}',
        "options",
        "tests/marketplaces/test_tls.py::test_all_connections_share_one_context",
    ),
    Guard(
        "TLS: the shared context checks certificates",
        "orchestrator/timed_http.py",
        "context = create_urllib3_context()",
        "context = create_urllib3_context(cert_reqs=0)",
        "tests/marketplaces/test_tls.py::test_a_certificate_that_is_not_right_is_refused",
    ),
    Guard(
        "TLS: as many connections to one host are kept as tasks run at once",
        "orchestrator/marketplaces/transport.py",
        "maxsize=places",
        "maxsize=1",
        "tests/marketplaces/test_tls.py::test_connections_are_kept_for_all_tasks",
    ),
)
