"""The page for reviewers: what it gathers, and that no text of a route file becomes markup."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from fingerpost.bootstrap.documenting import document
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.build.document import document_of
from fingerpost.cli.document.blocks import Block, Bullets, Code, Heading, Paragraph, Table
from fingerpost.cli.document.content import content
from fingerpost.cli.document.html import to_html
from fingerpost.cli.document.markdown import plain, to_markdown
from fingerpost.errors import NotFound
from fingerpost.release.pointing import activate
from fingerpost.release.proposing import approve, propose
from tests.integration.test_comparing import golden
from tests.ledgers import pointers_of
from tests.unit.test_file_store import put

HOSTILE = "<script>x</script> | **b** `c` [l](https://e) ![i](x) www.e.org <b> &amp; $x$ # \u202eabc\n- item"


def test_what_is_gathered(tmp_path: Path) -> None:
    """State, generation, changes since what was served before, and everybody who decided, with what they said."""
    a, b = put(tmp_path, "a"), put(tmp_path, "b")
    pointers = pointers_of(tmp_path)
    pointers.activate("default", a)
    propose(pointers.ledger, "ann", "1", "default", b, "more words", 1)
    page = document(DataFolder(tmp_path), "default", b[:12])
    assert (page.state, page.generation, page.before) == ("proposed", None, a)
    approve(pointers.ledger, "bob", "2", "default", b, "fine")
    activate(pointers.ledger, "olga", "3", "default", b, None, 1)
    pointers.activate("team", a)
    assert document(DataFolder(tmp_path), "default", a).state == "served before"
    page = document(DataFolder(tmp_path), "default", b)
    assert (page.state, page.generation) == ("in force", 2)
    assert [(one.event.actor, one.event.action.value) for one in page.record] == [
        ("ann", "propose"),
        ("bob", "approve"),
        ("olga", "activate"),
    ]
    assert {change.field for change in page.changes} == {"utterances_added", "utterances_removed"}
    text = to_markdown(content(page))
    assert "comment: fine" in text
    assert f"fingerpost audit verify --head {page.record[-1].hash}" in text
    assert to_markdown(content(document(DataFolder(tmp_path), "default", b))) == text, "the same page again"


def test_a_revision_that_nobody_did_anything_with(tmp_path: Path) -> None:
    """It is described all the same; a catalog that serves nothing has no page by itself."""
    a = put(tmp_path, "a")
    page = document(DataFolder(tmp_path), "team", a)
    assert (page.state, page.generation, page.record, page.before) == ("stored", None, (), "")
    assert "Nothing was done" in to_markdown(content(page))
    with pytest.raises(NotFound):
        document(DataFolder(tmp_path), "team", "")


def test_budgets_breakers_and_experiments_are_told_in_words() -> None:
    """Amounts to the micro-dollar, who has an account, what happens then; and nothing of what the policy has not."""
    earlier, revision = golden("schema-2"), golden("schema-3")
    text = to_markdown(content(document_of("default", revision, None, None, [], earlier)))
    for told in (
        "| support | \\$25.00 per day | each of the tenants acme, globex | hard: the cheapest model that fits answers",
        "| everything | \\$900.000001 per month | the catalog | soft: people are told; requests go on |",
        "| letters | \\$1.50 per hour | the route letters | soft: the cheapest model that fits answers |",
        "| dear | \\$5.00 per day | the model strong | hard: requests are refused",
        "3 reported calls in a row failed, or 25% of at least 10 calls in 30 seconds.",
        "Requests of the route code are split: those of one session have the same arm.",
        "| small | 10% | middle answers |",
        "reported calls that fail: at most 10%; dollars a reported call: at least 0.0001 and at most 0.02.",
        f"Revision {earlier.digest[:12]} decides 10% of the requests too, and never serves.",
        "| policy |  | breakers.window\\_seconds | 60 | 30 |",
    ):
        assert told in text
    assert "limit\\_usd\\_micros" not in text
    plain = to_markdown(content(document_of("default", earlier, None, None, [], None)))
    assert not any(heading in plain for heading in ("## Budgets", "## Breakers", "## Experiments", "budgets"))


class Seen(HTMLParser):
    """Elements and text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def shown(self) -> str:
        """All texts, each end of a line as one character."""
        return "".join(self.texts).replace("\r\n", "\n").replace("\r", "\n")


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60) | st.just(HOSTILE))
def test_no_text_becomes_markup(text: str) -> None:
    """In HTML each text is one piece of text; in Markdown each special character is escaped, on one line."""
    blocks: list[Block] = [
        Heading(1, text),
        Paragraph(text),
        Bullets((text,)),
        Table(("name",), ((text,),)),
        Code("x"),
    ]
    seen = Seen()
    seen.feed(to_html(blocks))
    ours = {"html", "head", "meta", "title", "style", "body", "main", "h1", "p", "ul", "li", "div", "table", "thead"}
    assert seen.tags <= ours | {"tr", "th", "tbody", "td", "pre", "code"}
    shown = text.replace("\r\n", "\n").replace("\r", "\n")
    assert not shown.strip() or "\0" in text or seen.shown.count(shown) >= 4
    line = plain(text)
    assert "\n" not in line
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_{}\[\]<>#|~&$]", line)
    assert "://" not in line or "\\://" in line
    as_if: list[Block] = [blocks[0], Paragraph("x"), *blocks[2:]]
    assert len(to_markdown(blocks).splitlines()) == len(to_markdown(as_if).splitlines())


def test_hostile_words_look_like_themselves() -> None:
    """Addresses do not become links, and characters that turn the direction of text are left out."""
    line = plain(HOSTILE)
    assert "https\\://e" in line
    assert "www\\.e" in line
    assert "\u202e" not in line
    assert plain("a | b") == "a \\| b"
