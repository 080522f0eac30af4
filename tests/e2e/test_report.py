"""The page of `fingerpost report`, looked at in a real browser: wide and narrow, light and dark."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fingerpost.build.load import load
from fingerpost.build.portrait.portrait import Comparison, Portrait
from fingerpost.build.reindex import exemplars_of
from fingerpost.cli.page.render import Made, render, shortened
from fingerpost.types import Finding, Severity
from tests.browser import Browser
from tests.e2e.conftest import ROUTES
from tests.portraits import case, portrait_of
from tests.processes import fingerpost, fingerpost_in

WIDE, NARROW = 1280, 360
LOOKS = pytest.mark.parametrize(
    ("width", "dark"), [(WIDE, False), (WIDE, True), (NARROW, False), (NARROW, True)], ids=lambda value: str(value)
)
MADE = Made("0.0", "today", baseline_installed=True)

HOSTILE = (
    "<script>window.pwned = 1</script>",
    "</script><img src=x onerror='window.pwned = 1'>",
    "\"><svg onload=window.pwned=1> {{ 7 * 7 }} ' & \\u003c",
    "\u202eright to left\u202c <b>bold</b>",
)

CONTRASTS = """(() => {
  const canvas = Object.assign(document.createElement("canvas"), {width: 1, height: 1});
  const context = canvas.getContext("2d", {willReadFrequently: true});
  const over = (colours) => {
    context.clearRect(0, 0, 1, 1);
    for (const colour of colours) { context.fillStyle = colour; context.fillRect(0, 0, 1, 1); }
    return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const grounds = (element) => {
    const found = [];
    for (let e = element; e; e = e.parentElement) found.unshift(getComputedStyle(e).backgroundColor);
    return found;
  };
  const poor = [];
  let texts = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest("script, style, .hidden")) continue;
    if (!element.checkVisibility() || !element.getClientRects().length) continue;
    const style = getComputedStyle(element);
    const below = grounds(element);
    const colour = element instanceof SVGElement ? style.fill : style.color;
    const [a, b] = [light(over([...below, colour])), light(over(below))].sort((x, y) => y - x);
    texts += 1;
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) poor.push(`${ratio.toFixed(2)} ${element.outerHTML.slice(0, 90)}`);
  }
  return {texts, poor: poor.slice(0, 5)};
})()"""
"""Every text that can be seen against what lies under it, by the formula of WCAG 2.2."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def page(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report on the starter routes."""
    out = tmp_path_factory.mktemp("report") / "report.html"
    fingerpost("report", "--routes", ROUTES, "--data", published, "--html", out)
    return out


def sizes(browser: Browser, *selectors: str) -> dict[str, dict[str, float]]:
    """Where elements stand and how large they are, in pixels."""
    script = """(selectors) => Object.fromEntries(selectors.map((s) => {
      const {x, y, width, height} = document.querySelector(s).getBoundingClientRect();
      return [s, {x, y, width, height}];
    }))"""
    found: dict[str, dict[str, float]] = browser.run(f"({script})({list(selectors)!r})")
    return found


def fits(browser: Browser) -> bool:
    """Whether the page can not be scrolled sideways."""
    return bool(browser.run("document.documentElement.scrollWidth <= innerWidth"))


def middle(browser: Browser, selector: str, number: int = 0) -> tuple[float, float]:
    """The middle of an element, scrolled into sight."""
    x, y = browser.run(
        f"""(() => {{
          const element = document.querySelectorAll({selector!r})[{number}];
          element.scrollIntoView({{block: "center"}});
          const box = element.getBoundingClientRect();
          return [box.x + box.width / 2, box.y + box.height / 2];
        }})()"""
    )
    browser.run("new Promise(r => requestAnimationFrame(() => setTimeout(r, 50)))")  # the scrolling hides a tip
    return x, y


def tip(browser: Browser) -> str | None:
    """What the tip says; None when it is hidden."""
    said: str | None = browser.run(
        """(() => { const tip = document.getElementById("tip");
        return tip.checkVisibility() ? [...tip.children].map((e) => e.textContent).join("|") : null; })()"""
    )
    return said


def written(tmp_path: Path, portrait: Portrait) -> Path:
    out = tmp_path / "page.html"
    out.write_text(render(portrait, MADE), encoding="utf-8")
    return out


# --- The starter routes --------------------------------------------------------------------------------------------


