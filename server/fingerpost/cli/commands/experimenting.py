"""Commands that look after experiments."""

from pathlib import Path
from typing import Annotated

import typer

from fingerpost.cli.commands.app import app
from fingerpost.cli.commands.at_a_desk import at_the_controls
from fingerpost.cli.commands.options import Catalog, Json
from fingerpost.cli.desks import Controls

experiment_app = typer.Typer()
app.add_typer(experiment_app, name="experiment")

_Name = Annotated[str, typer.Argument(help="The experiment's name.")]


@experiment_app.callback(invoke_without_command=True, epilog="Example: fingerpost experiment --catalog default")
@at_the_controls
def experiment(controls: Controls, catalog: Catalog = "default", json: Json = False) -> None:
    """List the experiments in force: what they split, how, and whether they run."""
    from fingerpost.cli.running import show_experiments

    show_experiments(controls.experiments(catalog), as_json=json)


@experiment_app.command(
    name="show", epilog="Example: fingerpost experiment show smaller-coder --target unix:data/admin.sock"
)
@at_the_controls
def experiment_show(controls: Controls, name: _Name, catalog: Catalog = "default", json: Json = False) -> None:
    """Show an experiment's arms as they run; counts are those of the server that --target names."""
    from fingerpost.cli.running import experiment_of, show_experiment

    show_experiment(experiment_of(controls.experiments(catalog), name), as_json=json)


@experiment_app.command(name="stop", epilog="Example: fingerpost experiment stop smaller-coder")
@at_the_controls
def experiment_stop(controls: Controls, name: _Name, catalog: Catalog = "default", json: Json = False) -> None:
    """Put nobody into an experiment any more."""
    from fingerpost.cli.releases import show_done

    entry = controls.set_experiment(name, running=False, catalog=catalog)
    show_done(entry, f"Experiment {name} is stopped: requests are answered as without it.", as_json=json)


@experiment_app.command(name="start", epilog="Example: fingerpost experiment start smaller-coder")
@at_the_controls
def experiment_start(controls: Controls, name: _Name, catalog: Catalog = "default", json: Json = False) -> None:
    """Let an experiment go on that was stopped."""
    from fingerpost.cli.releases import show_done

    show_done(
        controls.set_experiment(name, running=True, catalog=catalog), f"Experiment {name} runs again.", as_json=json
    )


@experiment_app.command(
    name="set", epilog="Example: fingerpost experiment set smaller-coder --weight small=20 --weight control=80"
)
@at_the_controls
def experiment_set(
    controls: Controls,
    name: _Name,
    weight: Annotated[
        list[str], typer.Option(help="ARM=PERCENT; repeat it for each arm, 100 together.", show_default=False)
    ],
    catalog: Catalog = "default",
    json: Json = False,
) -> None:
    """Set other weights than the policy's."""
    from fingerpost.cli.quantities import weights_of
    from fingerpost.cli.releases import show_done

    weights = weights_of(weight)
    entry = controls.set_experiment(name, weights=weights, catalog=catalog)
    split = ", ".join(f"{arm} {percent:g}%" for arm, percent in weights.items())
    show_done(entry, f"Experiment {name} is split now: {split}.", as_json=json)


@experiment_app.command(name="reset", epilog="Example: fingerpost experiment reset smaller-coder")
@at_the_controls
def experiment_reset(controls: Controls, name: _Name, catalog: Catalog = "default", json: Json = False) -> None:
    """Let an experiment run as the policy says again, with the arms that a guardrail stopped."""
    from fingerpost.cli.releases import show_done

    entry = controls.reset_experiment(name, catalog)
    show_done(entry, f"Experiment {name} runs as the policy says again.", as_json=json)


@experiment_app.command(name="report", epilog="Example: fingerpost experiment report smaller-coder --plot effects.svg")
@at_the_controls
def experiment_report(
    controls: Controls,
    name: _Name,
    plot: Annotated[Path | None, typer.Option(help="Draw the effects over time: a file .svg or .png.")] = None,
    catalog: Catalog = "default",
    json: Json = False,
) -> None:
    """Tell what the arms have shown so far, with intervals that hold whenever somebody looks."""
    from fingerpost.cli.experiments import show_experiment_report
    from fingerpost.cli.reported_experiments import as_report

    show_experiment_report(as_report(controls.report(name, catalog), catalog), as_json=json, plot=plot)
