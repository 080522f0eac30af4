"""The file of the secrets that sign alerts: what is a secret, who may write it, and how it is replaced."""

import base64
import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fingerpost.access.signing import SecretsOnFile, read_secrets
from fingerpost.errors import InvalidRequest

RAW = bytes(range(32))
CODED = "whsec_" + base64.b64encode(RAW).decode()
PLAIN = "a plain secret of thirty-two let"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "alert.secret"
    write(made, CODED)
    return made


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """Replaced as a whole, as people are told to do it: an inode of its own."""
    new = path.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.chmod(mode)
    os.replace(new, path)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (CODED, (RAW,)),
        (f"{CODED}\n", (RAW,)),
        (f"\n  {CODED}\r\n\n{PLAIN}\n", (RAW, PLAIN.encode())),
        (PLAIN, (PLAIN.encode(),)),
        ("x" * 24, (b"x" * 24,)),
        ("x" * 64, (b"x" * 64,)),
    ],
)
def test_secrets(path: Path, text: str, wanted: tuple[bytes, ...]) -> None:
    """A line each; base64 with the prefix of the specification, else the bytes as they stand."""
    write(path, text)
    assert read_secrets(path) == wanted


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no secret"),
        ("\n \n", "no secret"),
        ("x" * 23, "24 to 64"),
        ("x" * 65, "24 to 64"),
        ("whsec_" + base64.b64encode(b"x" * 23).decode(), "24 to 64"),
        ("whsec_" + "?" * 40, "no base64"),
        (CODED[:-1], "no base64"),
        ("whsk_" + "x" * 40, "ed25519"),
        ("\n".join([PLAIN] * 5), "more than 4"),
        (f"{PLAIN}\nshort", ":2: "),
        ("x" * 5_000, "larger"),
    ],
)
def test_what_is_no_secret(path: Path, text: str, why: str) -> None:
    """Each fault is told with its line and the setting, without what stands there."""
    write(path, text)
    with pytest.raises(InvalidRequest, match=why) as caught:
        read_secrets(path)
    assert caught.value.message.startswith("FINGERPOST_ALERT_SECRET_FILE: ")
    assert [field.field for field in caught.value.fields] == ["alert_secret_file"]
    assert not [line for line in text.splitlines() if line.strip() and line in caught.value.message]


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    """Missing, a folder, a pipe (which is never waited for)."""
    os.mkfifo(tmp_path / "pipe")
    for name, why in (("missing", "cannot be read: No such file"), (".", "is no file"), ("pipe", "is no file")):
        with pytest.raises(InvalidRequest, match=why):
            read_secrets(tmp_path / name)


def test_who_may_write_it(path: Path) -> None:
    """Whom anybody may replace the secret for, is refused; that anybody may read it is told."""
    write(path, CODED, 0o602)
    with pytest.raises(InvalidRequest, match="chmod o-w"):
        read_secrets(path)
    write(path, CODED, 0o644)
    with capture_logs() as logs:
        assert read_secrets(path) == (RAW,)
    assert [log["event"] for log in logs] == ["alert_secret_readable"]


def test_it_is_read_anew_when_it_changes(path: Path) -> None:
    """Within a second; a bad file keeps the last good secrets in force, and is told once."""
    clock = Clock()
    secrets = SecretsOnFile(path, clock)
    write(path, f"{PLAIN}\n{CODED}")
    assert secrets() == (RAW,)
    with capture_logs() as logs:
        clock.now += 1
        assert secrets() == (PLAIN.encode(), RAW)
        for bad in ("short", "short"):
            write(path, bad)
            clock.now += 1
            assert secrets() == (PLAIN.encode(), RAW)
        path.unlink()
        for _ in range(2):
            clock.now += 1
            assert secrets() == (PLAIN.encode(), RAW)
        write(path, PLAIN)
        clock.now += 1
        assert secrets() == (PLAIN.encode(),)
    assert [log["event"] for log in logs] == [
        "alert_secret_read",
        "alert_secret_refused",
        "alert_secret_refused",
        "alert_secret_read",
    ]


def test_a_missing_file_is_refused_at_the_start(tmp_path: Path) -> None:
    """With what to do."""
    with pytest.raises(InvalidRequest, match="name the file of the secret"):
        SecretsOnFile(tmp_path / "missing", Clock())
