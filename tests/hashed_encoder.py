"""An encoder of semantic-router's kind that needs no model."""

from semantic_router.encoders import DenseEncoder

from tests.fakes import HashEmbedder


class Hashed(DenseEncoder):  # type: ignore[misc]  # the library is not typed for us
    """Words hashed into directions."""

    name: str = "hashed"

    def __call__(self, docs: list[str]) -> list[list[float]]:
        vectors: list[list[float]] = HashEmbedder().embed(docs).tolist()
        return vectors

    async def acall(self, docs: list[str]) -> list[list[float]]:
        return self(docs)
