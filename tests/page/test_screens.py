"""What the screens show: hostile texts as texts, lists as safe files, bounded reads."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.operators.health.status import MOST_READ
from orchestrator.page import csv_cells, screens, shown
from orchestrator.ports import Put, Query, Snapshot
from tests.page.scenes import SCENES, Scene, broken, empty, large
from tests.page.screens import addresses
from tests.page.served import Page, serving
from tests.support.world import World

LISTS = ("/runs", "/connections", "/rejects", "/dead", "/audit")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """All that can be broken."""
    return broken(tmp_path_factory.mktemp("broken"))


@pytest.fixture(scope="module")
def page(scene: Scene) -> Iterator[Page]:
    """A page of it."""
    with serving(scene) as made:
        yield made


@pytest.fixture(scope="module")
def session(page: Page) -> dict[str, str]:
    """A session of the page."""
    return page.enter()


@pytest.mark.parametrize("name", SCENES)
def test_every_screen_is_shown(tmp_path: Path, name: str) -> None:
    """In each state; only the screen of an unknown run is an error."""
    scene = SCENES[name](tmp_path)
    with serving(scene) as page:
        session = page.enter()
        for screen, address in addresses(scene).items():
            status, headers, body = page.ask("GET", address, session)
            assert status == (404 if screen == "error" else 200), address
            assert headers["content-type"] == "text/html; charset=utf-8"
            assert body.count("<h1>") == 1, address
            assert not re.search(r"\sstyle=|\son[a-z]+=\"|<script>|javascript:", body.replace("&#34;", "")), (
                address
            )


def test_hostile_texts_are_texts(scene: Scene, page: Page, session: dict[str, str]) -> None:
    """A connection's name, an error's text and a record's reason are shown, and nothing of them is run."""
    seen = 0
    for address in addresses(scene).values():
        _, _, body = page.ask("GET", address, session)
        assert "<img" not in body
        assert body.count("<script") == 1, address
        assert "49" not in re.findall(r"\{\{7\*7\}\}|49", body)[:1]
        seen += body.count("&lt;script&gt;alert(2)&lt;/script&gt;")
    assert seen > 5


def test_hostile_parameters_are_texts(page: Page, session: dict[str, str]) -> None:
    """A filter from the address is shown, and nothing of it is run."""
    payload = "%22%3E%3Cscript%3Ealert(1)%3C/script%3E"
    for address in (
        f"/connections?organization={payload}",
        f"/connections?cause={payload}",
        f"/connections?status={payload}",
        f"/rejects?connection={payload}",
        f"/runs?page_token={payload}",
        f"/audit?connection={payload}",
        f"/dead?run={payload}",
        f"/connections/{payload.replace('/', '')}",
    ):
        status, _, body = page.ask("GET", address, session)
        assert status in {200, 400, 404}, address
        assert body.count("<script") == 1, address


def test_the_verdict_comes_first_and_each_cause_has_its_remedy(page: Page, session: dict[str, str]) -> None:
    """The first screen, from top to bottom."""
    _, _, body = page.ask("GET", "/", session)
    order = [
        "dead letters wait for a decision",
        "Last tick",
        "the marketplace refuses the credential",
        "marketplace-sync connections set missing-secret --secret-file -",
        "takealot does not answer",
        "throttled by the marketplace",
        "Marketplaces",
        "Last 24 hours",
        "records rejected",
        "cost (estimate)",
    ]
    places = [body.find(text) for text in order]
    assert -1 not in places, dict(zip(order, places, strict=True))
    assert places == sorted(places)


@pytest.mark.parametrize("address", LISTS)
def test_lists_are_files(page: Page, session: dict[str, str], address: str) -> None:
    """Each list, and no cell of it is a formula."""
    status, headers, body = page.ask("GET", f"{address}?format=csv", session)
    assert (status, headers["content-type"]) == (200, "text/csv; charset=utf-8")
    assert headers["content-disposition"].startswith("attachment; filename=")
    rows = list(csv.reader(io.StringIO(body)))
    assert len(rows) > 1
    assert {len(row) for row in rows} == {len(rows[0])}
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "=cmd|' /C calc'!A0"])
def test_a_formula_becomes_a_text(text: str) -> None:
    """A spreadsheet shows it, and calculates nothing."""
    assert csv_cells.cell(text) == f"'{text}"
    assert csv_cells.cell(f" {text}") == f" {text}"


