"""The closed registry of what can be wrong in a route folder: stable codes, each with a page of the documentation.

FP1xx files and YAML, FP2xx fields and texts, FP3xx across files. Other registries lie beside what finds them, and
`build.finding_registry` has all. A code is never used again for something else.
The examples are run by the tests: the bad one gives the finding, the good one does not.
"""

from fingerpost.build.finding_kinds import Files, Kind, registry_of
from fingerpost.types import Severity

_ROUTE = "model: coder\nutterances:\n  - reverse a linked list\n"
_MODELS = "models:\n  - name: coder\n  - name: strong\n"
_PRICED_MODEL = "  - {{name: {}, input_price_usd_micros: 900000, output_price_usd_micros: 3600000}}\n"
_TENANTS = ", ".join(f"t{number}" for number in range(257))


def _route(text: str) -> Files:
    return {"code.yaml": text}


def _utterances(*lines: str) -> Files:
    return _route("model: coder\nutterances:\n" + "".join(f"  - {line}\n" for line in lines))


def _models(entry: str) -> Files:
    return {"_models.yaml": f"{_MODELS}{entry}"}


def _policy(line: str) -> Files:
    return {"_policy.yaml": f"fallback_model: strong\n{line}\n"}


def _two(code: str, sql: str) -> Files:
    return {"code.yaml": f"model: coder\n{code}\n", "sql.yaml": f"model: coder\n{sql}\n"}


# --- FP1xx: files and YAML ----------------------------------------------------------------------------------------

