"""The page in real Chromium: what a person sees, with and without JavaScript, and what axe-core finds."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.page.scenes import SCENES, Scene, empty
from tests.page.screens import addresses
from tests.page.served import Page, serving

if not os.environ.get("REQUIRE_BROWSER"):
    pytest.importorskip("playwright", reason="playwright is not installed")
from playwright.sync_api import Browser
from playwright.sync_api import Page as Tab

from tests.page.browser import chromium, opened

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(
        chromium() is None and not os.environ.get("REQUIRE_BROWSER"),
        reason="no Chromium (apt-get install chromium, or CHROMIUM=program)",
    ),
    pytest.mark.xdist_group("browser"),
]
#: Runs in each screen: what no script may see there is caught there.
_LISTEN = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(event.violatedDirective + " " + event.blockedURI));
"""
_AXE = files("axe_playwright_python").joinpath("axe.min.js")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A running browser."""
    with opened() as found:
        yield found


@pytest.fixture(scope="module", params=SCENES)
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Each scene."""
    return SCENES[request.param](tmp_path_factory.mktemp(request.param))


def tab_of(browser: Browser, page: Page, **options: Any) -> tuple[Tab, list[str]]:
    """A tab that has used the link, and all errors of its console."""
    tab = browser.new_page(timezone_id="Europe/London", locale="en-GB", **options)
    errors: list[str] = []
    tab.on(
        "console",
        lambda message: errors.append(message.text) if message.type in {"error", "warning"} else None,
    )
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("dialog", lambda dialog: errors.append(f"dialog: {dialog.message}"))
    tab.add_init_script(_LISTEN)
    tab.goto(page.links[-1])
    assert tab.url == f"{page.origin}/"
    return tab, errors


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_every_screen_is_for_everybody(
    browser: Browser, scene: Scene, colours: Literal["light", "dark"], width: int
) -> None:
    """Axe-core finds nothing, no console tells an error, and no policy is violated; nothing is cut off."""
    with serving(scene) as page:
        tab, errors = tab_of(browser, page, color_scheme=colours, viewport={"width": width, "height": 800})
        for screen, address in addresses(scene).items():
            tab.goto(page.origin + address)
            tab.evaluate(_AXE.read_text(encoding="utf-8"))
            found = tab.evaluate("axe.run(document, {resultTypes: ['violations']})")
            told = [
                (each["id"], each["help"], [node["target"] for node in each["nodes"][:3]])
                for each in found["violations"]
            ]
            assert told == [], screen
            assert tab.evaluate("window.violations") == [], screen
            assert tab.evaluate("document.documentElement.scrollWidth") <= width, screen
        # Chromium itself tells the status of the one screen that is an error.
        assert [each for each in errors if "404" not in each] == []
        tab.close()


@pytest.mark.parametrize("scripts", [True, False])
def test_a_button_acts_with_and_without_scripts(browser: Browser, tmp_path: Path, scripts: bool) -> None:
    """The whole way: screen, button, confirmation, result. The browser's own `Origin` passes the guard."""
    scene = empty(tmp_path)
    scene.world.connect("my-shop")
    scene.ticks(1)
    with serving(scene) as page:
        tab, errors = tab_of(browser, page, java_script_enabled=scripts)
        tab.get_by_role("link", name="Connections").click()
        tab.get_by_role("link", name="my-shop").click()
        tab.get_by_role("button", name="Pause").click()
        assert tab.get_by_role("heading", level=1).inner_text() == "Pause my-shop?"
        tab.get_by_role("button", name="Pause").click()
        assert tab.url == f"{page.origin}/connections/my-shop"
        assert tab.get_by_role("status", name="Result").inner_text() == "my-shop is paused."
        assert scene.world.get("connections/my-shop").data["status"] == "paused"
        tab.reload()
        assert tab.get_by_role("status", name="Result").count() == 0
        assert errors == []
        tab.close()


def test_times_are_local_and_the_first_screen_follows(browser: Browser, tmp_path: Path) -> None:
    """A time is the reader's own, UTC on pointing at it; the first screen is fetched again by itself."""
    scene = empty(tmp_path)
    scene.world.connect("my-shop")
    with serving(scene) as page:
        tab, errors = tab_of(browser, page)
        tab.clock.install()
        tab.goto(page.origin)
        assert "No tick is known" in tab.get_by_role("heading", level=1).inner_text()
        scene.ticks(1)
        tab.clock.fast_forward(31_000)
        tab.get_by_text("All is well").wait_for(timeout=5000)
        assert re.fullmatch(
            r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", tab.locator("time").first.get_attribute("title") or ""
        )
        assert not tab.locator("time").first.inner_text().endswith("Z")
        assert errors == []
        tab.close()


def test_keys(browser: Browser, tmp_path: Path) -> None:
    """Screens, rows and the filter, without a mouse; none while somebody writes."""
    scene = empty(tmp_path)
    for name in ("a-shop", "b-shop"):
        scene.world.connect(name)
    with serving(scene) as page:
        tab, _ = tab_of(browser, page)
        tab.keyboard.press("3")
        tab.wait_for_url(f"{page.origin}/connections")
        tab.keyboard.press("j")
        tab.keyboard.press("j")
        assert tab.evaluate("document.activeElement.textContent") == "b-shop"
        tab.keyboard.press("k")
        assert tab.evaluate("document.activeElement.textContent") == "a-shop"
        tab.keyboard.press("/")
        tab.keyboard.type("12jk")
        assert tab.evaluate("document.activeElement.value") == "12jk"
        assert tab.url == f"{page.origin}/connections"
        tab.close()


def test_other_ports_of_this_machine_get_nothing(browser: Browser, tmp_path: Path) -> None:
    """A page that another program of this machine serves: the browser sends it the cookie, no more."""
    scene = empty(tmp_path / "one")
    scene.world.connect("my-shop")
    with serving(scene) as page, serving(empty(tmp_path / "other")) as other:
        tab, _ = tab_of(browser, page)
        # The second page stands for a stranger; its own policy would forbid all this, and is not loaded.
        tab.route(
            f"{other.origin}/evil",
            lambda route: route.fulfill(
                content_type="text/html",
                body=f"""<iframe id="frame" src="{page.origin}/"></iframe>
                <form method="post" action="{page.origin}/act/pause">
                <input name="connection_id" value="my-shop"><input name="confirmed" value="yes">
                <button id="go">Win a prize</button></form>""",
            ),
        )
        tab.goto(f"{other.origin}/evil")
        frame = next(each for each in tab.frames if each != tab.main_frame)
        assert "my-shop" not in frame.content()
        assert "Overview" not in frame.content()
        read = tab.evaluate(
            "(url) => fetch(url, {credentials: 'include'}).then((a) => a.text(), () => 'refused')",
            page.origin,
        )
        assert read == "refused"
        tab.click("#go")
        tab.wait_for_load_state()
        assert "another site" in tab.inner_text("h1") or "not sent by this page" in tab.inner_text("h1")
        assert scene.world.get("connections/my-shop").data["status"] == "active"
        tab.close()
