"""Takes the pictures of a report for the guide: run by scripts/gen-report-images."""

import sys
import tempfile
from pathlib import Path

from PIL import Image

from tests.browser import Browser

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
PARTS = {"report-summary": "summary", "report-map": "map"}
WIDTH, HEIGHT = 1280, 1000
COLOURS = 192  # enough for a page like this, and far fewer bytes


def main(page: Path) -> None:
    with tempfile.TemporaryDirectory() as folder, Browser(Path(folder) / "profile") as browser:
        browser.open(page, WIDTH, HEIGHT)
        for name, part in PARTS.items():
            picture = Path(folder) / "picture.png"
            scroll = f"document.getElementById({part!r}).scrollIntoView({{behavior: 'instant'}})"
            browser.run(f"{scroll}; new Promise(r => requestAnimationFrame(() => setTimeout(r, 200)))")
            browser.picture(picture)
            with Image.open(picture) as image:
                image.convert("RGB").quantize(COLOURS).save(IMAGES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