FOLDER_MISSING = Kind(
    "FP101",
    "The folder is missing",
    "The path names no folder, or one that this user may not read. Give the folder that holds the route files.",
    bad={"in the terminal": "fingerpost reindex --routes no-such-folder"},
    good=_route(_ROUTE),
    described=True,
)
FILE_MISSING = Kind(
    "FP102",
    "A file is missing",
    "Every folder of routes needs `_models.yaml` and `_policy.yaml`, and a file that `utterances_file` names must lie "
    "beside the file that names it. Add the file, or mend the name.",
    bad=_route("model: coder\nutterances_file: more.txt\n"),
    good={"code.yaml": "model: coder\nutterances_file: more.txt\n", "more.txt": "reverse a linked list\n"},
)
FILE_UNREADABLE = Kind(
    "FP103",
    "A file cannot be read",
    "The file is a folder, a pipe or a link that leads out of the folder, or this user may not read it. Put a regular "
    "file in its place and check its permissions. Links inside the folder, as Kubernetes makes them, are fine.",
    bad={"code.yaml": "(a link to a file of another folder)"},
    good=_route(_ROUTE),
    described=True,
)
FILE_LARGE = Kind(
    "FP104",
    "A file is too large",
    "A YAML file may have 4 MiB and an utterances file 64 MiB; a larger one is refused before it is read. Move the "
    "utterances of a large YAML file to an utterances file. A file to import may have 64 MiB, as YAML 16 MiB, and a "
    "price list 16 MiB.",
    bad={"code.yaml": "(5 MiB of utterances)"},
    good={"code.yaml": "model: coder\nutterances_file: code.txt\n", "code.txt": "reverse a linked list\n"},
    described=True,
)
FILE_ENCODING = Kind(
    "FP105",
    "A file is not UTF-8",
    "Route files are UTF-8 text. Save the file again with the encoding UTF-8; editors ask for it when saving.",
    bad={"code.yaml": "(saved as Latin-1: ... - écris une fonction)"},
    good=_utterances("écris une fonction"),
    described=True,
)
FILE_RESERVED = Kind(
    "FP106",
    "A file with an underscore is unknown",
    "A file whose name starts with an underscore is no route. The known ones are `_models.yaml`, `_policy.yaml` and "
    "`_out_of_scope.yaml`. Mend the name, or take the underscore away to make it a route.",
    bad={"_model.yaml": "models:\n  - name: coder\n"},
    good={"_models.yaml": _MODELS},
)
YAML_CHARACTER = Kind(
    "FP110",
    "A character may not stand in a YAML file",
    "NUL and other control characters, and the line separators U+0085, U+2028 and U+2029, are invisible and read "
    "differently by different programs. Remove them.",
    bad={"code.yaml": "(a NUL character between two words)"},
    good=_route(_ROUTE),
    described=True,
)
YAML_SYNTAX = Kind(
    "FP111",
    "The file is not YAML",
    "The line breaks the rules of YAML. Most often the indentation is off, or a text needs quotes because it holds a "
    "colon and a space, or starts with a quote, a bracket, `@`, `*`, `&`, `!`, `%`, `#` or a backtick.",
    bad=_utterances("'it's broken"),
    good=_utterances('"it\'s mended"'),
)
YAML_DOCUMENTS = Kind(
    "FP112",
    "The file holds more than one document",
    "A line `---` starts a new YAML document, and only one is read. Put the second one into a file of its own.",
    bad=_route(_ROUTE + "---\nmodel: coder\n"),
    good=_route(_ROUTE),
)
YAML_ANCHOR = Kind(
    "FP113",
    "Anchors and aliases are not allowed",
    "`&name` and `*name` repeat a value elsewhere, and a few lines of them can stand for millions of values. Write the "
    "value out. A text that starts with `&` or `*` needs quotes.",
    bad=_utterances("&first reverse a linked list", "*first"),
    good=_utterances("reverse a linked list", '"*args in Python"'),
)
YAML_TAG = Kind(
    "FP114",
    "Tags are not allowed",
    "`!name` and `!!name` tell YAML to make another type of a value, even to run code. Route files hold plain values. "
    "A text that starts with `!` needs quotes.",
    bad=_utterances("!!str 123"),
    good=_utterances('"123"'),
)
YAML_DUPLICATE_KEY = Kind(
    "FP115",
    "A key stands twice",
    "Most YAML readers silently keep the last of two equal keys, so half of the file would vanish. Merge the two.",
    bad=_route(_ROUTE + "utterances:\n  - sort a list\n"),
    good=_route(_ROUTE + "  - sort a list\n"),
)
YAML_DEPTH = Kind(
    "FP116",
    "Nested too deep",
    "Lists and mappings may be nested 32 levels deep; route files need four. A text that starts with a bracket needs "
    "quotes.",
    bad=_utterances("[" * 32 + "]" * 32),
    good=_utterances('"[[1, 2], [3, 4]] transposed"'),
)
YAML_VALUES = Kind(
    "FP117",
    "Too many values",
    "A YAML file may hold 250,000 values. Move the utterances to an utterances file, or split the route.",
    bad={"code.yaml": "(300,000 utterances)"},
    good=_route(_ROUTE),
    described=True,
)
YAML_KEY = Kind(
    "FP118",
    "A key is not a plain text",
    "A list or a mapping stands where a key is expected. Write a plain key.",
    bad=_route(_ROUTE + "? [tests]\n: []\n"),
    good=_route(_ROUTE + "tests: []\n"),
)
TEXTS_NAME = Kind(
    "FP120",
    "The name of an utterances file is not plain",
    "`utterances_file` is the name of a file in the same folder, without a path, that ends in `.jsonl`, `.csv` or "
    "`.txt`. Put the file beside the YAML file.",
    bad=_route("model: coder\nutterances_file: ../more.txt\n"),
    good={"code.yaml": "model: coder\nutterances_file: more.txt\n", "more.txt": "reverse a linked list\n"},
)
TEXTS_ROW = Kind(
    "FP121",
    "A row of an utterances file is wrong",
    'A row of a `.jsonl` file is an object with a text, `{"text": "..."}`; a `.csv` file starts with a header that has '
    "a column `text`, and each row has a value there. Other keys and columns are ignored.",
    bad={"code.yaml": "model: coder\nutterances_file: more.jsonl\n", "more.jsonl": '{"txt": "sort a list"}\n'},
    good={"code.yaml": "model: coder\nutterances_file: more.jsonl\n", "more.jsonl": '{"text": "sort a list"}\n'},
)
TEXTS_ROWS = Kind(
    "FP122",
    "An utterances file has too many rows",
    "An utterances file may have 100,000 rows, blank ones included. A sample of the texts routes as well "
    "as all of them.",
    bad={"more.txt": "(100,001 lines)"},
    good={"code.yaml": "model: coder\nutterances_file: more.txt\n", "more.txt": "sort a list\n"},
    described=True,
)

