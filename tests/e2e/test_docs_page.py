"""`fingerpost docs` as a reviewer uses it: Markdown, and a page looked at in a real browser."""

import shutil
from pathlib import Path

import pytest

from tests.browser import Browser
from tests.e2e.test_report import CONTRASTS
from tests.processes import fingerpost


def test_markdown_without_an_encoder(published: Path, tmp_path: Path) -> None:
    """The encoder is not needed; what does not exist is told."""
    data = shutil.copytree(published, tmp_path / "data", ignore=shutil.ignore_patterns("encoders"))
    text = fingerpost("docs", "--data", data).stdout
    assert text.startswith("# How catalog default routes\n")
    assert "| code | coder |" in text
    assert "os:" in text
    fingerpost("docs", "ffffffffffff", "--data", data, code=7)
    fingerpost("docs", "--catalog", "team", "--data", data, code=7)


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (360, True)])
def test_the_page_in_a_browser(published: Path, tmp_path: Path, width: int, dark: bool) -> None:
    """Nothing is asked of the network, nothing overflows, and every text can be read, in any light."""
    page = tmp_path / "page.html"
    fingerpost("docs", "--data", published, "--format", "html", "--out", page)
    with Browser(tmp_path / "profile") as browser:
        browser.open(page, width, dark=dark)
        assert browser.complaints == []
        assert len(browser.requests) == 1
        assert browser.run("document.documentElement.scrollWidth <= innerWidth")
        found = browser.run(CONTRASTS)
        assert found["texts"] > 200
        assert found["poor"] == []
        assert browser.run("document.querySelectorAll('h1').length") == 1