@LOOKS
def test_the_plots_are_there(browser: Browser, page: Path, width: int, dark: bool) -> None:
    """Every plot has a size and fits or scrolls in its box, every utterance has its point, nothing complains."""
    browser.open(page, width, dark=dark)
    plots = ("#reliability svg.plot", "#curve svg.plot", "#dots", "#heat")
    for selector, box in sizes(browser, *plots).items():
        assert box["width"] >= 250, selector
        assert box["height"] >= 150, selector
        assert selector in {"#heat", "#dots"} or box["x"] + box["width"] <= width, selector
    exemplars = exemplars_of(load(ROUTES).catalog)
    assert browser.run("document.querySelectorAll('#dots .d').length") == len(exemplars)
    assert browser.run("[...document.querySelectorAll('#dots .d')].every((d) => d.getBoundingClientRect().width > 1)")
    assert browser.run("document.querySelectorAll('#reliability .bin').length") >= 5
    assert browser.run("document.querySelector('#curve .line').getTotalLength()") > 50
    assert fits(browser)
    assert browser.complaints == []
    assert browser.requests == [page.as_uri()]


@LOOKS
def test_every_text_can_be_read(browser: Browser, page: Path, width: int, dark: bool) -> None:
    """With everything opened, each text stands out from its ground by 4.5 to 1, and still nothing sticks out."""
    browser.open(page, width, dark=dark)
    browser.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    seen = browser.run(CONTRASTS)
    assert seen["texts"] > 1000
    assert seen["poor"] == []
    assert fits(browser)


def test_light_and_dark_differ(browser: Browser, page: Path) -> None:
    """The ground is light for those who like it light, and dark for the others."""
    grounds = []
    for dark in (False, True):
        browser.open(page, WIDE, dark=dark)
        grounds.append(browser.run("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"))
    assert min(grounds[0]) > 200
    assert max(grounds[1]) < 60


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_labels_do_not_cover_each_other(browser: Browser, page: Path, width: int) -> None:
    """Names on the map and words of one plot keep clear of each other."""
    browser.open(page, width)
    clashes = browser.run(
        """["#dots .names", "#reliability svg", "#curve svg"].flatMap((plot) => {
          const texts = [...document.querySelectorAll(plot + " text")].filter((t) => t.checkVisibility());
          const boxes = texts.map((t) => t.getBoundingClientRect());
          const clash = (a, b) =>
            a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 2 && b.top < a.bottom - 2;
          return boxes.flatMap((a, n) => boxes.slice(n + 1).flatMap((b, m) =>
            clash(a, b) ? [texts[n].textContent + " / " + texts[n + 1 + m].textContent] : []));
        })"""
    )
    assert clashes == []


def test_pointing_at_a_dot_shows_its_text(browser: Browser, page: Path) -> None:
    """A hovered utterance shows its text and its route; leaving the map hides them."""
    browser.open(page, WIDE)
    exemplars, names = exemplars_of(load(ROUTES).catalog), [route.name for route in load(ROUTES).catalog.routes]
    browser.point(*middle(browser, "#dots .d", 100))
    assert tip(browser) in {f"{names[e.route]}|{shortened(e.text)}" for e in exemplars if e.route >= 0}
    box = sizes(browser, "#tip")["#tip"]
    assert 0 <= box["x"]
    assert box["x"] + box["width"] <= WIDE
    browser.point(2, 2)
    assert tip(browser) is None


def test_a_tap_shows_a_text(browser: Browser, page: Path) -> None:
    """On a phone a tap does what hovering does, and the tip stays in the window."""
    browser.open(page, NARROW, 740)
    browser.click(*middle(browser, "#dots .d", 40))
    assert tip(browser)
    box = sizes(browser, "#tip")["#tip"]
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= NARROW


def test_the_map_by_keyboard(browser: Browser, page: Path) -> None:
    """Arrow keys go from utterance to utterance, and each is read out."""
    browser.open(page, WIDE)
    middle(browser, "#dots")
    browser.run("document.getElementById('dots').focus({preventScroll: true})")
    said = []
    for key in ("ArrowRight", "ArrowRight", "ArrowUp"):
        browser.press(key)
        said.append(tip(browser))
        assert browser.run("document.getElementById('spoken').textContent") == str(said[-1]).replace("|", ": ", 1)
    assert None not in said
    assert said[0] != said[1] != said[2]
    browser.press("Escape")
    assert tip(browser) is None


def test_numbers_of_the_plots_by_keyboard(browser: Browser, page: Path, hostile: Path) -> None:
    """A focused bin tells its numbers, and so does a cell of the confusion map of a page with confusions."""
    browser.open(page, WIDE)
    middle(browser, "#reliability .bin")
    browser.run("document.querySelector('#reliability .bin').focus({preventScroll: true})")
    assert re.search(r"Confidence \d+% to \d+%: [\d,]+ texts?", str(tip(browser)))
    browser.open(hostile, WIDE)
    middle(browser, "#heat [data-tip]")
    browser.run("document.querySelector('#heat [data-tip]').focus({preventScroll: true})")
    assert "best guess" in str(tip(browser))