def test_a_long_list_says_that_it_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with fewer rows than the list would be taken for the whole."""
    monkeypatch.setattr(csv_cells, "MOST", 3)
    lines = list(csv_cells._lines(["n"], ([n] for n in range(5))))
    assert lines == ["n\r\n", "0\r\n", "1\r\n", "2\r\n", "cut after 3 rows: narrow the list\r\n"]


def test_a_filter_is_in_the_address(page: Page, session: dict[str, str]) -> None:
    """So a screen can be sent to somebody; the failed tasks of a run are first."""
    _, _, body = page.ask("GET", "/connections?marketplace=takealot", session)
    assert re.findall(r'href="/connections/([^"]+)"', body) == ["take-0", "take-1", "take-2"]
    _, _, body = page.ask("GET", "/connections?cause=credentials_rejected", session)
    assert re.findall(r'href="/connections/([^"]+)"', body) == ["refused-0", "refused-1"]
    run_id = re.findall(r'href="/runs/([^"?]+)"', page.ask("GET", "/runs", session)[2])[1]
    _, _, body = page.ask("GET", f"/runs/{run_id}", session)
    assert re.findall(r'class="word (failed|succeeded)"', body[body.index('id="tasks"') :])[0] == "failed"
    _, _, body = page.ask("GET", f"/runs/{run_id}?status=skipped", session)
    assert set(re.findall(r'class="word (failed|skipped|succeeded)"', body[body.index('id="tasks"') :])) == {
        "skipped"
    }


def test_pages_follow_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each run is on one page."""
    monkeypatch.setattr(screens, "LIMIT", 4)
    scene = empty(tmp_path)
    scene.ticks(10)
    with serving(scene) as page:
        session, address, found = page.enter(), "/runs", []
        while address:
            _, _, body = page.ask("GET", address, session)
            found += re.findall(r'<td><a href="/runs/([^"]+)"', body)
            following = re.search(r'<a href="([^"]+)" rel="next"', body)
            address = following[1].replace("&amp;", "&") if following else ""
    assert len(found) == len(set(found)) == 10


def test_an_unreadable_document_is_said(scene: Scene, tmp_path: Path) -> None:
    """It stops neither the list nor its own screen."""
    made = empty(tmp_path)
    made.world.connect("odd", settings=7, streams="orders", name=None)
    made.world.store.commit(
        [Put("runs/odd", {"order": "9", "status": 5}), Put("sync_state/odd", {"seq": "x"})]
    )
    with serving(made) as page:
        session = page.enter()
        for address in ("/", "/runs", "/runs/odd", "/connections", "/connections/odd"):
            status, _, body = page.ask("GET", address, session)
            assert (status, "cannot be read" in body or "odd" in body) == (200, True), address


class Counting:
    """A store that counts the documents that are read."""

    def __init__(self, world: World) -> None:
        self._store, self.read = world.store, 0

    def query(self, query: Query) -> list[Snapshot]:
        """Query, and count."""
        found = self._store.query(query)
        self.read += max(1, len(found))
        return found

    def get_many(self, paths: Sequence[str]) -> list[Snapshot | None]:
        """Read, and count."""
        self.read += len(paths)
        return self._store.get_many(paths)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def test_the_first_screen_reads_no_more_of_ten_thousand(tmp_path: Path) -> None:
    """Its reads are those of status, and one for each run of the strip."""
    scene = large(tmp_path)
    counting = Counting(scene.world)
    services = replace(scene.world.services, store=counting)
    with serving(scene, services) as page:
        session = page.enter()
        _, _, body = page.ask("GET", "/", session)
        assert "10,000 active connections" in body
        assert counting.read <= MOST_READ + screens.STRIP + 1
        counting.read = 0
        page.ask("GET", "/connections", session)
        assert counting.read <= 2 * 51


def test_a_remedy_names_the_command_in_full() -> None:
    """With the program, and for one connection with its id."""
    told = "`connections set ID --secret-file -` stores one, `--credential REFERENCE` names another"
    assert [part.text for part in shown.parts(told, "my-shop") if part.is_code] == [
        "marketplace-sync connections set my-shop --secret-file -",
        "--credential REFERENCE",
    ]
    assert shown.parts("`python -m orchestrator runs list`")[0].text == "marketplace-sync runs list"
    assert shown.parts(None) == []
