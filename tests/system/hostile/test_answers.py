"""Whole answers of a marketplace, tampered with: a clear error, the others go on, nothing is lost."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from local.sandbox.http import Reply
from orchestrator.model.run import Task, TaskStatus
from tests.marketplaces.conformance.case import MarketWorld, told_by
from tests.marketplaces.conformance.market import Market, Sandbox, registered, running
from tests.support.examples import times
from tests.system.hostile.values import FRAGMENTS, places, planted

pytestmark = pytest.mark.long

Tamper = Callable[[Reply], Reply]
ROUNDS = 12
#: A day apart, so that no wait or rest of one round reaches into the next.
APART_S = 90_000.0


def _body(body: bytes) -> Tamper:
    return lambda reply: replace(reply, body=body)


def _headers(status: int = 200, **headers: str) -> Tamper:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda reply: replace(reply, status=status, headers={**reply.headers, **named})


ANSWERS: dict[str, Tamper] = {
    **{
        f"body {body[:12]!r}": _body(body)
        for body in (b"", b"null", b"[]", b"{}", b"17", b'"x"', b"NaN", b"\xff\xfe")
    },
    **{f"{n} levels": _body(b'{"x":%b}' % (b"[" * n + b"]" * n)) for n in (900, 100_000)},
    "an object without end": _body(b'{"a":' * 100_000),
    "notices without end": _body(b"[\n" * 10_000 + b"1," * 100_000),
    "cut": lambda reply: replace(reply, body=reply.body[: len(reply.body) // 2]),
    "a web page": lambda reply: replace(reply, body=b"<html>", content_type="text/html"),
    "refused, without end": lambda reply: replace(reply, status=403, body=b"[" * 100_000),
    "missing, a number as its code": lambda reply: replace(
        reply, status=404, body=b'{"code":%b}' % (b"9" * 5000)
    ),
    "refused, bad UTF-8": lambda reply: replace(
        reply, status=400, body=b'{"errors":[{"code":"\xff"}],"code":"\xff"}'
    ),
    "gzip that is none": _headers(Content_Encoding="gzip"),
    "no HTTP date": _headers(Date="Fri, 31 Dec 9999 23:59:59 -1200"),
    "a date of many digits": _headers(Date="Mon, 01 Jan 99999999999999999999 00:00:00 GMT"),
    "a total of many digits": _headers(X_WP_Total="9" * 5_000),
    "a total in other digits": _headers(X_WP_Total="\u0663".encode().decode("latin-1")),
    "another version": _headers(X_Shopify_API_Version="\xff" * 100),
    **{
        f"limits {n}": _headers(x_RateLimit_Remaining="0", x_RateLimit_Reset=n)
        for n in ("inf", "nan", "1e308", "-1")
    },
    **{f"rate {n}": _headers(x_amzn_RateLimit_Limit=n) for n in ("inf", "nan", "5e-324", "-1")},
    **{f"wait {n[:40]}": _headers(429, Retry_After=n) for n in ("inf", "1e308", "-5", "9" * 5_000)},
    **{
        f"away, wait {n[:40]}": _headers(503, Retry_After=n) for n in ("nan", "Fri, 31 Dec 9999 23:59:59 GMT")
    },
}


def _planted(rng: random.Random) -> Tamper:
    """A fragment somewhere in each second answer."""

    def tamper(reply: Reply) -> Reply:
        if rng.random() < 0.5 or "json" not in reply.content_type:
            return reply
        path = rng.choice(list(places(msgspec.json.decode(reply.body))))
        return replace(reply, body=planted(reply.body, path, rng.choice(FRAGMENTS)))

    return tamper


class Tampered:
    """A world with two connections to a marketplace, one of which is answered with something else."""

    def __init__(self, market: Market, world: MarketWorld, sandbox: Sandbox) -> None:
        self.market, self.world, self.sandbox = market, world, sandbox
        self.tamper: Tamper | None = None
        answer = sandbox.app.answer
        sandbox.app.answer = (  # type: ignore[method-assign]
            lambda request: answer(request) if self.tamper is None else self.tamper(answer(request))
        )

    def run(self, name: str, tamper: Tamper | None) -> Task:
        """A tick to its end; whatever came of the one connection, the other is well, and so is the run."""
        self.tamper = tamper
        run_id, run = self.world.next_run(APART_S)
        task = self.world.task(run_id, self.market.name)
        errors = [task.error, *(counts.error for counts in task.streams.values())]
        messages = [error.message for error in errors if error is not None]

        assert run.status.is_final, name
        assert self.world.task(run_id, "good").status is TaskStatus.SUCCEEDED, name
        assert not any("defect" in message for message in messages), f"{name}: {messages}"
        assert all(len(message) < 2_100 and message.isprintable() for message in messages), name
        assert self.world.state(self.market.name).open is None, name
        return task


@pytest.mark.parametrize("market", registered(), ids=str)
def test_an_answer_of_any_kind_is_survived(market: Market, tmp_path: Path) -> None:
    """Each of many bad answers fails its task with one line or does no harm; afterwards all is stored."""
    world = MarketWorld(tmp_path)
    with (
        running(market, world.clock, orders=12, products=12) as sandbox,
        running(market, world.clock, orders=3, products=3) as clean,
    ):
        world.join(market, sandbox.url)
        world.connect(
            "good",
            marketplace=market.name,
            credential=world.credentials.reference(market),
            settings={**market.settings, "base_url": clean.url},
        )
        tampered = Tampered(market, world, sandbox)
        for name, tamper in ANSWERS.items():
            tampered.run(name, tamper)
        for number in range(max(1, round(ROUNDS * times()))):
            tampered.run(f"planted {number}", _planted(random.Random(number)))
        healed = [tampered.run("mended", None) for _ in range(2)][-1]

        assert healed.status is TaskStatus.SUCCEEDED
        for stream in market.connector.streams:
            held, truth = world.stored(market.name, stream), sandbox.truth(stream)
            assert truth.keys() <= held.keys(), stream
            for record_id, fields in truth.items():
                told = told_by(held[record_id].data)
                assert {field: told[field] for field in fields} == fields, (stream, record_id)
