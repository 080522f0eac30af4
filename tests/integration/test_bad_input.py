"""Whatever callers send: a documented code and reason, a server that lives on, and never UNKNOWN."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import numpy as np
import pytest

from fingerpost.v1 import router_service_pb2 as pb
from tests.fakes import DIGEST, DIM, ChosenEmbedder, snapshot
from tests.serving import Refusal, Served, refusal, serving

INVALID = grpc.StatusCode.INVALID_ARGUMENT


def refused(request: pb.RouteRequest, **settings: Any) -> Refusal:
    """The refusal of a request; afterwards the same server answers a good one."""

    async def ask() -> Refusal:
        async with serving(snapshot(), **settings) as served:
            answer = await refusal(served.stub.Route(request))
            assert (await served.stub.Route(pb.RouteRequest(text="fix this bug"))).route == "code"
            return answer

    return asyncio.run(ask())


def in_server(work: Callable[[Served], Awaitable[Any]], *snapshots: Any, **settings: Any) -> Any:
    async def run() -> Any:
        async with serving(*(snapshots or (snapshot(),)), **settings) as served:
            return await work(served)

    return asyncio.run(run())


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\u00a0\u2003", "\u200b\u200d\ufeff", "\u2028 \u2029"])
def test_a_text_with_nothing_to_read(text: str) -> None:
    """Empty, blank and zero-width texts are PROMPT_EMPTY, with the field named."""
    answer = refused(pb.RouteRequest(text=text))
    assert (INVALID, "PROMPT_EMPTY", "fingerpost", ["text"]) == (
        answer.code,
        answer.reason,
        answer.domain,
        answer.fields,
    )


@pytest.mark.parametrize("text", ["x" * 1025, "é" * 513, "💥" * 257])
def test_a_text_over_the_limit(text: str) -> None:
    """One character over, counted in bytes of UTF-8, is PROMPT_TOO_LARGE and tells limit and size."""
    answer = refused(pb.RouteRequest(text=text), text_bytes=1024)
    assert (INVALID, "PROMPT_TOO_LARGE", ["text"]) == (answer.code, answer.reason, answer.fields)
    assert (answer.metadata["limit"], answer.metadata["actual"]) == ("1024", str(len(text.encode())))


@pytest.mark.parametrize("text", ["x" * 1024, "é" * 512, "💥" * 256])
def test_a_text_at_the_limit_is_answered(text: str) -> None:
    """Exactly the limit is accepted."""
    reply = in_server(lambda s: s.stub.Route(pb.RouteRequest(text=text)), text_bytes=1024)
    assert reply.model


def test_no_input() -> None:
    """A request without text, conversation or vector names the missing field."""
    answer = refused(pb.RouteRequest(tenant="t"))
    assert (INVALID, "INVALID_FIELD", ["input"]) == (answer.code, answer.reason, answer.fields)


def test_all_wrong_fields_at_once() -> None:
    """Every violation is told in one reply, with exactly one ErrorInfo."""
    answer = refused(
        pb.RouteRequest(text="a\0b", tenant="t" * 129, session_id="s" * 129, catalog="../etc", alternatives_count=-1)
    )
    assert answer.code is INVALID
    assert answer.fields == ["text", "tenant", "session_id", "catalog", "alternatives_count"]
    assert answer.infos == 1


@pytest.mark.parametrize("count", [-1, 21, 2**31 - 1, -(2**31)])
def test_alternatives_out_of_range(count: int) -> None:
    """Fewer than 0 or more than 20 alternatives is a violation of that field."""
    assert refused(pb.RouteRequest(text="x", alternatives_count=count)).fields == ["alternatives_count"]


def test_too_many_facts() -> None:
    """Over 64 pairs, or over 4 KiB of keys and values, is refused."""
    assert refused(pb.RouteRequest(text="x", metadata={str(n): "" for n in range(65)})).fields == ["metadata"]
    assert refused(pb.RouteRequest(text="x", metadata={"k": "v" * 4096})).fields == ["metadata"]


@pytest.mark.parametrize("request_id", ["x" * 129, "a\nb", "naïve"])
def test_a_request_id_that_no_log_could_bear(request_id: str) -> None:
    """A request id must be short printable ASCII."""
    assert refused(pb.RouteRequest(text="x", request_id=request_id)).fields == ["request_id"]


def test_unknown_role_number() -> None:
    """An enum number that this server does not know is refused before any lookup."""
    turns = [pb.Turn(role=99, text="hi"), pb.Turn(role=pb.ROLE_USER, text="hi")]  # type: ignore[arg-type]
    answer = refused(pb.RouteRequest(conversation=pb.Conversation(turns=turns)))
    assert answer.fields == ["conversation.turns[0].role"]


@pytest.mark.parametrize(
    ("turns", "field", "reason"),
    [
        ([], "conversation.turns", "INVALID_FIELD"),
        ([pb.Turn(role=pb.ROLE_USER, text="x")] * 65, "conversation.turns", "INVALID_FIELD"),
        ([pb.Turn(role=pb.ROLE_ASSISTANT, text="x")], "conversation.turns", "INVALID_FIELD"),
        ([pb.Turn(role=pb.ROLE_USER, text=" ")], "conversation.turns[0].text", "PROMPT_EMPTY"),
        ([pb.Turn(text="x")], "conversation.turns[0].role", "INVALID_FIELD"),
    ],
)
def test_bad_conversations(turns: list[pb.Turn], field: str, reason: str) -> None:
    """No turns, too many, none of the user's, an empty last one and a missing role are each named."""
    answer = refused(pb.RouteRequest(conversation=pb.Conversation(turns=turns)))
    assert (answer.code, field, reason) == (INVALID, answer.fields[0], answer.reason)


