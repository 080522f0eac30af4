"""Revisions and encoders through a shared place: whole and verified, or not at all."""

import hashlib
import json
import shutil
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.pointing import go_back, move_pointer
from fingerpost.bootstrap.sharing import Sharing, is_known
from fingerpost.errors import DataLoss, ErrorReason, FailedPrecondition, FingerpostError, NotFound, Unavailable
from tests.artefacts import contents, flip, store_encoder, store_revision
from tests.ledgers import told


@pytest.fixture(params=["folder", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty shared place of either kind."""
    if request.param == "folder":
        (tmp_path / "shared").mkdir()
        yield str(tmp_path / "shared")
        return
    name = uuid.uuid4().hex
    yield f"memory://{name}"
    fsspec.filesystem("memory").rm(f"/{name}", recursive=True)


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """An empty shared folder."""
    (tmp_path / "shared").mkdir()
    return tmp_path / "shared"


@pytest.fixture
def publisher(tmp_path: Path) -> Path:
    """A data folder with a revision."""
    return tmp_path / "publisher"


@pytest.fixture
def digest(publisher: Path) -> str:
    return store_revision(publisher)


@pytest.fixture
def replica(tmp_path: Path) -> Path:
    return tmp_path / "replica"


def sharing(data: Path, place: str | Path, counts: Counter[tuple[str, str]] | None = None) -> Sharing:
    return Sharing(DataFolder(data, shared=str(place)), counts)


def quarantined(data: Path) -> list[Path]:
    return [path for path in data.glob("*/quarantine-*/*/*") if path.is_file()]


def test_what_is_published_comes_to_a_replica(publisher: Path, digest: str, replica: Path, place: str) -> None:
    """A replica gets every byte of a revision and its encoder, through a folder and through a store of objects."""
    counts: Counter[tuple[str, str]] = Counter()
    sharing(publisher, place).publish(digest)
    assert sharing(replica, place, counts).mend(digest)
    assert contents(replica) == contents(publisher)
    assert counts == {("revision", "fetched"): 1, ("encoder", "fetched"): 1}


def test_nothing_is_fetched_twice(publisher: Path, digest: str, replica: Path, shared: Path) -> None:
    """What has come stays: the shared place is not needed for it any more."""
    sharing(publisher, shared).publish(digest)
    assert sharing(replica, shared).mend(digest)
    shutil.rmtree(shared)
    assert not sharing(replica, shared).mend(digest)


def test_revisions_of_one_encoder_fetch_it_once(publisher: Path, digest: str, replica: Path, shared: Path) -> None:
    """Another revision of the same encoder brings the revision alone."""
    other = store_revision(publisher, "another text")
    for each in (digest, other):
        sharing(publisher, shared).publish(each)
    counts: Counter[tuple[str, str]] = Counter()
    for each in (digest, other):
        assert sharing(replica, shared, counts).mend(each)
    assert counts == {("revision", "fetched"): 2, ("encoder", "fetched"): 1}


def test_publishing_again_writes_nothing(publisher: Path, digest: str, shared: Path) -> None:
    """Files that are right are left alone."""
    sharing(publisher, shared).publish(digest)
    before = {path: path.stat().st_mtime_ns for path in shared.rglob("*")}
    sharing(publisher, shared).publish(digest)
    sharing(publisher, shared).offer(digest)
    assert {path: path.stat().st_mtime_ns for path in shared.rglob("*")} == before


def test_half_an_upload_is_none_until_it_is_completed(
    publisher: Path, digest: str, replica: Path, shared: Path
) -> None:
    """An upload that broke off leaves no manifest; replicas do not see it, and the next upload completes it."""
    in_the_way = shared / "revisions" / digest / "index.faiss"
    in_the_way.mkdir(parents=True)
    with pytest.raises(Unavailable) as caught:
        sharing(publisher, shared).publish(digest)
    assert caught.value.reason == ErrorReason.ARTEFACTS_UNAVAILABLE
    assert (in_the_way.parent / "exemplars.jsonl").exists()
    assert not (in_the_way.parent / "manifest.json").exists()
    with pytest.raises(NotFound, match="publish it again"):
        sharing(replica, shared).mend(digest)
    in_the_way.rmdir()
    sharing(publisher, shared).publish(digest)
    assert sharing(replica, shared).mend(digest)
    assert contents(replica) == contents(publisher)


@pytest.mark.fault("S6")
def test_a_bit_flip_in_any_shared_file_is_refused(publisher: Path, digest: str, tmp_path: Path, shared: Path) -> None:
    """Whichever file is damaged there, nothing gets its name here, it is kept aside, and the place is as it was."""
    sharing(publisher, shared).publish(digest)
    for number, path in enumerate(sorted(path for path in shared.rglob("*") if path.is_file())):
        replica, whole, counts = tmp_path / f"replica-{number}", path.read_bytes(), Counter[tuple[str, str]]()
        flip(path)
        damaged = contents(shared)
        with pytest.raises(DataLoss, match="publish it again") as caught:
            sharing(replica, shared, counts).mend(digest)
        kind = "revision" if "revisions" in path.parts else "encoder"
        assert f"{path.name} of {kind} {path.parent.name[:12]}" in caught.value.message
        expected = path.parent.name if path.name.endswith("manifest.json") else hashlib.sha256(whole).hexdigest()
        assert path.name == "encoder.json" or f"expected sha256 {expected[:12]}" in caught.value.message
        assert not (replica / path.parent.relative_to(shared)).exists()
        [kept] = quarantined(replica)
        assert kept.read_bytes() == path.read_bytes() != whole
        assert counts[kind, "refused"] == counts[kind, "quarantined"] == 1
        assert contents(shared) == damaged
        path.write_bytes(whole)


def test_what_was_refused_is_not_fetched_until_it_changes(
    publisher: Path, digest: str, replica: Path, shared: Path
) -> None:
    """A damaged file is fetched once; when a publisher has put a whole one there, the replica takes it."""
    sharing(publisher, shared).publish(digest)
    flip(shared / "revisions" / digest / "index.faiss")
    own = sharing(replica, shared)
    for _ in range(3):
        with pytest.raises(DataLoss, match=r"index\.faiss"):
            own.mend(digest)
    assert len(quarantined(replica)) == 1
    sharing(publisher, shared).publish(digest)
    assert own.mend(digest)
    assert contents(publisher) == {name: data for name, data in contents(replica).items() if "quarantine" not in name}


def test_quarantine_is_bounded(publisher: Path, digest: str, replica: Path, shared: Path) -> None:
    """Of what came damaged again and again, the last four are kept."""
    sharing(publisher, shared).publish(digest)
    index, own = shared / "revisions" / digest / "index.faiss", sharing(replica, shared)
    for number in range(7):
        index.write_bytes(bytes([number]) * index.stat().st_size)
        with pytest.raises(DataLoss):
            own.mend(digest)
    assert sorted(path.read_bytes()[0] for path in quarantined(replica)) == [3, 4, 5, 6]


def test_no_more_is_read_than_the_manifest_says(publisher: Path, digest: str, replica: Path, shared: Path) -> None:
    """A shared file that has grown is refused after one byte too many."""
    sharing(publisher, shared).publish(digest)
    index = shared / "revisions" / digest / "index.faiss"
    size = index.stat().st_size
    with index.open("ab") as file:
        file.truncate(1 << 40)  # a hole: more than any disk here has
    with pytest.raises(DataLoss, match=r"index\.faiss"):
        sharing(replica, shared).mend(digest)
    assert [path.stat().st_size for path in quarantined(replica)] == [size + 1]


def test_a_negative_size_makes_no_room_for_another(publisher: Path, digest: str, tmp_path: Path) -> None:
    """What a manifest lists is bounded in size before anything is fetched."""
    shared, replica = tmp_path / "shared", tmp_path / "replica"
    manifest = json.loads((publisher / "revisions" / digest / "manifest.json").read_bytes())
    for name, size in (("large", 1 << 60), ("negative", -(1 << 60))):
        manifest["files"][name] = {"sha256": hashlib.sha256(b"").hexdigest(), "bytes": size}
    data = json.dumps(manifest).encode()
    forged = hashlib.sha256(data).hexdigest()
    folder = shared / "revisions" / forged
    shutil.copytree(publisher / "revisions" / digest, folder)
    (folder / "manifest.json").write_bytes(data)
    with pytest.raises(FailedPrecondition) as caught:
        sharing(replica, shared).mend(forged)
    assert caught.value.reason == ErrorReason.ARTEFACT_INCOMPATIBLE


@pytest.mark.fault("S8")
@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "a/b", ".hidden", ""])  # noqa: S108  refused before it is used
def test_names_that_lead_elsewhere_are_refused(name: str, publisher: Path, digest: str, tmp_path: Path) -> None:
    """A manifest, although its digest is right, cannot make a replica write outside the revision's folder."""
    shared, replica = tmp_path / "shared", tmp_path / "replica"
    manifest = json.loads((publisher / "revisions" / digest / "manifest.json").read_bytes())
    manifest["files"][name] = {"sha256": hashlib.sha256(b"evil").hexdigest(), "bytes": 4}
    data = json.dumps(manifest).encode()
    forged = hashlib.sha256(data).hexdigest()
    folder = shared / "revisions" / forged
    shutil.copytree(publisher / "revisions" / digest, folder)
    (folder / "manifest.json").write_bytes(data)
    (shared / "revisions" / "evil").write_bytes(b"evil")
    with pytest.raises(FailedPrecondition) as caught:
        sharing(replica, shared).mend(forged)
    assert caught.value.reason == ErrorReason.ARTEFACT_INCOMPATIBLE
    assert contents(replica) == {}


@pytest.mark.parametrize("name", ["../evil", "short", "A" * 64, ""])
def test_only_digests_name_artefacts(name: str, replica: Path, shared: Path) -> None:
    """What a damaged or forged pointer names is never taken for a path."""
    with pytest.raises(NotFound, match="no digest"):
        sharing(replica, shared).mend(name)
    assert list(replica.glob("**/*.json")) == []


def test_a_shared_revision_is_found_by_how_it_begins(publisher: Path, digest: str, replica: Path, shared: Path) -> None:
    """The first characters name a revision that is in the shared place alone; odd folders there are none."""
    sharing(publisher, shared).publish(digest)
    (shared / "revisions" / f"{digest[:8]} copy").mkdir()
    (shared / "revisions" / digest[:10]).mkdir()
    assert sharing(replica, shared).named(digest[:8]) == digest
    with pytest.raises(NotFound):
        sharing(replica, shared).named("0000000")


def test_a_damaged_revision_is_set_aside_once_another_has_come(
    publisher: Path, digest: str, replica: Path, shared: Path
) -> None:
    """Damage on the replica's own disk is mended; without the shared place it stays where it was, and is refused."""
    counts: Counter[tuple[str, str]] = Counter()
    sharing(publisher, shared).publish(digest)
    own = sharing(replica, shared, counts)
    own.mend(digest)
    index = replica / "revisions" / digest / "index.faiss"
    whole = index.read_bytes()
    flip(index)
    damaged = index.read_bytes()
    shared.rename(shared.with_name("away"))
    with pytest.raises(Unavailable, match="mount it"):
        own.mend(digest)
    assert index.read_bytes() == damaged
    shared.with_name("away").rename(shared)
    assert own.mend(digest)
    assert index.read_bytes() == whole
    assert damaged in [path.read_bytes() for path in quarantined(replica)]
    assert counts["revision", "quarantined"] == 1


def test_a_revision_that_an_experiment_names_is_looked_for_here_and_there(
    publisher: Path, digest: str, replica: Path, shared: Path
) -> None:
    """It is known wherever it lies, and is in both places then; one that is nowhere is not known."""
    alone, there = DataFolder(publisher), DataFolder(replica, shared=str(shared))
    assert [is_known(alone, one) for one in (digest, "0" * 64)] == [True, False]
    assert not is_known(there, digest)
    assert is_known(DataFolder(publisher, shared=str(shared)), digest)
    assert is_known(there, digest)
    assert (replica / "revisions" / digest).is_dir()
    assert not is_known(there, "0" * 64)


def test_what_is_damaged_here_is_not_shared(publisher: Path, digest: str, shared: Path) -> None:
    """A publisher verifies its own files before they go to others."""
    flip(publisher / "revisions" / digest / "index.faiss")
    with pytest.raises(DataLoss, match=r"index\.faiss"):
        sharing(publisher, shared).publish(digest)
    assert not (shared / "revisions").exists()
    shutil.rmtree(shared / "encoders")
    flip(publisher / "encoders" / store_encoder(publisher) / "tokenizer.json")
    with pytest.raises(DataLoss, match=r"tokenizer\.json"):
        sharing(publisher, shared).publish(digest)
    assert contents(shared) == {}


def test_going_back_fetches_what_another_machine_published(publisher: Path, digest: str, shared: Path) -> None:
    """A revision that was served before and is not here any more comes from the shared place, and is pointed at."""
    data, second = DataFolder(publisher, shared=str(shared)), store_revision(publisher, "another text")
    for revision in (digest, second):
        move_pointer(data, "default", revision, None)
    shutil.rmtree(publisher / "revisions" / digest)
    shared.rename(shared.with_name("away"))
    with pytest.raises(Unavailable, match="mount it"):
        go_back(data, "default", None)
    assert told(publisher) == (second, 2)
    shared.with_name("away").rename(shared)
    assert go_back(data, "default", None).activation.revision == digest
    assert told(publisher) == (digest, 3)
    assert (publisher / "revisions" / digest / "manifest.json").exists()


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("s3://bucket/path", "s3fs"),
        ("nosuch://place", "no shared place is of that kind"),
        ("/nonexistent/folder", "make it, or mount it"),
        ("ftp://user:secret@127.0.0.1:9/path", "cannot be used"),
    ],
)
def test_a_place_that_cannot_be_reached_says_so(
    place: str, words: str, publisher: Path, digest: str, replica: Path
) -> None:
    """Publisher and replica are told what to do, and no secret of the URL."""
    attempts = (lambda: sharing(publisher, place).publish(digest), lambda: sharing(replica, place).mend(digest))
    for attempt in attempts:
        with pytest.raises(FingerpostError, match=words) as caught:
            attempt()
        assert caught.value.reason == ErrorReason.ARTEFACTS_UNAVAILABLE
        assert "secret" not in caught.value.message
