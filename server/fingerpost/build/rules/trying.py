"""Trying: do rules do on the examples beside them what is expected?"""

from collections.abc import Callable, Sequence

from fingerpost.build.findings import Findings, quoted
from fingerpost.build.rules.codes import RULE_EXPECT, RULE_SYNTAX
from fingerpost.build.rules.entries import DraftRule, Example
from fingerpost.serve.rules import Facts, Judged, Rulebook, Verdict
from fingerpost.types import Rule


def tried_rules(drafts: Sequence[DraftRule], rulebook_of: Callable[[Sequence[Rule]], Rulebook]) -> Rulebook:
    """The rules, made ready and tried.

    Args:
        drafts: Rules with their examples.
        rulebook_of: Makes rules ready.

    Raises:
        RouteFilesInvalid: an example is not what is expected, or the engine cannot read a rule.
    """
    findings = Findings()
    for draft in drafts:
        _try(draft, rulebook_of, findings)
    findings.check()
    return rulebook_of([draft.rule for draft in drafts])


def _try(draft: DraftRule, rulebook_of: Callable[[Sequence[Rule]], Rulebook], findings: Findings) -> None:
    rule = draft.rule
    try:
        book = rulebook_of([rule])
    except ValueError as error:
        findings.add(RULE_SYNTAX, draft.places["when"], f"rule {rule.name!r}: {error}")
        return
    for example in draft.examples:
        [judged] = book.judge_alone(Facts(dict(example.facts), book.detector))
        if (judged.verdict is Verdict.HOLDS) is not example.holds or judged.verdict is Verdict.FAILED:
            findings.add(RULE_EXPECT, example.place, _told(example, judged))


def _told(example: Example, judged: Judged) -> str:
    what = f"rule {example.rule!r} {'should hold' if example.holds else 'should not hold'} for "
    what += quoted(str(example.facts["text"]))
    if judged.verdict is Verdict.FAILED:
        return f"{what}, and it has no value: {judged.why}"
    if judged.verdict is Verdict.UNKNOWN:
        missing = sorted(name for name in judged.rule.reads if name not in example.facts)
        return f"{what}, and it reads what the example does not give: {', '.join(missing)}"
    return f"{what}, and it does{'' if judged.verdict is Verdict.HOLDS else ' not'}"
