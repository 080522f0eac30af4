"""The performance page is what its script makes of the committed results."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_performance_page_is_up_to_date(tmp_path: Path) -> None:
    """Rendering the results again gives the page that stands in the repository, and the same plots by name."""
    page = tmp_path / "performance.md"
    command = [sys.executable, "-m", "benchmarks.load.run", "quick", "--render-only", "--page", str(page)]
    subprocess.run(command, check=True, timeout=100, cwd=ROOT)
    assert (ROOT / "docs/performance.md").read_text(encoding="utf-8") == page.read_text(encoding="utf-8")
    made = {plot.name for plot in (tmp_path / "images/performance").iterdir()}
    assert {plot.name for plot in (ROOT / "docs/images/performance").iterdir()} == made
