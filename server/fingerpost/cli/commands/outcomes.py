"""The command that reports what came of a decision."""

from typing import Annotated

import typer

from fingerpost.cli.commands.app import app
from fingerpost.cli.commands.options import DEFAULT_TARGET, Ca, Certificate, Json, Key, Target, Token


@app.command(
    epilog="Example: fingerpost outcome 5f2b1c9e4d7a8036b1e2f3a4c5d6e7f80912 --model coder --status ok --cost 0.0021"
)
def outcome(
    decision_id: Annotated[str, typer.Argument(help="The decision's id, as `route --json` tells it.")],
    model: Annotated[str, typer.Option(help="The model that answered or failed.")],
    status: Annotated[
        str,
        typer.Option(
            help="ok, rate_limited, server_error, timeout, unreachable, misconfigured, invalid_request, "
            "content_filtered or cancelled."
        ),
    ],
    input_tokens: Annotated[int | None, typer.Option(help="Tokens that were sent.")] = None,
    output_tokens: Annotated[int | None, typer.Option(help="Tokens of the answer.")] = None,
    cost: Annotated[str, typer.Option(help="Dollars that the call cost, as 0.0021; default: from the tokens.")] = "",
    latency_ms: Annotated[int | None, typer.Option(help="How long the call took, milliseconds.")] = None,
    verdict: Annotated[
        str, typer.Option(help="How the model suited: good_fit, underpowered, overprovisioned or failed.")
    ] = "",
    score: Annotated[float | None, typer.Option(help="How good the answer was, 0 to 1.")] = None,
    label: Annotated[str, typer.Option(help="The route that would have been right.")] = "",
    retry_after_ms: Annotated[
        int | None, typer.Option(help="What the provider asked for, milliseconds; with rate_limited alone.")
    ] = None,
    failed: Annotated[
        list[str] | None,
        typer.Option(
            help="A model that was tried before and failed, as MODEL=STATUS; may be repeated.", show_default=False
        ),
    ] = None,
    tenant: Annotated[str, typer.Option(help="The tenant that the decision was made for.")] = "",
    target: Target = DEFAULT_TARGET,
    ca: Ca = None,
    certificate: Certificate = None,
    key: Key = None,
    token: Token = "",
    json: Json = False,
) -> None:
    """Report by hand what came of a decision; the first report of a decision stands."""
    from fingerpost.cli.connecting import connect
    from fingerpost.cli.outcomes import attempts_of, show_reported
    from fingerpost.cli.quantities import micros_of

    with connect(target, ca, certificate, key, token) as client:
        reported = client.report(
            decision_id,
            model,
            status,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cost_usd_micros=micros_of("--cost", cost) if cost else None,
            latency_ms=latency_ms,
            verdict=verdict or None,
            score=score,
            label=label,
            retry_after_ms=retry_after_ms,
            failed_attempts=attempts_of(failed or ()),
            tenant=tenant,
        )
    show_reported(reported, as_json=json)
