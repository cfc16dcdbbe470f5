"""The worker of the fairness benchmark: the real `sync_worker`, on marketplaces simulated in its process.

The marketplace marks the kind of account: `shopify` is an ordinary account of one page, `takealot` has
`LARGE_PAGES`, `ebay` takes `SLOW_PAGE_S` for every page. A page's time is slept, so that the machine's cores
are the product's. The process keeps its peak of memory in `PEAK_FILE`. Served by functions-framework as
`--source`.
"""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import functions_framework
from cloudevents.http import CloudEvent

from bench.peak import peak_kib
from bench.simulated import PAGE_ROWS, connector
from functions.events import handle_event
from orchestrator import wiring
from orchestrator.handle import handle
from orchestrator.marketplaces.spec import AnyConnector, AnySession, Page, Window
from orchestrator.services import Services
from orchestrator.settings import Settings

#: Seconds that an ordinary page takes.
_PAGE_S = 0.2
#: Pages of the slow account.
_SLOW_PAGES = 3
_made: list[Services] = []


@functions_framework.cloud_event
def work(event: CloudEvent) -> None:
    """Work on one message."""
    handle_event(event, _services, handle)
    Path(os.environ["PEAK_FILE"]).write_text(str(peak_kib()))


def _services() -> Services:
    if not _made:  # in the forked worker, where clients may be made
        built = wiring.build(Settings.from_environment(os.environ))
        connectors = {
            "shopify": _account(1, _PAGE_S),
            "takealot": _account(int(os.environ["LARGE_PAGES"]), _PAGE_S),
            "ebay": _account(_SLOW_PAGES, float(os.environ["SLOW_PAGE_S"])),
        }
        _made.append(replace(built, connectors=connectors))
    return _made[0]


def _account(pages: int, page_s: float) -> AnyConnector:
    made = connector(pages * PAGE_ROWS)
    stream = made.streams["orders"]

    def fetch(session: AnySession, window: Window, token: str | None) -> Page:
        time.sleep(page_s)
        return stream.fetch(session, window, token)

    return replace(made, streams={"orders": replace(stream, fetch=fetch)})
