"""What becomes of the encoder that a file names."""

from fingerpost.build.findings import Findings, Place, quoted
from fingerpost.build.imports.codes import IMPORT_ENCODER

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
"""The model that the default encoder is made of."""

SEMANTIC_ROUTER = frozenset(
    {
        "aurelio", "azure", "bedrock", "bm25", "clip", "cohere", "fastembed", "google", "huggingface", "jina_ai",
        "litellm", "local", "mistral", "nvidia_nim", "ollama", "openai", "tfidf", "vit", "voyage",
    }
)  # fmt: skip
"""Types that semantic-router knows; 0.x all but `local`."""

SPARSE = frozenset({"aurelio", "bm25", "tfidf"})

REDISVL = frozenset({"azure_openai", "bedrock", "cohere", "custom", "hf", "mistral", "openai", "vertexai", "voyageai"})

_SENTENCE_TRANSFORMERS = {"fastembed", "hf", "huggingface", "local"}
_OURS = {DEFAULT_MODEL, DEFAULT_MODEL.partition("/")[2]}


def note_encoder(kind: str | None, name: str | None, known: frozenset[str], place: Place, findings: Findings) -> None:
    """Say that another encoder embeds from now on, unless it is the same; `name` None is the type's default."""
    if kind in _SENTENCE_TRANSFORMERS and name in _OURS:
        return
    shown = quoted(f"{kind} {name}" if name else f"{kind}")
    if kind not in known:
        findings.add(IMPORT_ENCODER, place, f"the encoder {shown} is unknown; Fingerpost's own embeds the texts")
        return
    same = f" (the same model: fingerpost reindex --encoder {name})" if kind in {"hf", "huggingface", "local"} else ""
    message = f"the encoder {shown} is not used: Fingerpost's own embeds the texts{same if name else ''}"
    findings.add(IMPORT_ENCODER, place, message)