# --- FP2xx: fields and texts --------------------------------------------------------------------------------------

FIELD_UNKNOWN = Kind(
    "FP201",
    "A key is unknown",
    "The key means nothing here; most often it is misspelt. An unknown key is refused, because what it should have set "
    "would silently not be set.",
    bad=_route(_ROUTE + "min_confidense: 0.6\n"),
    good=_route(_ROUTE + "min_confidence: 0.6\n"),
)
FIELD_MISSING = Kind(
    "FP202",
    "A key is missing",
    "The file must have this key. A route names its `model` or `models`, `_policy.yaml` its `fallback_model`.",
    bad=_route("utterances:\n  - reverse a linked list\n"),
    good=_route(_ROUTE),
)
FIELD_TYPE = Kind(
    "FP203",
    "A value has the wrong type",
    "The key takes another kind of value: a list starts each item with a dash, a number has no quotes, a whole number "
    "no decimal point. A key without a value is empty; remove it.",
    bad=_route("model: coder\nutterances: reverse a linked list\n"),
    good=_route(_ROUTE),
)
FIELD_QUOTES = Kind(
    "FP204",
    "A text needs quotes",
    "YAML reads an unquoted number, `true`, `false`, `null` or a text with a colon and a space as something other than "
    "a text. Put it in quotes.",
    bad=_utterances("123", "translate this: bonjour"),
    good=_utterances('"123"', '"translate this: bonjour"'),
)
FIELD_RANGE = Kind(
    "FP205",
    "A number is out of range",
    "The number is below or above what the key takes: confidences and shares lie between 0 and 1, prices and times are "
    "not negative, and whole numbers are smaller than 2^63.",
    bad=_route(_ROUTE + "min_confidence: 60\n"),
    good=_route(_ROUTE + "min_confidence: 0.6\n"),
)
FIELD_FINITE = Kind(
    "FP206",
    "A number is not finite",
    "`.nan` and `.inf`, and numbers too large to hold, cannot be compared or counted with. Write an ordinary number.",
    bad=_route(_ROUTE + "min_confidence: .nan\n"),
    good=_route(_ROUTE + "min_confidence: 0.6\n"),
)
FIELD_NAME = Kind(
    "FP207",
    "A name is not valid",
    "Names of routes and models travel in replies, metrics and logs. A name has 1 to 128 characters, begins and ends "
    "with none that is white space, and holds no control character. A route without `name` is named after its file.",
    bad=_route('name: "program code "\n' + _ROUTE),
    good=_route("name: program code\n" + _ROUTE),
)
FIELD_CHOICE = Kind(
    "FP208",
    "A value is none of the choices",
    "The key takes one of a few words; `tier` is `cheap`, `middle` or `strong`.",
    bad=_models("    tier: best\n"),
    good=_models("    tier: strong\n"),
)
LIST_LONG = Kind(
    "FP209",
    "A list has too many entries",
    "The list is longer than the message allows. Too many texts have a code of their own, FP312.",
    bad=_policy(f"budgets:\n  - {{name: all, of: tenant, per: day, limit: 5, only: [{_TENANTS}]}}"),
    good={
        "_policy.yaml": "fallback_model: strong\nbudgets:\n  - {name: all, of: tenant, per: day, limit: 5}\n",
        "_models.yaml": "models:\n" + "".join(_PRICED_MODEL.format(name) for name in ("coder", "strong")),
    },
)
TEXT_EMPTY = Kind(
    "FP210",
    "A text is empty",
    "An utterance or test has no character that a person can read: only spaces or zero-width characters. Remove it.",
    bad=_utterances('"  "'),
    good=_utterances("reverse a linked list"),
)
TEXT_LONG = Kind(
    "FP211",
    "A text is too long",
    "A text may have 16 KiB (16,384 bytes). The encoder reads the first few hundred words; keep those that tell "
    "the route.",
    bad={"code.yaml": "(an utterance of 17,000 letters)"},
    good=_route(_ROUTE),
    described=True,
)
TEXT_CHARACTER = Kind(
    "FP212",
    "A text holds a forbidden character",
    "NUL, other control characters (line breaks and tabs are fine) and halves of surrogate pairs cannot be stored or "
    "sent. Remove them.",
    bad=_utterances('"a\\0b"'),
    good=_utterances('"a\\nb"'),
)

