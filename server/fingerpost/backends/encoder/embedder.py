"""Texts to unit vectors by onnxruntime: the encoder as the server runs it.

One text a run: dynamic quantisation takes one activation scale over all that runs together, so in a batch a text's
vector would depend on its neighbours (docs/decisions/0002-one-text-a-run.md).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import structlog
from onnxruntime.capi import onnxruntime_pybind11_state as _ort_state
from tokenizers import Encoding, Tokenizer

from fingerpost.backends.encoder.folder import TOKENIZER, EncoderFolder, Manifest
from fingerpost.backends.encoder.source import Precision
from fingerpost.backends.encoder.wire import has_external_data
from fingerpost.errors import DataLoss, ErrorReason, FailedPrecondition, FieldViolation, InternalError, InvalidRequest
from fingerpost.types import Embedded, EncoderId, Vector, Vectors

_log = structlog.get_logger(__name__)

MIN_CANARY_COSINE = {Precision.INT8: 0.999, Precision.FP32: 0.9999}
"""Under it a model computes something else here than where it was built: seen with int8 on CPUs without VNNI, whose
16-bit sums saturate."""

_CHARS_PER_TOKEN = 8
"""A text longer than the window times this is cut before it is tokenised, so that a huge one costs no more than a long
one. Twice what prose takes, so that mostly the window decides what is kept."""

_WORD_MARKS = ("\u2581", "\u0120")
"""What stands before a word's first piece in vocabularies of sentencepiece and of byte-level BPE."""

_BOUNDARY = re.compile(r"(?<=[.!?:;])\s+|(?<=[\u3002\uff01\uff1f\uff1a\uff1b\u0964\u061f])\s*|[\r\n]+")
"""Between two lines or sentences; a colon counts, since "Translate this:" stands before what is to be translated."""

_END_LETTERS = 12
"""Letters and digits that an end holds at least: "Thanks!" and "Answer:" are read with what stands beside them."""

_END_TOKENS = 48
"""A longer sentence at an end is taken for content, and only its outermost words are read."""

_END_CUT_TOKENS = 16
"""How much is read of an end that is no short sentence. These three are measured: benchmarks/quality/long_texts.py."""

_END_CHARS = _END_TOKENS * _CHARS_PER_TOKEN

_LOAD_ERRORS = (
    _ort_state.Fail,
    _ort_state.InvalidArgument,
    _ort_state.InvalidGraph,
    _ort_state.InvalidProtobuf,
    _ort_state.NotImplemented,
    _ort_state.RuntimeException,
)


class OnnxEncoder:
    """A verified encoder; makes embedders that share its bytes."""

    def __init__(
        self, encoder: EncoderId, precision: Precision, reader: "TextReader", model: bytes, proven: "OnnxEmbedder"
    ) -> None:
        self.encoder = encoder
        self.precision = precision
        self._reader = reader
        self._model = model
        self._proven: OnnxEmbedder | None = proven  # whoever asks first gets the one that gave the canaries

    @classmethod
    def open(cls, folder: Path, digest: str) -> "OnnxEncoder":
        """Verify `encoders/<digest>` and take the preferred precision whose canaries hold on this CPU.

        Raises:
            DataLoss: a file is not what the digest promises.
            FailedPrecondition: ARTEFACT_INCOMPATIBLE, the folder's format; ENCODER_UNAVAILABLE, no such folder, or no
                model gives the canaries' vectors here.
        """
        stored = EncoderFolder.open(folder, digest)
        reader = TextReader(stored.manifest, stored.read(TOKENIZER))
        for precision in stored.manifest.precisions:
            model = stored.read(precision.model_file)
            proven = _proven(stored, precision, reader, model)
            if proven is not None:
                return cls(stored.encoder, precision, reader, model, proven)
        raise FailedPrecondition(
            f"encoder {digest[:12]} does not give its known vectors on this machine: reindex here",
            ErrorReason.ENCODER_UNAVAILABLE,
            metadata={"encoder": digest},
        )

    def embedder(self) -> "OnnxEmbedder":
        """Another embedder with a session of its own, for one thread."""
        proven, self._proven = self._proven, None
        return proven or OnnxEmbedder(self.encoder, self._reader, self._model)


