"""The page of the simulated day is what its script makes of the committed results."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_is_up_to_date(tmp_path: Path) -> None:
    """Rendering the results again gives the page that stands in the repository, and the same plots by name."""
    page = tmp_path / "simulated-day.md"
    command = [sys.executable, "-m", "benchmarks.day.run", "--render-only", "--page", str(page)]
    subprocess.run(command, check=True, timeout=100, cwd=ROOT)
    assert (ROOT / "docs/simulated-day.md").read_text(encoding="utf-8") == page.read_text(encoding="utf-8")
    made = {plot.name for plot in (tmp_path / "images/simulated-day").iterdir()}
    assert {plot.name for plot in (ROOT / "docs/images/simulated-day").iterdir()} == made


def test_nothing_is_overspent() -> None:
    """The budgets that the page calls hard: at no look more than the limit."""
    text = (ROOT / "docs/simulated-day.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith(("| `day` | $", "| `tenant-hour` | $"))]
    assert len(rows) == 2
    assert all(float(row.split("|")[3].strip(" %")) <= 100 for row in rows)