# --- FP3xx: across files ------------------------------------------------------------------------------------------

ROUTES_NONE = Kind(
    "FP301",
    "There is no route",
    "The folder holds no route file: a file that ends in `.yaml` or `.yml` and does not start with an underscore.",
    bad={},
    good=_route(_ROUTE),
)
ROUTE_TWICE = Kind(
    "FP302",
    "Two routes have one name",
    "A route's name must be its own, whether `name` gives it or the file. Rename one, or merge the two files.",
    bad={"code.yaml": _ROUTE, "sql.yaml": "name: code\nmodel: coder\nutterances:\n  - join two tables\n"},
    good={"code.yaml": _ROUTE, "sql.yaml": "name: sql\nmodel: coder\nutterances:\n  - join two tables\n"},
)
ROUTE_MODEL = Kind(
    "FP303",
    "A route names an unknown model",
    "`model`, `models` and `fallback` hold names in `_models.yaml`. Add the model there, or mend the name.",
    bad=_route("model: codr\nutterances:\n  - reverse a linked list\n"),
    good=_route(_ROUTE),
)
POLICY_MODEL = Kind(
    "FP304",
    "The policy names an unknown model",
    "`fallback_model` and every entry of `fallback_chain` must be names in `_models.yaml`.",
    bad=_policy("fallback_chain: [biggest]"),
    good=_policy("fallback_chain: [coder]"),
)
MODEL_TWICE = Kind(
    "FP305",
    "Two models have one name",
    "A model's name must be its own. Rename or remove one of the two.",
    bad=_models("  - name: coder\n"),
    good=_models("  - name: writer\n"),
)
UTTERANCE_CLASH = Kind(
    "FP306",
    "Two routes share an utterance",
    "The same text, apart from case, width and white space, cannot point to two routes. Keep it in the route that "
    "should win.",
    bad=_two("utterances:\n  - join two tables", "utterances:\n  - Join two  tables"),
    good=_two("utterances:\n  - join two lists", "utterances:\n  - join two tables"),
)
UTTERANCE_OUT_OF_SCOPE = Kind(
    "FP307",
    "An utterance of a route is also out of scope",
    "The same text, apart from case, width and white space, stands in a route and in `_out_of_scope.yaml`. Keep one.",
    bad={"code.yaml": _ROUTE, "_out_of_scope.yaml": "utterances:\n  - Reverse a linked list\n"},
    good={"code.yaml": _ROUTE, "_out_of_scope.yaml": "utterances:\n  - turn the lights off\n"},
)
TEST_SEEN = Kind(
    "FP308",
    "A test equals an utterance",
    "A test measures how texts are routed that were never seen; one that equals an utterance (apart from case, width "
    "and white space) always passes and measures nothing. Reword or remove one of the two.",
    bad=_route(_ROUTE + "tests:\n  - Reverse a linked list\n"),
    good=_route(_ROUTE + "tests:\n  - turn a linked list around\n"),
)
TEST_CLASH = Kind(
    "FP309",
    "Two routes share a test",
    "The same test, apart from case, width and white space, cannot be right for two routes. Keep it in the right one.",
    bad=_two(
        "utterances:\n  - sort a list\ntests:\n  - sort this", "utterances:\n  - join two tables\ntests:\n  - sort this"
    ),
    good=_two("utterances:\n  - sort a list\ntests:\n  - sort this", "utterances:\n  - join two tables\ntests: []"),
)
TEXT_REPEATED = Kind(
    "FP310",
    "A text is repeated",
    "The same text stands twice in one list. It is kept once: repeating a text does not make it weigh more.",
    bad=_utterances("sort a list", "sort a list"),
    good=_utterances("sort a list", "sort the list"),
    severity=Severity.WARNING,
)
ROUTE_EMPTY = Kind(
    "FP311",
    "A route has no utterances",
    "Without utterances the route is never found by similarity. Add some, ten or more different ones if you can.",
    bad=_route("model: coder\n"),
    good=_route(_ROUTE),
    severity=Severity.WARNING,
)
TEXTS_MANY = Kind(
    "FP312",
    "Too many utterances",
    "A folder may hold 100,000 utterances in all, and 100,000 tests. A sample routes as well as all of them.",
    bad={"code.yaml": "(100,001 utterances)"},
    good=_route(_ROUTE),
    described=True,
)


