"""Commands that look after budgets."""

from typing import Annotated

import typer

from fingerpost.cli.commands.app import app
from fingerpost.cli.commands.at_a_desk import at_the_controls
from fingerpost.cli.commands.options import Catalog, Json
from fingerpost.cli.desks import Controls

budget_app = typer.Typer()
app.add_typer(budget_app, name="budget")

_Name = Annotated[str, typer.Argument(help="The budget's name.")]
_Holder = Annotated[str, typer.Option(help="The route, model or tenant that it is for; default: all.")]


@budget_app.callback(invoke_without_command=True, epilog="Example: fingerpost budget --catalog default")
@at_the_controls
def budget(controls: Controls, catalog: Catalog = "default", json: Json = False) -> None:
    """List the budgets in force and how much of them is used."""
    from fingerpost.cli.budgets import show_budgets

    show_budgets(controls.budgets(catalog), as_json=json)


@budget_app.command(name="show", epilog="Example: fingerpost budget show team")
@at_the_controls
def budget_show(controls: Controls, name: _Name, catalog: Catalog = "default", json: Json = False) -> None:
    """Show a budget with each of its accounts: what was spent, and what is held back."""
    from fingerpost.cli.budgets import budget_of, show_budget

    show_budget(budget_of(controls.budgets(catalog), name), as_json=json)


@budget_app.command(name="set", epilog="Example: fingerpost budget set team --limit 12.50 --holder acme")
@at_the_controls
def budget_set(
    controls: Controls,
    name: _Name,
    limit: Annotated[str, typer.Option(help="Dollars, as 12.50.")],
    holder: _Holder = "",
    catalog: Catalog = "default",
    json: Json = False,
) -> None:
    """Set another limit than the policy's, from now on; all servers follow."""
    from fingerpost.cli.quantities import dollars, micros_of
    from fingerpost.cli.releases import show_done

    micros = micros_of("--limit", limit)
    entry = controls.set_budget(name, micros, holder, catalog)
    show_done(entry, f"Budget {name} now has the limit {dollars(micros)} for {holder or 'all'}.", as_json=json)


@budget_app.command(name="reset", epilog="Example: fingerpost budget reset team --holder acme")
@at_the_controls
def budget_reset(
    controls: Controls, name: _Name, holder: _Holder = "", catalog: Catalog = "default", json: Json = False
) -> None:
    """Let the policy's limit hold again."""
    from fingerpost.cli.releases import show_done

    entry = controls.reset_budget(name, holder, catalog)
    show_done(entry, f"Budget {name} has the policy's limit again for {holder or 'all'}.", as_json=json)


@budget_app.command(name="clear", epilog="Example: fingerpost budget clear team --holder acme")
@at_the_controls
def budget_clear(
    controls: Controls, name: _Name, holder: _Holder = "", catalog: Catalog = "default", json: Json = False
) -> None:
    """Put what was spent in running windows out of the count."""
    from fingerpost.cli.budgets import show_cleared

    show_cleared(controls.clear_budget(name, holder, catalog), name, as_json=json)
