"""Revisions and pointers on disk: whole or not at all, whatever happens in between."""

import hashlib
import io
import json
import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fingerpost.backends.file_store import FileActivationStore, FileRevisionStore
from fingerpost.backends.index.flat import FaissFlatEngine
from fingerpost.build.activate import activate
from fingerpost.build.publish import publish
from fingerpost.errors import (
    DataLoss,
    ErrorReason,
    FailedPrecondition,
    NotFound,
    StorageFull,
)
from fingerpost.serve.revision_format import MANIFEST, SCHEMA_VERSION, decode, digest_of, encode
from fingerpost.types import Activation, EncoderId, Exemplar, Head
from tests.fakes import DIGEST, DIM, HashEmbedder, decider
from tests.ledgers import pointers_of

_CONTEXT = multiprocessing.get_context("forkserver")  # forks from a clean process, never from one that runs gRPC
_CONTEXT.set_forkserver_preload([__name__])

ENCODER = EncoderId(DIGEST, "hash", DIM, 256)


HEAD = Head(
    *(
        np.arange(rows * columns, dtype=np.float32).reshape(rows, columns)
        for rows, columns in ((33, 2), (32, 32), (33, 2))
    )
)


def files(*texts: str, head: Head | None = HEAD) -> dict[str, bytes]:
    """The files of a small revision."""
    exemplars = tuple(Exemplar(text, 0) for text in texts)
    engine = FaissFlatEngine()
    index = engine.build(HashEmbedder().embed(texts) if texts else np.empty((0, DIM), np.float32))
    return encode(ENCODER, exemplars, engine.kind, index, head, decider(), b"{}\n")


def resealed(changed: dict[str, bytes]) -> dict[str, bytes]:
    """The same files with a manifest that fits them, as a faulty publisher would write it."""
    manifest = json.loads(changed[MANIFEST])
    named = {name: data for name, data in changed.items() if name != MANIFEST}
    entries = {name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in named.items()}
    return {**named, MANIFEST: json.dumps({**manifest, "files": entries}).encode()}