@pytest.mark.parametrize(
    ("embedding", "reason"),
    [
        (pb.Embedding(encoder_digest=DIGEST, values=[1.0] * (DIM + 1)), "DIMENSION_MISMATCH"),
        (pb.Embedding(encoder_digest=DIGEST), "DIMENSION_MISMATCH"),
        (pb.Embedding(encoder_digest="0" * 64, values=[1.0] * DIM), "ENCODER_MISMATCH"),
        (pb.Embedding(encoder_digest=DIGEST, values=[0.0] * DIM), "INVALID_FIELD"),
        (pb.Embedding(encoder_digest=DIGEST, values=[float("nan")] * DIM), "INVALID_FIELD"),
        (pb.Embedding(encoder_digest=DIGEST, values=[float("inf")] * DIM), "INVALID_FIELD"),
    ],
)
def test_bad_vectors(embedding: pb.Embedding, reason: str) -> None:
    """A vector of another encoder or length, of zeros, or with numbers that are not finite never reaches the index."""
    answer = refused(pb.RouteRequest(embedding=embedding))
    assert (INVALID, reason) == (answer.code, answer.reason)
    assert answer.fields[0].startswith("embedding.")


def test_an_encoder_that_gives_no_numbers() -> None:
    """A vector that is not finite is INTERNAL with EMBEDDING_INVALID, not a made-up decision."""
    broken = snapshot([ChosenEmbedder()])
    answer = in_server(lambda s: refusal(s.stub.Route(pb.RouteRequest(text="hi"))), broken)
    assert (grpc.StatusCode.INTERNAL, "EMBEDDING_INVALID") == (answer.code, answer.reason)


def test_unknown_catalog() -> None:
    """A catalog that is not served is NOT_FOUND, and the message names none."""
    answer = refused(pb.RouteRequest(text="x", catalog="secret-team"))
    assert (grpc.StatusCode.NOT_FOUND, "CATALOG_NOT_FOUND") == (answer.code, answer.reason)
    assert "secret" not in answer.message


def test_nothing_published() -> None:
    """Before the first publish every catalog is FAILED_PRECONDITION, with what to do."""

    async def ask() -> Refusal:
        async with serving() as served:
            return await refusal(served.stub.Route(pb.RouteRequest(text="x")))

    answer = asyncio.run(ask())
    assert (grpc.StatusCode.FAILED_PRECONDITION, "NO_ACTIVE_REVISION") == (answer.code, answer.reason)
    assert "reindex" in answer.message


def test_empty_index_falls_back() -> None:
    """A catalog without any utterance answers with the fallback model and says why."""
    empty = snapshot(routes={"code": []})
    reply = in_server(lambda s: s.stub.Route(pb.RouteRequest(text="x", include_matches=True)), empty)
    assert (reply.outcome, reply.model, list(reply.reasons)) == (3, "big", [8])
    assert not reply.HasField("confidence")
    assert not reply.matches


def test_fewer_exemplars_than_neighbours() -> None:
    """With fewer exemplars than the vote asks for, all of them vote and none is invented."""
    small = snapshot(routes={"code": ["write a function"]})
    reply = in_server(lambda s: s.stub.Route(pb.RouteRequest(text="a function", include_matches=True)), small)
    assert ["write a function"] == [m.text for m in reply.matches]


BYTES = {
    "invalid UTF-8": b"\x0a\x02\xff\xfe",
    "truncated": b"\x0a\x05ab",
    "wrong wire type": b"\x0c",
    "no protobuf": b"\xff" * 16,
}


def raw(served: Served, method: str, data: bytes) -> Awaitable[bytes]:
    """A call whose bytes no stub would send."""
    call: Any = served.channel.unary_unary(method)
    reply: Awaitable[bytes] = call(data)
    return reply


METHODS = [
    "/fingerpost.v1.RouterService/Route",
    "/fingerpost.v1.RouterService/RouteBatch",
    "/fingerpost.v1.RouterService/Explain",
    "/fingerpost.v1.RouterService/GetServerInfo",
    "/grpc.health.v1.Health/Check",
]


@pytest.mark.parametrize("data", BYTES.values(), ids=BYTES.keys())
@pytest.mark.parametrize("method", METHODS)
def test_malformed_bytes(method: str, data: bytes) -> None:
    """Bytes that are no message, or strings that are not UTF-8, are MALFORMED_REQUEST on every unary method."""
    answer = in_server(lambda s: refusal(raw(s, method, data)))
    assert (INVALID, "MALFORMED_REQUEST", 1) == (answer.code, answer.reason, answer.infos)


