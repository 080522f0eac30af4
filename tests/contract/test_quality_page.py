"""The quality page is what its script makes of the committed results."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_quality_page_is_up_to_date(tmp_path: Path) -> None:
    """Rendering the results again gives the page that stands in the repository, and the same plots by name."""
    page = tmp_path / "quality.md"
    script = ROOT / "benchmarks/quality/run.py"
    subprocess.run([sys.executable, script, "--render-only", "--page", page], check=True, timeout=100, cwd=tmp_path)
    assert (ROOT / "docs/quality.md").read_text(encoding="utf-8") == page.read_text(encoding="utf-8")
    made = {plot.name for plot in (tmp_path / "images/quality").iterdir()}
    assert {plot.name for plot in (ROOT / "docs/images/quality").iterdir()} == made
