"""What is noise to an encoder is told from text."""

import pytest

from fingerpost.build.lint.nontext import nontext

DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
BASE64 = "aGVsbG8gd29ybGQsIHRoaXMgaXMgYSB0ZXN0IG9mIEJhc2U2NCBkYXRhIQ=="


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("???", "no letters"),
        ("12345678", "no letters"),
        ("👍 👍", "no letters"),
        ("<div><br/></div>", "markup"),
        ("<p class='x'>  </p> ...", "markup"),
        (DIGEST, "a hash"),
        (f"key {DIGEST.upper()}", "a hash"),
        (BASE64, "a hash"),
        ("3fd07c55-9be2-4a1d-8c60-e71b04aa93d2", "a hash"),
        ("a" * 81, "a word of 81 letters"),
        (f"please {'ha' * 50}", "a word of 100 letters"),
    ],
)
def test_noise(text: str, reason: str) -> None:
    """No letters, bare markup, encoded data and endless words are told, with the reason."""
    assert reason in (nontext(text) or "")


@pytest.mark.parametrize(
    "text",
    [
        "12 * 7",
        "3/4 + 1/8 = ?",
        "x",
        "ok",
        "<b>bold</b> text in HTML",
        "why is <div></div> empty",
        "if a < b and c > d",
        f"decode this base64 text for me, it came from the old system: {BASE64[:40]}",
        f"which file has the SHA-256 sum that begins with {DIGEST[:8]}",
        "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
        "昨天晚上我们在河边散步。" * 20,
        "แม่ไปตลาดแต่เช้าทุกวัน" * 10,
        "/usr/share/python3/dist-packages/some_module/another_module/file_name.py",
        "https://models.example.com/v1/chat/completions/with/a/long/path/of/words",
        "getUserAccountSettingsFromRemoteServerOrLocalCache",
        "SELECT customer_identifier_of_the_previous_year FROM t",
    ],
)
def test_text(text: str) -> None:
    """Calculations, code, paths, long words and scripts without spaces are text."""
    assert nontext(text) is None


@pytest.mark.parametrize("piece", ["<", "<a", ">", "aB3", "a", "-", "1 "])
def test_hostile_texts_end(piece: str) -> None:
    """A megabyte of one piece is read in a moment."""
    nontext("a " + piece * (1_000_000 // len(piece)))