def test_choosing_routes_on_the_map(browser: Browser, page: Path) -> None:
    """A chosen route stands out, the others are dimmed, and choosing it again brings them back."""
    browser.open(page, WIDE)
    at = middle(browser, ".key[data-route='2']")
    browser.click(*at)
    assert browser.run("document.querySelector(\".key[data-route='2']\").getAttribute('aria-pressed')") == "true"
    assert browser.run("document.querySelectorAll('.d:not(.dim):not(.c2)').length") == 0
    assert browser.run("document.querySelectorAll('.d.c2:not(.dim)').length") > 10
    browser.click(*at)
    assert browser.run("document.querySelectorAll('.d.dim').length") == 0


def test_finding_and_opening_a_route(browser: Browser, page: Path) -> None:
    """The search finds a route by a text of it, and a link opens the route that it leads to."""
    browser.open(page, WIDE)
    wanted = "reverses a linked list"
    browser.run(
        f"""(() => {{ const filter = document.getElementById("filter");
        filter.value = {wanted.upper()!r}; filter.dispatchEvent(new Event("input")); }})()"""
    )
    left = "[...document.querySelectorAll('details.route')].filter((d) => d.checkVisibility()).map((d) => d.id)"
    assert browser.run(left) == ["route-code"]
    assert browser.run("document.getElementById('found').textContent") == "1 of 14"
    browser.run("location.hash = 'route-maths'; new Promise(r => setTimeout(r, 100))")
    assert browser.run(
        "document.getElementById('route-maths').open && document.getElementById('route-maths').checkVisibility()"
    )
    links = browser.run(
        "[...document.querySelectorAll('a[href^=\"#\"]')].map((a) => decodeURIComponent(a.hash.slice(1)))"
    )
    assert browser.run(f"{sorted(set(links))!r}.filter((id) => !document.getElementById(id))") == []


def test_the_page_tells_what_was_measured(browser: Browser, page: Path, published: Path) -> None:
    """Its figures are those that a reindex reports for the same tests, and both systems are compared."""
    browser.open(page, WIDE)
    text = browser.run("document.body.innerText")
    catalog = load(ROUTES).catalog
    tests = sum(len(route.tests) for route in catalog.routes) + len(catalog.out_of_scope_tests)
    assert f"Of {tests:,} test texts" in text
    assert f"{len(catalog.routes)} routes" in text
    assert "semantic-router" in browser.run("document.querySelector('#comparison thead').innerText")
    assert (
        len(browser.run("[...document.querySelectorAll('#comparison .compare tbody tr')].map((r) => r.innerText)")) >= 4
    )


def test_the_page_is_small(page: Path) -> None:
    """The starter routes' page stays under 600 kB."""
    assert page.stat().st_size < 600_000


# --- Pages of chosen portraits --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page whose routes, texts, labels and findings try to become markup."""
    routes = {text: [f"{other} {n}" for n, other in enumerate(HOSTILE)] for text in HOSTILE}
    cases = [case(text, route) for text in HOSTILE for route in (HOSTILE[0], None, "<i>unknown</i>")]
    found = [Finding("FP201", Severity.ERROR, "<b>.yaml", 3, text) for text in HOSTILE]
    portrait = portrait_of(routes, HOSTILE, cases, findings=found)
    other = Comparison("<u>other</u>", portrait.report.metrics, portrait.report.metrics, 3, 1, 9)
    return written(tmp_path_factory.mktemp("hostile"), replace(portrait, catalog="<title>", comparison=other))


def test_hostile_texts_stay_texts(browser: Browser, hostile: Path) -> None:
    """Nothing that a text holds runs, loads or becomes an element, and it is shown as it was written."""
    browser.open(hostile, WIDE)
    assert browser.run("window.pwned") is None
    assert (
        browser.run(
            "document.querySelectorAll('img, body b b, body u, body i:not([class]):not(.key i), iframe').length"
        )
        == 0
    )
    assert browser.run("document.scripts.length") == 2
    assert browser.complaints == []
    assert browser.requests == [hostile.as_uri()]
    shown = browser.run("document.body.textContent")
    assert HOSTILE[0] in shown
    assert "{{ 7 * 7 }}" in shown
    browser.point(*middle(browser, "#dots .d", 3))
    assert tip(browser)
    assert browser.run("document.querySelectorAll('#tip *').length") == 2


def test_the_policy_forbids_other_scripts(browser: Browser, hostile: Path) -> None:
    """A script that got into the page after all would neither run nor load anything."""
    browser.open(hostile, WIDE)
    browser.run(
        """(() => {
          const script = document.createElement("script");
          script.textContent = "window.pwned = 1";
          document.body.append(script);
          const image = document.createElement("img");
          image.src = "http://127.0.0.1:9/x.png";
          document.body.append(image);
        })()"""
    )
    assert browser.run("window.pwned") is None
    assert browser.run("fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'refused')") == "refused"
    assert sum("Content Security Policy" in complaint for complaint in browser.complaints) >= 3