def test_malformed_bytes_on_streams() -> None:
    """The streaming methods of health and reflection refuse them in the same way."""

    async def work(served: Served) -> list[Refusal]:
        channel: Any = served.channel
        watch = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"\xff")
        method = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
        reflect = channel.stream_stream(method)(iter([b"\xff"]))
        return [await refusal(watch.read()), await refusal(reflect.read())]

    for answer in in_server(work):
        assert (INVALID, "MALFORMED_REQUEST") == (answer.code, answer.reason)


def test_unknown_method() -> None:
    """A method that does not exist is UNIMPLEMENTED."""
    answer = in_server(lambda s: refusal(raw(s, "/fingerpost.v1.RouterService/Nope", b"")))
    assert answer.code is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("size", [5_000_000, 64_000_000])
def test_message_over_the_limit(size: int) -> None:
    """A message over 4 MiB is RESOURCE_EXHAUSTED, many at once, and the server lives on."""

    async def work(served: Served) -> None:
        calls = [refusal(served.stub.Route(pb.RouteRequest(text="x" * size))) for _ in range(3)]
        assert {grpc.StatusCode.RESOURCE_EXHAUSTED} == {answer.code for answer in await asyncio.gather(*calls)}
        assert (await served.stub.Route(pb.RouteRequest(text="fix this bug"))).route == "code"

    in_server(work)


@pytest.mark.parametrize("text", ["a\rb\x07c", "\u202eabc\u202c", "a\u0301\u0302", "\ue000", "𝕏 \U0010fffd"])
def test_odd_characters_are_routed(text: str) -> None:
    """Control characters, right-to-left marks and rare scripts are texts like others."""
    assert in_server(lambda s: s.stub.Route(pb.RouteRequest(text=text))).model


def test_nul_is_refused() -> None:
    """NUL, which stores cannot hold, is refused by name."""
    answer = refused(pb.RouteRequest(text="a\0b"))
    assert (INVALID, "INVALID_FIELD", ["text"]) == (answer.code, answer.reason, answer.fields)


def test_call_metadata_over_the_hard_limit() -> None:
    """4 KiB of call metadata always pass; over 16 KiB are always RESOURCE_EXHAUSTED."""

    async def work(served: Served) -> None:
        for _ in range(20):
            small = served.stub.Route(pb.RouteRequest(text="x"), metadata=(("x-large", "v" * 4_000),))
            assert (await small).model
            large = served.stub.Route(pb.RouteRequest(text="x"), metadata=(("x-large", "v" * 20_000),))
            assert (await refusal(large)).code is grpc.StatusCode.RESOURCE_EXHAUSTED

    in_server(work)


def test_batch_sizes() -> None:
    """An empty batch and one over the limit are refused whole, with the limit."""

    async def work(served: Served) -> list[Refusal]:
        item = pb.RouteRequest(text="x")
        sizes = (0, 257)
        return [await refusal(served.stub.RouteBatch(pb.RouteBatchRequest(requests=[item] * n))) for n in sizes]

    empty, large = in_server(work)
    assert (INVALID, "INVALID_FIELD", ["requests"]) == (empty.code, empty.reason, empty.fields)
    assert (INVALID, "BATCH_TOO_LARGE", "256") == (large.code, large.reason, large.metadata["limit"])


def test_batch_items_fail_alone() -> None:
    """Each item of a batch has its answer or the very error that a single call would have had."""
    items = [
        pb.RouteRequest(text="fix this bug"),
        pb.RouteRequest(text=" "),
        pb.RouteRequest(text="x", catalog="nope"),
        pb.RouteRequest(embedding=pb.Embedding(encoder_digest="0", values=[1.0])),
    ]

    async def work(served: Served) -> None:
        batch = await served.stub.RouteBatch(pb.RouteBatchRequest(requests=items))
        assert batch.results[0].response.route == "code"
        for item, result in list(zip(items, batch.results, strict=True))[1:]:
            single = await refusal(served.stub.Route(item))
            error = result.error
            assert (single.code.value[0], single.reason, single.message) == (error.code, error.reason, error.message)
            assert single.fields == [v.field for v in error.field_violations]

    in_server(work)


def test_explain_without_a_request() -> None:
    """Explain names the field that is missing."""
    answer = in_server(lambda s: refusal(s.stub.Explain(pb.ExplainRequest())))
    assert (INVALID, ["request"]) == (answer.code, answer.fields)


def test_random_bytes_never_give_unknown() -> None:
    """A thousand random messages to every method: answered or refused by a documented code."""

    async def work(served: Served) -> set[grpc.StatusCode]:
        random, codes = np.random.default_rng(7), set()
        for _ in range(200):
            data = random.bytes(int(random.integers(0, 40)))
            for method in METHODS:
                try:
                    await raw(served, method, data)
                except grpc.aio.AioRpcError as error:
                    codes.add(error.code())
        return codes

    assert in_server(work) <= {INVALID, grpc.StatusCode.NOT_FOUND}
