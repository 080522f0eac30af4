"""A reindex for tests: of hashed words, so that it needs no encoder."""

from pathlib import Path

from fingerpost.backends.file_store import FileRevisionStore
from fingerpost.backends.index.flat import FaissFlatEngine
from fingerpost.bootstrap.planning import rulebook_of
from fingerpost.build.reindex import Workshop
from fingerpost.engine_ports import OpenEncoder
from fingerpost.ports import NoProgress
from tests.fakes import HASH_ENCODER, HashEmbedder, MemoryCache
from tests.ledgers import pointers_of


def workshop(folder: Path, cache: MemoryCache | None = None) -> Workshop:
    """A reindex of hashed words that publishes into the folder."""
    return Workshop(
        plain=OpenEncoder(HASH_ENCODER, "fp32", (HashEmbedder(),)),
        engines=(FaissFlatEngine(),),
        cache=cache or MemoryCache(),
        revisions=FileRevisionStore(folder / "revisions"),
        activations=pointers_of(folder),
        progress=NoProgress(),
        rulebook_of=rulebook_of,
        known=lambda digest: (folder / "revisions" / digest).is_dir(),
    )
