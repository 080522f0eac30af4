"""The kinds of findings about what texts say, FP4xx: warnings and notes, since a person must judge them.

Codes and examples keep the rules of `finding_codes`; the examples are looked at with the default encoder.
"""

from fingerpost.build.finding_kinds import Files, Kind, registry_of
from fingerpost.types import Severity


def _folder(**routes: str) -> Files:
    return {f"{name}.yaml": text for name, text in routes.items()}


def _route(*utterances: str, tests: tuple[str, ...] = (), head: str = "model: coder\n") -> str:
    lines = "".join(f"  - {text}\n" for text in utterances)
    held_out = "tests:\n" + "".join(f"  - {text}\n" for text in tests) if tests else ""
    return f"{head}utterances:\n{lines}{held_out}"


UTTERANCE_ALIKE = Kind(
    "FP401",
    "Two routes have nearly the same utterance",
    "To the encoder the two texts are as near as a text is to itself said politely, and yet they stand in different "
    "routes, or in a route and in `_out_of_scope.yaml`: whichever is nearer by chance decides. Keep one of them, or "
    "write both so that they say what tells the routes apart.",
    bad=_folder(
        code=_route("write a script that renames my photos"),
        writing=_route("please write a script that renames my photos"),
    ),
    good=_folder(
        code=_route("write a script that renames my photos"),
        writing=_route("write a short story about a photographer"),
    ),
    severity=Severity.WARNING,
)
UTTERANCE_ASTRAY = Kind(
    "FP402",
    "An utterance is nearer to another route",
    "Were the utterance not in the files, it would go to another route: the text nearest to it stands there, and so "
    "do most of the texts around it. Either it belongs there, or its own route lacks texts like it. Move it, reword "
    "it, or add a few more of its kind.",
    bad=_folder(
        code=_route(
            "reverse a linked list in Python",
            "why does my loop never end",
            "fix the bug in this function",
            "translate good morning into French",
        ),
        translate=_route(
            "translate good evening into French",
            "how do you say good morning in Spanish",
            "translate this letter into French",
            "put this sentence into German",
        ),
    ),
    good=_folder(
        code=_route(
            "reverse a linked list in Python",
            "why does my loop never end",
            "fix the bug in this function",
        ),
        translate=_route(
            "translate good morning into French",
            "how do you say good evening in Spanish",
            "put this sentence into German",
        ),
    ),
    severity=Severity.WARNING,
)
UTTERANCES_ALIKE = Kind(
    "FP403",
    "A route says the same thing twice",
    "To the encoder the texts are as near as a text is to itself with another full stop: the second one adds nothing. "
    "That does no harm; a text in other words would help more.",
    bad=_folder(code=_route("reverse a linked list", "reverse a linked list.")),
    good=_folder(code=_route("reverse a linked list", "turn a chain of nodes around")),
    severity=Severity.NOTE,
)
ROUTE_SMALL = Kind(
    "FP404",
    "A route has few utterances",
    "With fewer than five utterances little is near the route, and nothing can be learned about how sure it is. Ten "
    "different ones are a good start.",
    bad=_folder(code=_route("reverse a linked list", "why does my loop never end")),
    good=_folder(
        code=_route(
            "reverse a linked list",
            "why does my loop never end",
            "fix the bug in this function",
            "write a unit test for the parser",
            "explain this regular expression",
        )
    ),
    severity=Severity.WARNING,
)
CONFIDENCE_UNREACHED = Kind(
    "FP405",
    "No text reaches a route's min_confidence",
    "By what decides now, neither a test of the route nor one of its own utterances, were it not in the files, would "
    "be as sure as `min_confidence` asks: whatever is asked, the fallback answers. Lower it, leave it out so that the "
    "reindex chooses it, or give the route more utterances.",
    bad=_folder(code=_route("reverse a linked list", head="model: coder\nmin_confidence: 1.0\n")),
    good=_folder(code=_route("reverse a linked list", head="model: coder\nmin_confidence: 0.6\n")),
    severity=Severity.WARNING,
    described=True,
)
ROUTES_CONFUSED = Kind(
    "FP406",
    "Two routes are mistaken for one another",
    "Of the utterances of the two routes a tenth or more, and at least three, would go to the other of the two were "
    "they not in the files. Requests will do the same. Say in each description what belongs there, move the "
    "utterances that are on the wrong side, or merge the routes.",
    bad=_folder(
        refunds=_route(
            "I want my money back",
            "can I get a refund for my order",
            "the order never came and I want a refund",
            "how long does a refund take",
        ),
        returns=_route(
            "I want to get my money back",
            "how do I get a refund for my order",
            "refund my order, it never came",
            "when will my refund arrive",
        ),
    ),
    good=_folder(
        refunds=_route(
            "I want my money back",
            "can I get a refund for my order",
            "the order never came and I want a refund",
            "how long does a refund take",
        ),
        sizes=_route(
            "do these shoes run small",
            "which size should I take",
            "is there a size chart for trousers",
            "I am between two sizes of the jacket",
        ),
    ),
    severity=Severity.WARNING,
)
TEST_ALIKE = Kind(
    "FP407",
    "A test is nearly the same as an utterance",
    "A test measures how texts are routed that were never seen. To the encoder this one is as near to an utterance as "
    "a text is to itself with another full stop: it measures nothing, or it contradicts that utterance where the two "
    "routes differ. Reword it as another person would say it.",
    bad=_folder(code=_route("reverse a linked list", tests=("reverse a linked list!",))),
    good=_folder(code=_route("reverse a linked list", tests=("turn a chain of nodes around",))),
    severity=Severity.WARNING,
)
TEXT_WITHOUT_WORDS = Kind(
    "FP408",
    "A text is no natural text",
    "The text has no letters, is nothing but markup, a key, a hash or encoded data, or has a word that goes on and "
    "on. An encoder reads noise there, and noise is near to everything. Remove it, or put it into "
    "`_out_of_scope.yaml`, where nobody looks for sense. Calculations such as `12 * 7` are fine.",
    bad=_folder(code=_route("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")),
    good=_folder(code=_route("which hash function makes 64 hexadecimal digits")),
    severity=Severity.WARNING,
)
TEXT_SECRET = Kind(
    "FP409",
    "A text holds a secret",
    "A key, a token or a password stands in an utterance, a test, a description or what is told of a model. Whoever "
    "can read the files, a revision or an explanation can read it. Remove it, and replace it where it is valid: it is "
    "known now. Messages never repeat it. Placeholders, such as `sk-...` or `https://user:password@host`, are let "
    "through.",
    bad={
        "_models.yaml": "models:\n  - name: coder\n    endpoint: https://gateway:kX7-quartz@models.example.com/v1\n"
        "  - name: strong\n"
    },
    good={"_models.yaml": "models:\n  - name: coder\n    endpoint: https://models.example.com/v1\n  - name: strong\n"},
    severity=Severity.WARNING,
)
TEXT_PERSONAL = Kind(
    "FP410",
    "A text holds personal data",
    "An e-mail address, a phone number in international form, a bank account or a card number with right check digits "
    "stands in a text. Requests that were copied from real traffic often hold some. Put another value in its place: "
    "the encoder sees hardly a difference. Domains, numbers and names that are reserved for examples are let through.",
    bad=_folder(support=_route("refund the order to DE89 3704 0044 0532 0130 00")),
    good=_folder(support=_route("refund the order to my account in Germany")),
    severity=Severity.WARNING,
)


