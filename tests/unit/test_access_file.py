"""The file of access: strict, edited in place, and no token can be read from it."""

import resource
import stat
from pathlib import Path

import pytest

from fingerpost.access.editing import add_token, list_tokens, revoke_token
from fingerpost.access.files import read_access
from fingerpost.access.tokens import NOBODYS, holds, is_hash, make, split
from fingerpost.access.watching import AccessOnFile
from fingerpost.errors import InvalidRequest, NotFound
from fingerpost.types import AccessRole
from tests.ledgers import Clock

WRITTEN = f"""\
# kept by people
principals:
  - name: gateway # the one in front
    roles: [caller]
    certificates: [gateway.example]

  - name: olga
    roles:
      - operator
      - auditor
    users: [olga]

# tokens of machines
tokens:
  - id: a1
    owner: gateway
    hash: {NOBODYS}
    expires: 2027-01-31
"""


def access_file(folder: Path, text: str = WRITTEN, mode: int = 0o600) -> Path:
    path = folder / "access.yaml"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_what_people_write_is_read(tmp_path: Path) -> None:
    """Principals by token, certificate and user."""
    access = read_access(access_file(tmp_path))
    assert access.certificates["gateway.example"].name == "gateway"
    assert access.users["olga"].roles == {AccessRole.OPERATOR, AccessRole.AUDITOR}
    assert access.tokens["a1"].principal == access.certificates["gateway.example"]
    assert access.tokens["a1"].expires == 1_801_353_600


def test_an_edit_leaves_all_else(tmp_path: Path) -> None:
    """Adding and revoking tokens gives the old file back, byte for byte."""
    path = access_file(tmp_path)
    first = add_token(path, "gateway", (), "", None, "2028-01-01")
    second = add_token(path, "olga", ("auditor", "operator"), "", None, None)
    kept = path.read_text()
    assert [line for line in WRITTEN.splitlines() if line not in kept] == []
    assert [one.owner for one in list_tokens(path).tokens] == ["gateway", "gateway", "olga"]
    assert first.token not in kept
    _, secret = split(first.token) or ("", "")
    assert holds(secret, read_access(path).tokens[first.id].hash)
    assert [revoke_token(path, one.id) for one in (first, second)] == ["gateway", "olga"]
    assert path.read_text() == WRITTEN
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_from_nothing(tmp_path: Path) -> None:
    """The first token makes the file, the last one that goes leaves it readable."""
    path = tmp_path / "access.yaml"
    made = add_token(path, "ann", ("proposer", "reader"), "acme", "2026-01-01", None)
    add_token(path, "bob", ("approver",), "", None, None)
    access = read_access(path)
    ann = access.tokens[made.id].principal
    assert (ann.name, ann.tenant, ann.roles) == ("ann", "acme", frozenset({AccessRole.PROPOSER, AccessRole.READER}))
    for one in list_tokens(path).tokens:
        revoke_token(path, one.id)
    assert read_access(path).tokens == {}
    assert add_token(path, "bob", (), "", None, None).owner.name == "bob"


@pytest.mark.parametrize("name", ["123", "1e3", "true", "null", "0x1F", "no", "a@b.c-d"])
def test_any_name_is_read_as_it_was_given(tmp_path: Path, name: str) -> None:
    """Names that YAML has another meaning for too; a second token finds the same principal."""
    path = tmp_path / "access.yaml"
    tokens = [add_token(path, name, roles, "", None, None) for roles in (("caller",), ())]
    assert [one.owner for one in list_tokens(path).tokens] == [name] * 2
    assert {one.principal.name for one in read_access(path).tokens.values()} == {name}
    assert [revoke_token(path, one.id) for one in tokens] == [name] * 2


