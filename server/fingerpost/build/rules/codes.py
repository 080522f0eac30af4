"""What can be wrong with rules: FP32x. Codes and examples keep the rules of `finding_codes`."""

from fingerpost.build.finding_kinds import Files, Kind, registry_of

_WORDS = ", ".join(f'"w{number}"' for number in range(70))
_WORDS = ", ".join(f'"w{number}"' for number in range(70))
_TRACES = 'when: text.contains("Traceback")'


def _rule(*lines: str, stage: str = "before", name: str = "traces") -> str:
    return f"  {stage}:\n" + _entry(*lines, name=name)


def _entry(*lines: str, name: str) -> str:
    return f"    - name: {name}\n" + "".join(f"      {line}\n" for line in lines)


def _policy(*stages: str) -> Files:
    return {"_policy.yaml": "fallback_model: strong\nrules:\n" + "".join(stages)}


RULE_SYNTAX = Kind(
    "FP321",
    "A condition cannot be read",
    '`when` is an expression in CEL, such as `text.contains("refund") && tokens > 100`. Not all of CEL is taken: no '
    "null, bytes, maps, unsigned numbers or messages. The guide on rules lists what is.",
    bad=_policy(_rule('when: text.contains("Traceback"', "route: code")),
    good=_policy(_rule(_TRACES, "route: code")),
)
RULE_NAME = Kind(
    "FP322",
    "A condition names something unknown",
    "The fact or function does not exist, or is not known yet: `route`, `confidence`, `margin` and `similarity` are "
    "known to rules under `after` alone.",
    bad=_policy(_rule('when: txt.contains("Traceback")', "route: code")),
    good=_policy(_rule(_TRACES, "route: code")),
)
RULE_TYPE = Kind(
    "FP323",
    "The types of a condition do not fit",
    "A text is compared with a text and a number with a number; what comes as metadata is a text, which `int()` and "
    "`double()` convert. The whole condition must be true or false.",
    bad=_policy(_rule("when: metadata.tier == 1", "route: code")),
    good=_policy(_rule('when: metadata.tier == "1"', "route: code")),
)
RULE_PATTERN = Kind(
    "FP324",
    "A pattern cannot be used",
    "Patterns are matched by RE2, in linear time: look-arounds and back-references do not exist, and a pattern that "
    "needs much memory is refused. It must be written out, in at most 512 characters.",
    bad=_policy(_rule("when: 'text.matches(\"(?=Traceback)\")'", "route: code")),
    good=_policy(_rule("when: 'text.matches(\"^Traceback\")'", "route: code")),
)
RULE_COST = Kind(
    "FP325",
    "A condition costs too much",
    "It is longer than 2,000 characters, nested too deeply, or reads the text more than 64 times. One pattern with "
    "alternatives reads it once.",
    bad=_policy(_rule(f"when: '[{_WORDS}].exists(w, text.contains(w))'", "route: code")),
    good=_policy(_rule("when: 'text.matches(\"w[0-9]|w[1-6][0-9]\")'", "route: code")),
)
RULE_TWICE = Kind(
    "FP326",
    "Two rules have one name",
    "Replies and reports tell rules by their names. Rename one.",
    bad=_policy(_rule(_TRACES, "route: code"), _entry('when: text.contains("panic")', "route: code", name="traces")),
    good=_policy(_rule(_TRACES, "route: code"), _entry('when: text.contains("panic")', "route: code", name="panics")),
)
RULE_REFERENCE = Kind(
    "FP327",
    "A rule names what is not there",
    "Routes must have a file, models an entry in `_models.yaml`, and a capability or region must stand in the entry of "
    "a model at least. A route's name that a condition compares with `route` is looked up as well.",
    bad=_policy(_rule(_TRACES, "route: coding")),
    good=_policy(_rule(_TRACES, "route: code")),
)
RULE_IDLE = Kind(
    "FP328",
    "A rule does nothing",
    "Beside its condition a rule has an action: `route`, `model`, `require`, `forbid` or `min_confidence`.",
    bad=_policy(_rule(_TRACES)),
    good=_policy(_rule(_TRACES, "route: code")),
)
RULE_EXPECT = Kind(
    "FP329",
    "A rule does not do what is expected",
    "An entry of `expect` holds or does not hold where the rule says otherwise, or the rule has no value for it: a "
    "key of metadata is missing, a text is no number. Mend the condition or the example.",
    bad=_policy(_rule(_TRACES, "route: code", 'expect: [{text: "traceback (most recent call last)"}]')),
    good=_policy(_rule(_TRACES, "route: code", 'expect: [{text: "Traceback (most recent call last)"}]')),
)

REGISTRY = registry_of(dict(globals()))
