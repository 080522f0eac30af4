"""Alert body: what does a receiver of an alert read? JSON, whose schema is docs/reference/budget-alert.schema.json."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from fingerpost.types import Alert

_MICROS = 1_000_000
_CENTS_DIGITS = 2
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_Usd = Annotated[str, Field(pattern=r"^-?[0-9]+\.[0-9]{2,6}$")]
_Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class BudgetAlert(BaseModel):
    """A budget has reached a share of its limit. Later versions of the program may add keys, which receivers ignore."""

    model_config = ConfigDict(frozen=True)

    type: Annotated[Literal["budget.alert"], Field(description="What this is.")]
    version: Annotated[Literal[1], Field(description="Another one where a key changes its meaning.")]
    id: Annotated[str, Field(description="Of the alert, the same in each attempt, as in the header webhook-id.")]
    catalog: Annotated[str, Field(description="Its name.")]
    budget: Annotated[str, Field(description="Its name in the policy.")]
    holder: Annotated[str, Field(description="Route, model or tenant whose account it is; empty: the whole catalog.")]
    percent: Annotated[Literal[50, 80, 100], Field(description="Share of the limit that was reached.")]
    used_usd: Annotated[_Usd, Field(description="Spent and reserved when that was noticed, US dollars, exactly.")]
    limit_usd: Annotated[_Usd, Field(description="Of the account then, likewise.")]
    hard: Annotated[bool, Field(description="Whether nothing is spent beyond the limit.")]
    window_start: Annotated[_Time, Field(description="Of the account, RFC 3339.")]
    window_end: Annotated[_Time, Field(description="Likewise; what is used counts from nothing then.")]
    time: Annotated[_Time, Field(description="When it was noticed, RFC 3339.")]


def body_of(alert: Alert) -> bytes:
    """What is sent and signed: compact JSON in UTF-8."""
    return (
        BudgetAlert(
            type="budget.alert",
            version=1,
            id=alert.id,
            catalog=alert.key.catalog,
            budget=alert.key.budget,
            holder=alert.key.holder,
            percent=alert.percent,  # type: ignore[arg-type]  # which one it is pydantic checks
            used_usd=usd(alert.used_usd_micros),
            limit_usd=usd(alert.limit_usd_micros),
            hard=alert.hard,
            window_start=rfc_3339(alert.key.start_s * _MICROS),
            window_end=rfc_3339(alert.end_s * _MICROS),
            time=rfc_3339(alert.time_us),
        )
        .model_dump_json()
        .encode()
    )


def usd(micros: int) -> str:
    """Micro-dollars as dollars, exactly: cents always, more digits where they are not zero."""
    dollars, rest = divmod(abs(micros), _MICROS)
    digits = f"{rest:06}".rstrip("0").ljust(_CENTS_DIGITS, "0")
    return f"{'-' if micros < 0 else ''}{dollars}.{digits}"


def rfc_3339(time_us: int) -> str:
    """Microseconds since the epoch as a time of RFC 3339 in UTC, with a fraction where there is one."""
    return (_EPOCH + timedelta(microseconds=time_us)).isoformat().replace("+00:00", "Z")
