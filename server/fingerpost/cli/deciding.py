"""`fingerpost decide`: one decision, and with --explain every step that led to it, as a tree."""

from dataclasses import asdict

import typer
from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from fingerpost.cli import show
from fingerpost.client import Decision, Explanation, ModelTrace, RuleTrace

_out = Console(highlight=False, soft_wrap=True, emoji=False)

_VERDICTS = {
    "HOLDS": "holds",
    "RULED_OUT": "cannot hold: it needs a literal that is not there",
    "DOES_NOT_HOLD": "does not hold",
    "UNKNOWN": "not known: it reads a fact that this request does not have",
    "FAILED": "has no value",
}


def explained(explanation: Explanation, *, as_json: bool) -> None:
    """Show it."""
    if as_json:
        typer.echo(show.to_json(asdict(explanation)))
        return
    _out.print(_tree(explanation))
    _out.print(escape(explanation.summary))


def _tree(explanation: Explanation) -> Tree:
    decision = explanation.decision
    tree = Tree(f"[bold]{escape(_decided(decision))}[/bold]", guide_style="dim")
    _add_rules(tree, "rules before similarity", [rule for rule in explanation.rules if rule.stage == "before"])
    _add_similarity(tree, decision)
    _add_rules(tree, "rules after similarity", [rule for rule in explanation.rules if rule.stage == "after"])
    models = tree.add("models")
    for model in explanation.models:
        models.add(escape(_model(model)))
    return tree


def _decided(decision: Decision) -> str:
    route = f"route {decision.route}" if decision.route else "no route"
    reasons = f" ({', '.join(decision.reasons)})" if decision.reasons else ""
    return f"{decision.outcome}: {route}, model {decision.model}{reasons}"


def _add_rules(tree: Tree, title: str, rules: list[RuleTrace]) -> None:
    if not rules:
        return
    branch = tree.add(title)
    for rule in rules:
        final = ", final" if rule.final else ""
        leaf = branch.add(f"{'[bold]' if rule.took_effect else ''}{escape(rule.name)}{final}: {_verdict(rule)}")
        leaf.add(f"when {escape(rule.when)}")
        if rule.took_effect:
            leaf.add(f"then {escape(rule.actions)}")


def _verdict(rule: RuleTrace) -> str:
    told = _VERDICTS.get(rule.verdict, rule.verdict)
    error = f": {escape(rule.error)}" if rule.error else ""
    strictly = ", and is taken strictly" if rule.took_effect and rule.verdict != "HOLDS" else ""
    return f"{told}{error}{strictly}"


def _add_similarity(tree: Tree, decision: Decision) -> None:
    if not decision.alternatives:
        return
    branch = tree.add(f"similarity, threshold {decision.threshold:.2f}")
    for one in decision.alternatives:
        confidence = "uncalibrated" if one.confidence is None else f"confidence {one.confidence:.2f}"
        branch.add(escape(f"{one.route}: {confidence}, score {one.score:.2f}, similarity {one.similarity:.2f}"))


def _model(model: ModelTrace) -> str:
    if model.place:
        place = "answers" if model.place == 1 else f"is tried as number {model.place}"
    else:
        place = f"is passed over: {model.skip_reason}" if model.skip_reason else "is not named for this request"
    facts = [
        "" if model.cost_usd_micros is None else f"${model.cost_usd_micros / 1e6:.6f}",
        "" if model.quality is None else f"quality {model.quality:.2f}",
        "" if model.latency_p50_ms is None else f"{model.latency_p50_ms} ms",
    ]
    told = ", ".join(fact for fact in facts if fact)
    return f"{model.model} {place}{f' ({told})' if told else ''}"