def array_bytes(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def put(folder: Path, *texts: str) -> str:
    """Publish a small revision through the build step."""
    engine = FaissFlatEngine()
    index = engine.build(HashEmbedder().embed(texts))
    exemplars = tuple(Exemplar(text, 0) for text in texts)
    store = FileRevisionStore(folder / "revisions")
    return publish(store, ENCODER, exemplars, engine.kind, index, HEAD, decider(), b"{}\n")


def test_a_revision_comes_back_as_it_was(tmp_path: Path) -> None:
    """What was published is read back: texts, routes, policy and index bytes."""
    texts = ("write a function", "line\u2028separator", 'quote " and \\', "emoji 💥")
    digest = put(tmp_path, *texts)
    revision = decode(digest, FileRevisionStore(tmp_path / "revisions").read(digest))
    assert texts == tuple(e.text for e in revision.exemplars)
    assert (revision.encoder, revision.decider) == (ENCODER, decider())
    assert FaissFlatEngine().open(revision.index_bytes).size == len(texts)


def test_a_head_comes_back_as_it_was() -> None:
    """The trained arrays are read back bit for bit; a revision without them has none, and no files of theirs."""
    good = files("a")
    found = decode(digest_of(good[MANIFEST]), good).head
    assert found is not None
    for name in ("linear", "metric", "distances"):
        assert getattr(found, name).dtype == np.float32
        assert np.array_equal(getattr(found, name), getattr(HEAD, name))
    bare = files("a", head=None)
    assert decode(digest_of(bare[MANIFEST]), bare).head is None
    assert set(good) - set(bare) == {"head_linear.npy", "head_metric.npy", "head_distances.npy"}


@pytest.mark.parametrize("name", ["head_linear.npy", "head_metric.npy", "head_distances.npy"])
@pytest.mark.parametrize(
    "data",
    [
        None,
        b"",
        b"junk",
        b"PK\x03\x04" + bytes(100),
        array_bytes(np.full((33, 2), np.nan, dtype=np.float32)),
        array_bytes(np.full((32, 32), np.inf, dtype=np.float32)),
        array_bytes(np.zeros((33, 2))),
        array_bytes(np.zeros((33, 3), dtype=np.float32)),
        array_bytes(np.zeros(33, dtype=np.float32)),
        array_bytes(np.array([{}] * 66, dtype=object).reshape(33, 2)),
    ],
    ids=["missing", "empty", "junk", "zip", "nan", "infinite", "float64", "another route", "one dimension", "objects"],
)
def test_a_head_that_does_not_fit(name: str, data: bytes | None) -> None:
    """Arrays that are missing, of other shapes or kinds, or with numbers that are not finite are DATA_LOSS."""
    changed = {key: value for key, value in files("a").items() if key != name}
    broken = resealed(changed if data is None else {**changed, name: data})
    with pytest.raises(DataLoss):
        decode(digest_of(broken[MANIFEST]), broken)


def test_the_same_input_gives_the_same_digest(tmp_path: Path) -> None:
    """Publishing the same again is the same revision; other content is another."""
    assert put(tmp_path, "a", "b") == put(tmp_path, "a", "b") == put(tmp_path / "elsewhere", "a", "b")
    assert put(tmp_path, "a", "b") != put(tmp_path, "a", "c")


@pytest.mark.fault("S6")
def test_every_flipped_bit_is_caught() -> None:
    """A bit flipped anywhere in any file is refused at load."""
    good = files("write a function", "fix this bug")
    digest = digest_of(good[MANIFEST])
    random = np.random.default_rng(1)
    for _ in range(1000):
        name = str(random.choice(sorted(good)))
        data = bytearray(good[name])
        data[int(random.integers(len(data)))] ^= 1 << int(random.integers(8))
        with pytest.raises((DataLoss, FailedPrecondition)):
            decode(digest, {**good, name: bytes(data)})


@pytest.mark.fault("S8", "S9")
def test_what_is_no_file_in_a_revision_is_refused(tmp_path: Path) -> None:
    """A link, a folder and a pipe beside the files are named and refused, and never waited for."""
    digest = put(tmp_path, "a")
    folder, store = tmp_path / "revisions" / digest, FileRevisionStore(tmp_path / "revisions")
    for make in (
        lambda path: path.symlink_to(folder / "report.json"),
        lambda path: path.mkdir(),
        os.mkfifo,
    ):
        make(folder / "extra")
        with pytest.raises(FailedPrecondition, match="extra") as refused:
            store.read(digest)
        assert refused.value.reason == ErrorReason.ARTEFACT_INCOMPATIBLE
        (folder / "extra").rmdir() if (folder / "extra").is_dir() else (folder / "extra").unlink()
    decode(digest, store.read(digest))


@pytest.mark.fault("S5")
def test_every_truncation_is_caught() -> None:
    """A file cut anywhere, or with something after its end, is DATA_LOSS that names it."""
    good = files("write a function", "fix this bug")
    digest = digest_of(good[MANIFEST])
    for name, data in good.items():
        cuts = [data[:cut] for cut in range(0, len(data), 97)] + [data + b"\n"]
        for cut in cuts:
            if cut != data:
                with pytest.raises(DataLoss, match=name.replace(".", r"\.")):
                    decode(digest, {**good, name: cut})


@pytest.mark.fault("S9")
def test_files_and_manifest_must_agree() -> None:
    """A missing file, one too many and a newer schema are FAILED_PRECONDITION with what is wrong."""
    good = files("a")
    digest = digest_of(good[MANIFEST])
    without = {name: data for name, data in good.items() if name != "report.json"}
    newer = good[MANIFEST].replace(b'"schema_version": 1', b'"schema_version": %d' % (SCHEMA_VERSION + 1))
    assert newer != good[MANIFEST]
    cases = [
        (digest, without, "report.json"),
        (digest, {**good, "extra.bin": b""}, "extra.bin"),
        (digest, {}, MANIFEST),
        (digest_of(newer), {**good, MANIFEST: newer}, "schema"),
    ]
    for name, changed, word in cases:
        with pytest.raises(FailedPrecondition, match=word) as caught:
            decode(name, changed)
        assert caught.value.reason == ErrorReason.ARTEFACT_INCOMPATIBLE


@pytest.mark.parametrize(
    "manifest", [b"", b"[]", b"{}", b"not json", b'{"schema_version": "one"}', b'{"schema_version": 1}', b"\xff"]
)
def test_a_manifest_that_is_none(manifest: bytes) -> None:
    """Bytes whose digest is right but that are no manifest are FAILED_PRECONDITION, not a stack trace."""
    with pytest.raises(FailedPrecondition) as caught:
        decode(digest_of(manifest), {**files("a"), MANIFEST: manifest})
    assert caught.value.reason == ErrorReason.ARTEFACT_INCOMPATIBLE


def test_an_unknown_revision(tmp_path: Path) -> None:
    """A digest that is not stored is NOT_FOUND."""
    with pytest.raises(NotFound) as caught:
        FileRevisionStore(tmp_path).read("0" * 64)
    assert caught.value.reason == ErrorReason.REVISION_NOT_FOUND


def test_a_damaged_revision_is_set_aside_and_published_anew(tmp_path: Path) -> None:
    """Reindexing the same content mends a damaged folder and keeps the damaged one for a look."""
    digest = put(tmp_path, "a")
    index = tmp_path / "revisions" / digest / "index.faiss"
    index.write_bytes(index.read_bytes()[:-3])
    assert put(tmp_path, "a") == digest
    decode(digest, FileRevisionStore(tmp_path / "revisions").read(digest))
    assert len(list((tmp_path / "revisions").glob("quarantine-*"))) == 1


@pytest.mark.fault("S2")
def test_a_full_disk_leaves_nothing_behind(tmp_path: Path) -> None:
    """With room for only a part of a revision nothing of it stays, at whatever byte the room ends."""
    before = put(tmp_path, "a")
    largest = max(len(data) for data in files(*(f"text {n}" for n in range(40))).values())
    for room in range(0, largest, 499):
        assert _in_child(_publish_with_room, tmp_path, room) == 0, f"room for {room} bytes"
        left = {path.name for path in (tmp_path / "revisions").iterdir()}
        assert left == {before, ".lock"}


def _publish_with_room(folder: Path, room: int) -> None:
    """In a child process: files may not grow beyond `room` bytes, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    with pytest.raises(StorageFull):
        put(folder, *(f"text {n}" for n in range(40)))


@pytest.mark.fault("S1")
def test_killed_at_any_step_leaves_old_or_new(tmp_path: Path) -> None:
    """SIGKILL at each file operation: the pointer always names a whole revision, and the next run mends the rest."""
    old = put(tmp_path, "old")
    activations = pointers_of(tmp_path)
    activate(activations, "default", old, 0)
    new = digest_of(files("new", "newer")[MANIFEST])
    killed = 0
    active = None
    for step in range(1, 200):
        code = _in_child(_publish_and_die, tmp_path, step)
        active = activations.read("default")
        assert active is not None
        assert active.revision in {old, new}
        decode(active.revision, FileRevisionStore(tmp_path / "revisions").read(active.revision))
        if code == 0:
            break
        assert code == -signal.SIGKILL
        killed += 1
        activations.activate("default", old)
    assert killed > 10, "the fault must have fired at many steps"
    assert active is not None
    assert active.revision == new
    assert not list((tmp_path / "revisions").glob(".scratch-*"))


def _publish_and_die(folder: Path, step: int) -> None:
    """In a child process: the `step`-th file operation under the folder kills it."""
    count = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        if event in {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir"} and str(folder) in str(arguments[0]):
            count += 1
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    activate(pointers_of(folder), "default", put(folder, "new", "newer"), 0)


def _in_child(work: Callable[..., None], *arguments: Any) -> int | None:
    """Run in a process of its own and give its exit code; any exception there is exit code 1, a signal is negative."""
    child = _CONTEXT.Process(target=work, args=arguments)
    child.start()
    child.join(60)
    return child.exitcode


@pytest.mark.parametrize("name", ["../up", "", "a/b", ".hidden", "x" * 65])
def test_a_name_that_can_be_no_catalogs_is_not_followed(tmp_path: Path, name: str) -> None:
    """Whatever a ledger says, nothing is written beside the pointers."""
    store = FileActivationStore(tmp_path / "catalogs")
    with pytest.raises(DataLoss, match="a catalog's name is") as caught:
        store.follow(Activation(name, "a", 1))
    assert caught.value.reason == ErrorReason.STORE_CORRUPT
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_pointer_is_told_and_mended(tmp_path: Path) -> None:
    """A pointer that cannot be read is DATA_LOSS; the next that follows the ledger is a good one."""
    (tmp_path / "default.json").write_text("{")
    store = FileActivationStore(tmp_path)
    with pytest.raises(DataLoss):
        store.read("default")
    store.follow(Activation("default", "a", 3))
    assert store.read("default") == Activation("default", "a", 3)


@pytest.mark.fault("S17")
def test_a_late_pointer_changes_nothing(tmp_path: Path) -> None:
    """Activations that arrive twice or out of order: the generation decides, never the time."""
    store = FileActivationStore(tmp_path)
    for generation in (2, 1, 3, 3, 2):
        store.follow(Activation("default", f"r{generation}", generation))
    assert store.read("default") == Activation("default", "r3", 3)