def _policy(*rules: str) -> Files:
    entries = "".join(f"    - {rule}\n" for rule in rules)
    return {"_policy.yaml": f"fallback_model: strong\nrules:\n  before:\n{entries}"}


RULE_UNREACHABLE = Kind(
    "FP411",
    "A rule can never hold",
    "Parts of its condition that are joined by `&&` exclude each other, or one of them is `false`. Write `||`, or "
    "remove the rule.",
    bad=_policy('{name: both, when: \'tenant == "acme" && tenant == "initech"\', route: code}'),
    good=_policy('{name: both, when: \'tenant == "acme" || tenant == "initech"\', route: code}'),
    severity=Severity.WARNING,
)
RULE_SHADOWED = Kind(
    "FP412",
    "A rule is never followed",
    "Whenever it holds, a rule before it in the same list holds too, and of a list the first is followed. Put the "
    "narrower one first, or give the other one `continue: true`.",
    bad=_policy("{name: long, when: tokens > 100, model: strong}", "{name: longer, when: tokens > 1000, model: coder}"),
    good=_policy(
        "{name: longer, when: tokens > 1000, model: coder}", "{name: long, when: tokens > 100, model: strong}"
    ),
    severity=Severity.WARNING,
)
RULE_FRAGILE = Kind(
    "FP413",
    "A rule fails where metadata is missing",
    "It reads a key of `metadata` that a request need not have. Where the key is missing the condition has no value: "
    "an ordinary rule is passed over and counted as failed, one that is final takes effect. If that is not meant, ask "
    "`has(metadata.key) &&` first.",
    bad=_policy("{name: gold, when: 'metadata.tier == \"gold\"', model: strong}"),
    good=_policy("{name: gold, when: 'has(metadata.tier) && metadata.tier == \"gold\"', model: strong}"),
    severity=Severity.WARNING,
)
MODEL_UNUSED = Kind(
    "FP414",
    "A model is named nowhere",
    "No route, fallback, rule or arm names it, so it never answers. Name it, or remove it.",
    bad={"_models.yaml": "models:\n  - name: coder\n  - name: strong\n  - name: writer\n"},
    good={"_models.yaml": "models:\n  - name: coder\n  - name: strong\n"},
    severity=Severity.NOTE,
)


def _budget(limit: str) -> Files:
    prices = "input_price_usd_micros: {}, output_price_usd_micros: {}"
    models = f"  - {{name: coder, {prices.format(150_000, 600_000)}}}\n"
    models += f"  - {{name: strong, {prices.format(3_000_000, 15_000_000)}}}\n"
    policy = f"fallback_model: strong\nbudgets:\n  - {{name: all, of: catalog, per: hour, limit: {limit}}}\n"
    return {"_policy.yaml": policy, "_models.yaml": f"models:\n{models}"}


BUDGET_SMALL = Kind(
    "FP415",
    "A budget is spent by one request",
    "One usual request, 100 tokens in and 300 out, to the dearest model that the budget is for costs more than its "
    "limit. Perhaps the limit was meant in another unit: it is US dollars.",
    bad=_budget("0.003"),
    good=_budget("3"),
    severity=Severity.WARNING,
)

REGISTRY = registry_of(dict(globals()))
