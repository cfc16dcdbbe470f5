"""Headless Chromium, driven by Playwright: Debian's package, or the program that CHROMIUM names."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright


def chromium() -> str | None:
    """The program; None if there is none."""
    return shutil.which(os.environ.get("CHROMIUM", "chromium"))


@contextmanager
def opened() -> Iterator[Browser]:
    """A running browser."""
    with sync_playwright() as playwright:
        # In a container there is no user namespace for the sandbox; only pages of this test are opened.
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        try:
            yield browser
        finally:
            browser.close()