class OnnxEmbedder:
    """`types.Embedder` by a one-thread onnxruntime session; one thread at a time."""

    def __init__(self, encoder: EncoderId, reader: "TextReader", model: bytes) -> None:
        """Start a session on a model's verified bytes.

        Raises:
            DataLoss: the model keeps tensors in other files, or is no ONNX model.
        """
        self._encoder = encoder
        self._reader = reader
        self._session = _session(model)

    @property
    def id(self) -> str:
        return self._encoder.digest

    @property
    def dim(self) -> int:
        return self._encoder.dim

    @property
    def max_tokens(self) -> int:
        return self._encoder.max_tokens

    def is_whole(self, word: str) -> bool:
        """Whether the word is one piece of the tokenizer's vocabulary."""
        return self._reader.is_whole(word)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Rows of `embed_one`: shape (len(texts), dim), float32; raises what it raises."""
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        for row, text in enumerate(texts):
            vectors[row] = self._run(self._reader.read(text))
        return vectors

    def embed_one(self, text: str) -> Embedded:
        """Embed one text and tell how it was read.

        Returns:
            Vectors have shape (dim,), float32, length 1 within 1e-5; `token_count` counts special tokens too. `ends`
            are those that the ends of a truncated text have alone: the head's, then the tail's.

        Raises:
            InvalidRequest: PROMPT_EMPTY when the tokenizer reads nothing.
            InternalError: EMBEDDING_INVALID when the encoder gives no finite unit vector.
        """
        read = self._reader.read(text)
        ends = self._reader.read_ends(text) if read.truncated else ()
        vectors = [self._run(one) for one in (read, *ends)]
        return Embedded(vectors[0], len(read.ids), read.truncated, read.text, tuple(vectors[1:]))

    def _run(self, read: "ReadText") -> Vector:
        (output,) = self._session.run(None, {"input_ids": np.array([read.ids], dtype=np.int64)})
        return _unit(output[0], self.dim)


@dataclass(frozen=True, slots=True)
class ReadText:
    """A text as token ids, special ones included."""

    ids: list[int]
    text: str  # what the ids stand for, the prompt left out
    truncated: bool


class TextReader:
    """Texts to token ids; safe to share between threads."""

    def __init__(self, manifest: Manifest, tokenizer: bytes) -> None:
        """Read a tokenizer.json.

        Raises:
            FailedPrecondition: ARTEFACT_INCOMPATIBLE, this version of tokenizers cannot read it.
        """
        self._manifest = manifest
        self._window_chars = manifest.max_tokens * _CHARS_PER_TOKEN
        try:
            self._tokenizer = Tokenizer.from_buffer(tokenizer)
        except Exception as error:  # tokenizers raises nothing narrower
            raise FailedPrecondition(
                "tokenizer.json of the encoder cannot be read by the installed tokenizers",
                ErrorReason.ARTEFACT_INCOMPATIBLE,
                metadata={"file": TOKENIZER},
            ) from error

    @property
    def content_tokens(self) -> int:
        return self._manifest.content_tokens

    def is_whole(self, word: str) -> bool:
        """Whether the vocabulary holds the word, as it is or as a word's beginning is marked there."""
        forms = (word, *(mark + word for mark in _WORD_MARKS))
        return any(self._tokenizer.token_to_id(form) is not None for form in forms)

    def read(self, text: str) -> ReadText:
        """Tokenise prompt and text; a long text keeps its head and its tail.

        Raises:
            InvalidRequest: PROMPT_EMPTY when the tokenizer reads nothing of the text.
        """
        read = self._read(text)
        if read is None:
            raise _empty()
        return read

    def read_ends(self, text: str) -> list[ReadText]:
        """The first and the last line or sentence, each on its own: where the instruction of a long text may stand.

        Both are cut before they are tokenised. An end that the tokenizer reads nothing of is left out.
        """
        text = text.strip()
        head, tail = _first(_encodable(text[:_END_CHARS])).strip(), _last(_encodable(text[-_END_CHARS:])).strip()
        ends = (self._read(self._short(head, head=True)), self._read(self._short(tail, head=False)))
        return [end for end in ends if end is not None]

    def _short(self, end: str, *, head: bool) -> str:
        """The end itself, or only its outermost words when it is long."""
        encoding = self._tokenizer.encode(end, add_special_tokens=False)
        if len(encoding.ids) <= _END_TOKENS:
            return end
        return end[: _words_end(encoding)] if head else end[_words_start(encoding) :]

    def _read(self, text: str) -> ReadText | None:
        cut, truncated = self._cut_chars(text)
        cut = _encodable(cut)
        prompt = self._manifest.prompt
        encoding = self._tokenizer.encode(prompt + cut, add_special_tokens=False)
        ids = encoding.ids
        if not ids or encoding.offsets[-1][1] <= len(prompt) or not cut.strip():
            return None
        if len(ids) > self._manifest.content_tokens:
            head, tail = _share(self._manifest.content_tokens)
            ids, truncated = ids[:head] + ids[-tail:], True
            cut = _kept(prompt + cut, encoding.offsets[head - 1][1], encoding.offsets[-tail][0])[len(prompt) :]
        return ReadText([*self._manifest.prefix_ids, *ids, *self._manifest.suffix_ids], cut, truncated)

    def _cut_chars(self, text: str) -> tuple[str, bool]:
        """The text, or its head and tail when it is too long to be worth tokenising; and whether it was."""
        if len(text) > self._window_chars:
            text = text.strip()  # so that no flood of blanks pushes the content out
        if len(text) <= self._window_chars:
            return text, False
        head, tail = _share(self._window_chars - 1)
        return _kept(text, head, len(text) - tail), True


