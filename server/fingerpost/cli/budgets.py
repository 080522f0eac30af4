"""What the commands show of budgets."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fingerpost.cli.quantities import about, dollars
from fingerpost.cli.show import to_json
from fingerpost.errors import ErrorReason, NotFound

if TYPE_CHECKING:
    from fingerpost.client.control_types import Budget, BudgetAccount, Cleared

_WHEN_SPENT = {
    "alert": "alert only",
    "downgrade": "cheapest model",
    "refuse": "refuse",
    "cheapest": "cheapest model, then refuse",
}

_out = Console(highlight=False, soft_wrap=True, emoji=False)


def budget_of(budgets: "Sequence[Budget]", name: str) -> "Budget":
    """The one of that name.

    Raises:
        NotFound: BUDGET_NOT_FOUND.
    """
    found = next((one for one in budgets if one.name == name), None)
    if found is None:
        raise NotFound(
            f"the policy in force has no budget {name}: fingerpost budget lists them", ErrorReason.BUDGET_NOT_FOUND
        )
    return found


def show_budgets(budgets: "Sequence[Budget]", *, as_json: bool) -> None:
    """A row a budget, with the account that is used most."""
    if as_json:
        typer.echo(to_json(budgets))
        return
    if not budgets:
        _out.print("The policy in force has no budgets. Next: budgets: in _policy.yaml, then fingerpost reindex")
        return
    table = _table("budget", "of", "per", "limit", "when spent", "accounts", "used most")
    for one in budgets:
        most = max(one.accounts, key=_share, default=None)
        table.add_row(
            escape(one.name),
            _of(one),
            one.per,
            _limit(one),
            _WHEN_SPENT.get(one.when_spent, one.when_spent),
            f"{len(one.accounts):,}",
            "" if most is None else escape(f"{_share(most):.0%} {most.holder}".rstrip()),
        )
    _out.print(table)
    _out.print("accounts: of running windows, UTC. Next: fingerpost budget show NAME")


def show_budget(budget: "Budget", *, as_json: bool) -> None:
    """One budget with all its accounts."""
    if as_json:
        typer.echo(to_json(budget))
        return
    of = f"{_of(budget)}{': ' + ', '.join(budget.only) if budget.only else ''}"
    _out.print(
        f"Budget [bold]{escape(budget.name)}[/]: {_limit(budget)} a {budget.per} of {escape(of)}; when spent: "
        f"{_WHEN_SPENT.get(budget.when_spent, budget.when_spent)}."
    )
    for limit in budget.limits_by_hand:
        _out.print(escape(f"Set by hand: {dollars(limit.limit_usd_micros)} for {limit.holder or 'all'}."))
    if budget.accounts:
        _show_accounts(budget.accounts, "(catalog)" if budget.of == "catalog" else "(none)")
    else:
        _out.print("Nothing was spent of it in a running window.")


def show_cleared(cleared: "Cleared", name: str, *, as_json: bool) -> None:
    if as_json:
        typer.echo(to_json(cleared))
        return
    accounts = "1 account" if cleared.count == 1 else f"{cleared.count:,} accounts"
    _out.print(escape(f"Budget {name}: what was spent counts no more in {accounts} of running windows."))
    if cleared.accounts:
        _show_accounts(cleared.accounts, "(none)")


def _show_accounts(accounts: "Sequence[BudgetAccount]", nobody: str) -> None:
    table = _table("holder", "until (UTC)", "limit", "used", "", "reported", "reserved", "out", "cleared")
    table.columns[1].no_wrap = True
    for one in accounts:
        sums = (one.reported_usd_micros, one.reserved_usd_micros, one.sliced_usd_micros, one.cleared_usd_micros)
        table.add_row(
            escape(one.holder or nobody),
            one.end.strftime("%Y-%m-%d %H:%M"),
            about(one.limit_usd_micros),
            about(one.used_usd_micros),
            f"{_share(one):.0%}",
            *map(about, sums),
        )
    _out.print(table)
    _out.print("used: reported and reserved without cleared; out: with servers, which have not spent it.")


def _of(budget: "Budget") -> str:
    return "the catalog" if budget.of == "catalog" else f"each {budget.of}"


def _limit(budget: "Budget") -> str:
    """The limit for all in force."""
    by_hand = next((one.limit_usd_micros for one in budget.limits_by_hand if not one.holder), None)
    return dollars(budget.limit_usd_micros) if by_hand is None else f"{dollars(by_hand)} (by hand)"


def _share(account: "BudgetAccount") -> float:
    return account.used_usd_micros / max(account.limit_usd_micros, 1)


def _table(*names: str) -> Table:
    return Table(*names, box=None, header_style="bold", padding=(0, 1, 0, 0))