def test_what_is_no_text_is_not_edited(tmp_path: Path) -> None:
    """It is refused like any wrong file, and stays as it is."""
    path = access_file(tmp_path)
    path.write_bytes(b"principals: []\n# \xff\n")
    with pytest.raises(InvalidRequest, match="not UTF-8"):
        add_token(path, "ann", ("caller",), "", None, None)
    assert path.read_bytes() == b"principals: []\n# \xff\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("zoe", (), "", None, None), "at least one --role"),
        (("zoe", ("king",), "", None, None), "king"),
        (("z o", ("caller",), "", None, None), "no name"),
        (("zoe\n  - x", ("caller",), "", None, None), "no name"),
        (("olga", ("caller",), "", None, None), "has the roles operator, auditor"),
        (("olga", (), "", None, "soon"), "no date"),
    ],
)
def test_a_wrong_token_writes_nothing(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    """What cannot be added is told, and the file stays."""
    path = access_file(tmp_path)
    with pytest.raises(InvalidRequest, match=words):
        add_token(path, *arguments)
    with pytest.raises(NotFound):
        revoke_token(path, "a2")
    assert path.read_text() == WRITTEN


def test_a_style_that_cannot_be_edited(tmp_path: Path) -> None:
    """A file on one line is read, and told to be rewritten by hand rather than spoilt."""
    text = f"{{principals: [{{name: ann, roles: [caller]}}], tokens: [{{id: a, owner: ann, hash: '{NOBODYS}'}}]}}\n"
    path = access_file(tmp_path, text)
    assert read_access(path).tokens["a"].principal.name == "ann"
    with pytest.raises(InvalidRequest, match="cannot be edited"):
        add_token(path, "ann", (), "", None, None)
    with pytest.raises(InvalidRequest, match="cannot be edited"):
        revoke_token(path, "a")
    assert path.read_text() == text


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("name: olga", "name: gateway", r"access\.yaml:7: name 'gateway' stands twice"),
        ("owner: gateway", "owner: nobody", r"access\.yaml:16: no principal is named 'nobody'"),
        (NOBODYS, "fp_a1_secret", r"access\.yaml:17: this is no hash"),
        (NOBODYS, NOBODYS.replace("16384", "9999999"), "no hash"),
        (NOBODYS, NOBODYS.replace("16384", "16383"), "no hash"),
        ("2027-01-31", "31.1.2027", r"access\.yaml:18: expires must be"),
        ("[caller]", "[caller, king]", "king"),
        ("[caller]", "[]", "roles"),
        ("users:", "user:", "unknown key"),
        ("tokens:", "roles: x\ntokens:", "unknown key"),
        ("[olga]", "&a [olga]", "anchor"),
        ("users: [olga]", "certificates: [gateway.example]", "stands twice in certificates"),
        ("# kept", "tokens: []\n# kept", "stands already"),
    ],
)
def test_a_wrong_file_is_refused_by_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    """Every mistake is an error that names its place, and gives nobody anything."""
    assert old in WRITTEN
    with pytest.raises(InvalidRequest, match=words):
        read_access(access_file(tmp_path, WRITTEN.replace(old, new, 1)))


def test_a_file_that_anybody_may_write_is_refused(tmp_path: Path) -> None:
    """Whoever can write it can give themselves every role."""
    with pytest.raises(InvalidRequest, match="chmod o-w"):
        read_access(access_file(tmp_path, mode=0o602))
    with pytest.raises(InvalidRequest, match="cannot be read"):
        read_access(tmp_path / "none.yaml")
    with pytest.raises(InvalidRequest, match="no file"):
        read_access(tmp_path)
    (tmp_path / "access.yaml").chmod(0o600)
    (tmp_path / "access.yaml").write_bytes(b"# \xff")
    with pytest.raises(InvalidRequest, match="UTF-8"):
        read_access(tmp_path / "access.yaml")


def test_the_last_good_file_stays(tmp_path: Path) -> None:
    """A bad file changes nothing; a good one is used from the next look on, once a second."""
    path, clock = access_file(tmp_path), Clock(0)
    access = AccessOnFile(path, clock)
    first = access()
    path.write_text("nonsense")
    assert access() is first, "it was looked at less than a second ago"
    clock.now = 5
    assert access() is first, "what is wrong is not used"
    path.unlink()
    clock.now = 10
    assert access() is first
    access_file(tmp_path, WRITTEN.replace("olga", "otto"))
    clock.now = 15
    assert "otto" in access().users


def test_a_file_that_could_not_be_read_is_read_when_it_can(tmp_path: Path) -> None:
    """Without another change of the file: a revocation must not be missed because the server had no file left."""
    path, clock = access_file(tmp_path), Clock(0)
    access = AccessOnFile(path, clock)
    access_file(tmp_path, WRITTEN.replace("olga", "otto"))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        clock.now = 5
        assert "olga" in access().users, "the last good one stays"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    clock.now = 10
    assert "otto" in access().users


def test_tokens_and_their_hashes() -> None:
    """A hash holds for its own secret alone, and each is salted."""
    one, other = make(), make()
    (_, secret), (_, others) = split(one.token) or ("", ""), split(other.token) or ("", "")
    assert is_hash(one.hash)
    assert holds(secret, one.hash)
    assert not holds(others, one.hash)
    assert not holds(secret[:-1], one.hash)
    assert not holds(secret, NOBODYS)
    assert len(secret) == 43
    for nothing in ("", "fp_", "fp_a_", "fp_a1_short", f"xx_{secret}", f"{one.token} ", f"{one.token}\n", one.hash):
        assert split(nothing) is None