def _first(text: str) -> str:
    """What stands before the first boundary that leaves enough there; all when none does."""
    letters = _letters(text)
    boundary = _BOUNDARY.search(text, letters[_END_LETTERS - 1]) if len(letters) >= _END_LETTERS else None
    return text[: boundary.start()] if boundary else text


def _last(text: str) -> str:
    """What stands after the last boundary that leaves enough there; all when none does."""
    letters = _letters(text)
    boundaries = list(_BOUNDARY.finditer(text, 0, letters[-_END_LETTERS])) if len(letters) >= _END_LETTERS else []
    return text[boundaries[-1].end() :] if boundaries else text


def _letters(text: str) -> list[int]:
    """Where the letters and digits stand."""
    return [place for place, character in enumerate(text) if character.isalnum()]


def _words_end(encoding: Encoding) -> int:
    """Where the words end that lie within the first tokens; amid the first word when it is longer."""
    words, count = encoding.word_ids, _END_CUT_TOKENS
    while count and words[count] == words[count - 1]:
        count -= 1
    end: int = encoding.offsets[(count or _END_CUT_TOKENS) - 1][1]
    return end


def _words_start(encoding: Encoding) -> int:
    """Where the words start that lie within the last tokens; amid the last word when it is longer."""
    words, count = encoding.word_ids, _END_CUT_TOKENS
    while count and words[-count] == words[-count - 1]:
        count -= 1
    start: int = encoding.offsets[-(count or _END_CUT_TOKENS)][0]
    return start


def _kept(text: str, head_end: int, tail_start: int) -> str:
    return f"{text[:head_end]} {text[tail_start:]}"  # the blank keeps two half words from making a third


def _share(room: int) -> tuple[int, int]:
    """Split what fits into a head and a tail: the task mostly stands first, and often again at the end."""
    tail = max(room // 3, 1)
    return room - tail, tail


def _encodable(text: str) -> str:
    """Half a surrogate pair, which a route file's escape can make, becomes a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _empty() -> InvalidRequest:
    return InvalidRequest(
        "the text holds nothing that the encoder reads: send some words",
        ErrorReason.PROMPT_EMPTY,
        fields=[FieldViolation("text", "must hold at least one token")],
    )


def _unit(output: Any, dim: int) -> Vector:  # noqa: ANN401  onnxruntime has no types
    vector: Vector = np.asarray(output, dtype=np.float32)
    norm = float(np.linalg.norm(vector.astype(np.float64)))
    if vector.shape != (dim,) or not np.isfinite(norm) or norm == 0.0:
        raise InternalError("the encoder gave no finite vector for the text", ErrorReason.EMBEDDING_INVALID)
    return (vector / norm).astype(np.float32)


def _session(model: bytes) -> Any:  # noqa: ANN401  onnxruntime has no types
    try:
        external = has_external_data(model)
    except ValueError as error:
        raise DataLoss("the encoder's model is no ONNX model") from error
    if external:
        raise DataLoss("the encoder's model keeps data in other files, which cannot be verified")
    return onnxruntime.InferenceSession(model, _session_options(), providers=["CPUExecutionProvider"])


def _session_options() -> Any:  # noqa: ANN401  onnxruntime has no types
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.enable_mem_pattern = False  # it would keep a plan for each length of text that was ever seen
    options.log_severity_level = 3  # errors: they are raised as well
    return options


def _proven(stored: EncoderFolder, precision: Precision, reader: TextReader, model: bytes) -> OnnxEmbedder | None:
    """An embedder that computes the stored vectors on this machine; None, with a line in the log, when none does."""
    texts, expected = stored.canaries(precision)
    try:
        embedder = OnnxEmbedder(stored.encoder, reader, model)
        found = embedder.embed(texts)
    except (*_LOAD_ERRORS, InternalError) as error:
        _warn(stored, precision, error=type(error).__name__)
        return None
    cosine = float(np.einsum("ij,ij->i", found, expected).min())
    if cosine < MIN_CANARY_COSINE[precision]:
        _warn(stored, precision, cosine=round(cosine, 6), required=MIN_CANARY_COSINE[precision])
        return None
    return embedder


def _warn(stored: EncoderFolder, precision: Precision, **facts: object) -> None:
    _log.warning("encoder_precision_refused", encoder=stored.digest[:12], precision=str(precision), **facts)
