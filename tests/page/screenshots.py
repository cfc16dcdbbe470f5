"""`make screenshots`: pictures of every screen, in each scene, light, dark and narrow, to look at."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Literal

from tests.page.browser import opened
from tests.page.scenes import SCENES
from tests.page.screens import addresses
from tests.page.served import serving

FOLDER = Path(".local/screenshots")
#: By name: the colours, and the width.
LOOKS: dict[str, tuple[Literal["light", "dark"], int]] = {
    "light": ("light", 1280),
    "dark": ("dark", 1280),
    "narrow": ("light", 400),
}


def main() -> int:
    """Write the pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, opened() as browser:
        for name, scene in ((name, make(Path(folder) / name)) for name, make in SCENES.items()):
            for look, (colours, width) in LOOKS.items():
                with serving(scene) as page:
                    tab = browser.new_page(
                        color_scheme=colours, viewport={"width": width, "height": 800}, timezone_id="UTC"
                    )
                    tab.goto(page.links[-1])
                    for screen, address in addresses(scene).items():
                        tab.goto(page.origin + address)
                        path = FOLDER / f"{name}-{screen}-{look}.png"
                        tab.screenshot(path=path, full_page=True)
                        sys.stdout.write(f"{path}\n")
                    tab.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