# --- FP33x: how a model is chosen ---------------------------------------------------------------------------------

_TWO = "  - name: coder\n    input_price_usd_micros: 900000\n    output_price_usd_micros: 3600000\n"
_TWO += "    latency_p50_ms: 800\n    quality: {default: 0.8}\n  - name: strong\n"


def _choosing(mode: str, strong: str = "", coder: str = _TWO) -> Files:
    """A route that chooses among two models."""
    route = f"models: [coder, strong]\nselection: {{{mode}}}\nutterances:\n  - reverse a linked list\n"
    return {"code.yaml": route, "_models.yaml": f"models:\n{coder}{strong}"}


_PRICED = "    input_price_usd_micros: 3000000\n    output_price_usd_micros: 15000000\n"

SELECTION_KEYS = Kind(
    "FP331",
    "Keys of a selection do not fit together",
    "A route has `model` or `models`, not both; each model is listed once. `weights` belong to `weighted`, "
    "`cost_weight` to `best_value`, and `switch_margin` to `cheapest`, `fastest` and `best_value`.",
    bad=_choosing("mode: fixed, cost_weight: 0.1"),
    good=_choosing("mode: fixed"),
)
SELECTION_WEIGHTS = Kind(
    "FP332",
    "Weights do not add up",
    "`weights` gives each of the route's models its per cent of the requests, 100 together.",
    bad=_choosing("mode: weighted, weights: {coder: 80, strong: 10}"),
    good=_choosing("mode: weighted, weights: {coder: 80, strong: 20}"),
)
MODEL_PRICE = Kind(
    "FP333",
    "A price is missing",
    "`cheapest` and `best_value` need the input and output price of each model that they choose from. An unknown price "
    "is not zero: write `input_price_usd_micros` and `output_price_usd_micros`, 0 for a model that costs nothing.",
    bad=_choosing("mode: cheapest"),
    good=_choosing("mode: cheapest", strong=_PRICED),
)
MODEL_QUALITY = Kind(
    "FP334",
    "A quality is missing",
    "`best_value` and `quality_floor` need the quality of each of the route's models for its family of tasks: "
    "`quality: {FAMILY: 0.8}`, where the family is `task`, by default the route's name, and `default` stands for all.",
    bad=_choosing("mode: best_value", strong=_PRICED),
    good=_choosing("mode: best_value", strong=f"{_PRICED}    quality: {{code: 0.9}}\n"),
)
MODEL_LATENCY = Kind(
    "FP335",
    "A latency is missing",
    "`fastest` needs `latency_p50_ms` of each of the route's models.",
    bad=_choosing("mode: fastest"),
    good=_choosing("mode: fastest", strong="    latency_p50_ms: 1500\n"),
)
FALLBACK_CYCLE = Kind(
    "FP336",
    "A fallback comes back to a model",
    "A chain of fallbacks names each model once, and none that was tried before it: not the route's own, and in "
    "`fallback_chain` not the fallback model.",
    bad=_policy("fallback_chain: [coder, strong]"),
    good=_policy("fallback_chain: [coder]"),
)
ESCALATION_CHAIN = Kind(
    "FP337",
    "The escalation limit leaves no model",
    "When the tier has had its share, unsure requests go to the first model of another tier in `fallback_model` and "
    "`fallback_chain`, and there is none. Add one to the chain.",
    bad={
        "_models.yaml": "models:\n  - name: coder\n  - name: strong\n    tier: strong\n",
        "_policy.yaml": "fallback_model: strong\nescalation: {max_share: 0.2}\n",
    },
    good={
        "_models.yaml": "models:\n  - name: coder\n  - name: strong\n    tier: strong\n",
        "_policy.yaml": "fallback_model: strong\nfallback_chain: [coder]\nescalation: {max_share: 0.2}\n",
    },
)

REGISTRY = registry_of(dict(globals()))