def test_many_routes(browser: Browser, tmp_path: Path) -> None:
    """A hundred and fifty routes with long names fit on a phone, the confusion map shows the confused ones alone."""
    random = np.random.default_rng(3)
    names = [f"{'-'.join(['long'] * int(random.integers(1, 9)))}-route-{n}" for n in range(150)]
    routes = {name: [f"{name} text {k} {'word' * 30}" for k in range(4)] for name in names}
    cases = [case(f"{name} text please", name) for name in names]
    cases += [case(f"{names[n]} text 1", names[n + 1]) for n in range(0, 12, 2)]
    out = written(tmp_path, portrait_of(routes, ["nothing"], cases))
    browser.open(out, NARROW)
    assert fits(browser)
    assert browser.run("document.querySelectorAll('#dots .d').length") == 601
    columns = browser.run("document.querySelectorAll('#heat thead th').length")
    assert 2 <= columns <= 30
    assert browser.complaints == []


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_a_catalog_with_next_to_nothing(browser: Browser, tmp_path: Path, width: int) -> None:
    """A route without texts, tests and curve makes a page that says what is missing."""
    browser.open(written(tmp_path, portrait_of({"code": []}, promise=None)), width)
    text = browser.run("document.body.innerText")
    assert "Write tests" in text
    assert "There are no utterances yet." in text
    assert fits(browser)
    assert browser.complaints == []


# --- The command ----------------------------------------------------------------------------------------------------


def report(data: Path, out: Path, *options: object, code: int = 0, folder: Path | None = None) -> str:
    """What the command says."""
    done = fingerpost_in(folder or Path.cwd(), "report", "--data", data, "--html", out, *options, code=code)
    return done.stdout + done.stderr


def test_a_report_again_and_on_cases(published: Path, page: Path, tmp_path: Path) -> None:
    """An older report is replaced, and a file of cases takes the place of the tests."""
    out = Path(shutil.copy(page, tmp_path / "report.html"))
    cases = tmp_path / "cases.jsonl"
    cases.write_text('{"text": "fix my loop", "label": "code"}\n{"text": "qwzx vbnm", "label": "oos"}\n')
    said = report(published, out, "--cases", cases, "--routes", ROUTES, "--no-baseline")
    assert re.fullmatch(
        rf"Report on catalog default, revision [0-9a-f]{{12}}: {re.escape(str(out))} \(\d+ kB\)\n", said
    )
    html = out.read_text(encoding="utf-8")
    assert "Of 2 test texts" in html
    assert "cases.jsonl" in html
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_route_files_of_another_catalog_are_left_alone(published: Path, tmp_path: Path) -> None:
    """A folder `routes` of other routes is not taken for the catalog's: the page has the counts of the reindex."""
    shutil.copytree(ROUTES, tmp_path / "routes")
    for file in (tmp_path / "routes").glob("[a-z]*.yaml"):
        text = file.read_text(encoding="utf-8")
        file.write_text(re.sub(r"^name: ", "name: other ", text, count=1, flags=re.M), encoding="utf-8")
    (tmp_path / "routes" / "_policy.yaml").write_text("fallback_model: large\n")  # its rules name the starter routes
    out = tmp_path / "report.html"
    report(published, out, folder=tmp_path)
    html = out.read_text(encoding="utf-8")
    assert "left; the test texts themselves were not at hand" in html
    assert "This needs labelled texts" in html
    assert 'id="heat"' in html


@pytest.mark.parametrize("kind", ["file", "folder", "no folder", "bad cases", "bad catalog"])
def test_nothing_is_lost_by_mistake(published: Path, tmp_path: Path, kind: str) -> None:
    """A file that is no report, a place that is none, and bad input end the command before anything is written."""
    out, options, code = tmp_path / "out.html", [], 7
    if kind == "file":
        out.write_text("precious")
    elif kind == "folder":
        out.mkdir()
        code = 6
    elif kind == "no folder":
        out, code = tmp_path / "none" / "out.html", 6
    elif kind == "bad cases":
        (tmp_path / "cases.jsonl").write_text("{}\n")
        options, code = ["--cases", tmp_path / "cases.jsonl"], 3
    else:
        options = ["--catalog", "nobody"]
    before = sorted(tmp_path.rglob("*"))
    said = report(published, out, *options, code=code, folder=tmp_path)
    assert said.count("\n") <= 2
    assert sorted(tmp_path.rglob("*")) == before
    if kind == "file":
        assert out.read_text() == "precious"
        assert "--force" in said
