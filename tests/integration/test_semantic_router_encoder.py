"""FingerpostEncoder inside the real semantic-router: the server's vectors behind the library's interface."""

import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from semantic_router import IndexedRouter, Route

from fingerpost.backends.encoder.embedder import OnnxEncoder
from fingerpost.errors import InvalidRequest
from fingerpost.integrations.semantic_router import FaissIndex, FingerpostEncoder

TEXTS = [
    "fix this stack trace",
    "translate hello into french",
    "Fix this stack trace!",
    "a " * 400,
    "é",
    "solve x + 2 = 5",
]


@pytest.fixture(scope="module")
def folder(encoders_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the default encoder."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "encoders").symlink_to(encoders_folder)
    return folder


@pytest.fixture(scope="module")
def ours(folder: Path) -> Any:
    return FingerpostEncoder(data=folder, threads=2)


def test_the_vectors_are_the_servers(ours: Any, encoder: OnnxEncoder) -> None:
    """Number for number, alone and beside other texts, from ordinary code and from a loop."""
    expected = [encoder.embedder().embed_one(text).vector.tolist() for text in TEXTS]
    assert ours(TEXTS) == expected
    assert [ours([text])[0] for text in TEXTS] == expected
    assert asyncio.run(ours.acall(TEXTS[::-1])) == expected[::-1]
    assert ours([]) == []
    assert (ours.name, ours.type, ours.dimensions, ours.digest) == ("minilm", "fingerpost", 384, encoder.encoder.digest)


def test_threads_may_share_it(ours: Any) -> None:
    """More callers than embedders wait for one another and get their own vectors."""
    alone = {text: ours([text]) for text in TEXTS}
    with ThreadPoolExecutor(8) as pool:
        texts = TEXTS * 8
        assert list(pool.map(lambda text: ours([text]), texts)) == [alone[text] for text in texts]


def test_the_loop_is_free_while_it_embeds(ours: Any) -> None:
    """Other work of the loop gets its turn before a long list is done."""

    async def use() -> int:
        embedding = asyncio.ensure_future(ours.acall(["a " * 400] * 8))
        turns = 0
        while not embedding.done():
            await asyncio.sleep(0)
            turns += 1
        return turns

    assert asyncio.run(use()) > 20


@pytest.mark.parametrize("bad", ["", " \n", 7, None])
def test_what_it_cannot_read_is_a_value_error(ours: Any, bad: Any) -> None:
    """An empty text and what is no text are refused, and the encoder goes on."""
    with pytest.raises(ValueError, match=r"holds nothing|reads texts"):
        ours(["good", bad])
    assert len(ours(["good"])) == 1


def test_bad_settings_are_refused(folder: Path, tmp_path: Path) -> None:
    """A misspelt field, no thread and an unknown precision; nothing is built meanwhile."""
    with pytest.raises(ValueError, match="Extra inputs"):
        FingerpostEncoder(folder=tmp_path)
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        FingerpostEncoder(data=folder, threads=0)
    with pytest.raises(InvalidRequest, match="use int8 or fp32"):
        FingerpostEncoder(data=folder, precision="int4")
    assert list(tmp_path.iterdir()) == []


def test_a_router_decides_by_it(ours: Any) -> None:
    """With it and the index of ours an IndexedRouter tells routes apart, and cannot be saved, as the library says."""
    routes = [
        Route(name="code", utterances=["write a function that reverses a list", "why does this loop never end"]),
        Route(name="translate", utterances=["say this in spanish", "translate the letter into english"]),
    ]
    router = IndexedRouter(encoder=ours, routes=routes, index=FaissIndex())
    assert router("put these words into german").name == "translate"
    assert asyncio.run(router.acall("my python function is broken")).name == "code"
    with pytest.raises(ValueError, match="FingerpostEncoder can't be saved"):
        router.to_json("never.json")
    assert not Path("never.json").exists()


_LIGHT = """
import sys
import fingerpost.integrations.semantic_router as package
assert not {"semantic_router", "faiss", "onnxruntime", "grpc"} & set(sys.modules)
assert dir(package) and not hasattr(package, "Nothing")
encoder = package.FingerpostEncoder(data=sys.argv[1], threads=1)
index, router = package.FaissIndex(), package.RemoteRouter("127.0.0.1:1")
index.add(encoder(["hello"]), ["greeting"], ["hello"])
assert index.query(__import__("numpy").array(encoder(["hello"])[0]))[1] == ["greeting"]
router.close()
loaded = {"torch", "transformers", "sentence_transformers", "onnx"} & set(sys.modules)
assert not loaded, loaded
"""


def test_nothing_heavy_is_imported(folder: Path) -> None:
    """The package loads no engine until a class is asked for, and the classes never load torch."""
    command = [sys.executable, "-W", "error", "-c", _LIGHT, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_missing_library_names_the_extra() -> None:
    """Asking for a class without semantic-router says what to install."""
    code = (
        "import sys; sys.modules['semantic_router'] = None\n"
        "from fingerpost.errors import FailedPrecondition\n"
        "try:\n    from fingerpost.integrations.semantic_router import FaissIndex\n"
        "except FailedPrecondition as error:\n    print(error.message)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert done.stdout.strip().endswith("pip install 'fingerpost[semantic-router]'"), done.stderr
