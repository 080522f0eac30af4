"""The closed registry of what can be wrong in a route folder: stable codes, each with a page of the documentation.

FP1xx files and YAML, FP2xx fields and texts, FP3xx across files, FP5xx files of other programs. A code is never used
again for something else.
The examples are run by the tests: the bad one gives the finding, the good one does not.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fingerpost.types import Severity

Files = Mapping[str, str]
"""File name to content."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of finding."""

    code: str
    title: str
    explanation: str  # what is wrong, and how to mend it
    bad: Files
    good: Files
    severity: Severity = Severity.ERROR
    described: bool = False  # the bad example tells of a file instead of showing it


_ROUTE = "model: coder\nutterances:\n  - reverse a linked list\n"
_MODELS = "models:\n  - name: coder\n  - name: strong\n"


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
    "utterances of a large YAML file to an utterances file. A file to import may have 64 MiB, as YAML 16 MiB.",
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
    "The file must have this key. A route names its `model`, `_policy.yaml` its `fallback_model`.",
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
    "`model` must be a name in `_models.yaml`. Add the model there, or mend the name.",
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

# --- FP5xx: files of other programs -------------------------------------------------------------------------------

_ZERO = "encoder_type: huggingface\nencoder_name: sentence-transformers/all-MiniLM-L6-v2\n"
_ZERO_ROUTES = "routes:\n  - name: code\n    utterances:\n      - reverse a linked list\n"
_ONE = "router_type: indexed\nencoder:\n  type: local\n  name: sentence-transformers/all-MiniLM-L6-v2\n" + _ZERO_ROUTES
_RASA = 'version: "3.1"\nnlu:\n  - intent: code\n    examples: |\n      - reverse a linked list\n'


def _zero(route_lines: str = "") -> Files:
    """A 0.x file of semantic-router."""
    return {"router.yaml": _ZERO + _ZERO_ROUTES + route_lines}


def _one(router_lines: str = "") -> Files:
    """A 1.x file of semantic-router."""
    return {"router.yaml": _ONE + router_lines}


def _rows(*rows: tuple[str, str]) -> Files:
    return {"texts.jsonl": "".join(f'{{"text": "{text}", "label": "{label}"}}\n' for text, label in rows)}


IMPORT_UNRECOGNISED = Kind(
    "FP501",
    "The format cannot be told",
    "The file has the signs of no format that can be imported, or of several. Give `--format`, or take out what does "
    "not belong to the file.",
    bad={"router.yaml": "models:\n  - name: coder\n"},
    good=_zero(),
)
IMPORT_FORM = Kind(
    "FP502",
    "The file is not of this format",
    "What makes a file of this format is missing: the columns of texts and labels in the first line of a CSV file, "
    "`nlu` in Rasa's training data, `routes` in a router of RedisVL. Mend the file, or give another `--format`.",
    bad={"texts.csv": "question,answer\nreverse a linked list,code\n"},
    good={"texts.csv": "text,label\nreverse a linked list,code\n"},
)
IMPORT_MIXED = Kind(
    "FP503",
    "Two versions are mixed",
    "`router_type` is of semantic-router 1.x, `encoder_type` and `encoder_name` are of 0.x, and a file is of one of "
    "both. Remove what is left of the other version.",
    bad={"router.yaml": _ZERO + _ONE},
    good=_one(),
)
IMPORT_VERSION = Kind(
    "FP504",
    "The version is not known",
    "semantic-router's files are read with `encoder_type` (0.x) or with a `router_type` that is `indexed`, `decision`, "
    "`chain` or `merge` (1.x), Rasa's training data from 2.0 on. Put a bare list of routes, as the first versions "
    "wrote it, under `routes` and add `encoder_type`; convert other old files with their own program.",
    bad={"router.yaml": "router_type: cascade\n" + _ZERO_ROUTES},
    good=_one(),
)
IMPORT_NOTHING = Kind(
    "FP505",
    "There is nothing to route by",
    "The file holds no utterance of any route. The notes before this error say what was left out: routes that are "
    "kept in an index and not in the file must be saved from there.",
    bad={"router.yaml": _ZERO + "routes: []\n"},
    good=_zero(),
)
IMPORT_JSON = Kind(
    "FP506",
    "The file is not JSON",
    "The line breaks the rules of JSON. Most often a comma is missing or stands before a closing bracket, or a text "
    "has other quotes than double ones.",
    bad={"router.json": "{'encoder_type': 'huggingface'}\n"},
    good={
        "router.json": '{\n  "encoder_type": "huggingface",\n'
        '  "encoder_name": "sentence-transformers/all-MiniLM-L6-v2",\n'
        '  "routes": [{"name": "code", "utterances": ["reverse a linked list"]}]\n}\n'
    },
)
IMPORT_SETTING = Kind(
    "FP510",
    "A setting has no equal and is left out",
    "How many neighbours are asked, how their scores are put together, a second (sparse) encoder, a calibrator, an "
    "index: Fingerpost chooses and fits all of it at `reindex`, and measures it on the `tests` of your routes. There "
    "is nothing to do; compare the decisions if you relied on the setting.",
    bad=_one("top_k: 3\n"),
    good=_one(),
    severity=Severity.WARNING,
)
IMPORT_THRESHOLD = Kind(
    "FP511",
    "A threshold means something else here",
    "`score_threshold`, a `confidence_threshold` without a calibrator and `distance_threshold` are raw similarities "
    "or distances, and a number of one encoder means nothing with another. They are left out: `reindex` chooses "
    "thresholds that keep `target_precision`. Behind a calibrator a `confidence_threshold` is a probability and "
    "becomes the route's `min_confidence`; remove that key to have it chosen too.",
    bad=_zero("    score_threshold: 0.62\n"),
    good=_zero(),
    severity=Severity.WARNING,
)
IMPORT_ENCODER = Kind(
    "FP512",
    "Another encoder embeds the texts",
    "The encoder that the file names is not used: Fingerpost embeds with its own, all-MiniLM-L6-v2, or with the "
    "sentence-transformers model that `reindex --encoder` names. Similarities change, decisions mostly do not; "
    "compare them on texts of yours.",
    bad={"router.yaml": "encoder_type: openai\nencoder_name: text-embedding-3-small\n" + _ZERO_ROUTES},
    good=_zero(),
    severity=Severity.WARNING,
)
IMPORT_CODE = Kind(
    "FP513",
    "Code and models that a file names are not run",
    "`llm` names a Python class, `function_schemas` a function to call, and a decision router a model. Importing a "
    "file never imports, loads or calls any of them. Let your program act on the route in the reply.",
    bad=_zero("    llm: {module: semantic_router.llms.openai, class: OpenAILLM, model: gpt-4o}\n"),
    good=_zero(),
    severity=Severity.WARNING,
)
IMPORT_METADATA = Kind(
    "FP514",
    "Metadata is left out",
    "A route has no free metadata. Of a file's metadata `model`, `min_confidence` and `target_precision` are read; "
    "other keys are named here without their values, which may be secret. Keep them in your program, by the route's "
    "name.",
    bad=_zero("    metadata: {owner: search team}\n"),
    good=_zero(),
    severity=Severity.WARNING,
)
IMPORT_METADATA_READ = Kind(
    "FP515",
    "A setting is read from the metadata",
    "`model`, `min_confidence` and `target_precision` in a route's metadata become the route's own. Look whether the "
    "file means by them what Fingerpost does; without a `model` the route's model has the route's name.",
    bad=_zero("    metadata: {model: coder}\n"),
    good=_zero(),
    severity=Severity.WARNING,
)
IMPORT_PART = Kind(
    "FP516",
    "A router is read in part",
    "A chain or a merge asks several routers; it is read as one router with the routes of all. A decision router asks "
    "a model; its routes are read by their utterances and descriptions. Routes that a remote index keeps are not in "
    "the file and are not read.",
    bad={
        "router.yaml": "router_type: chain\nrouters:\n"
        + "".join(f"  {'- ' if number == 0 else '  '}{line}\n" for number, line in enumerate(_ONE.splitlines()))
    },
    good=_one(),
    severity=Severity.WARNING,
)
IMPORT_NOT_TEXT = Kind(
    "FP517",
    "Something is no text to route by",
    "Pictures among the utterances, Rasa's sections for entities (`synonym`, `regex`, `lookup`) and for dialogues are "
    "left out, and annotations of entities in its examples are reduced to their text.",
    bad={"nlu.yml": _RASA + "  - lookup: language\n    examples: |\n      - Python\n"},
    good={"nlu.yml": _RASA},
    severity=Severity.WARNING,
)
IMPORT_NAME = Kind(
    "FP518",
    "A label becomes another name",
    "The label cannot be the name of a route: it has a line break or more than 128 characters. The route gets a "
    "cleaned name; rename it in its file if you like.",
    bad=_rows(("reverse a linked list", "program\\ncode")),
    good=_rows(("reverse a linked list", "program code")),
    severity=Severity.WARNING,
)
IMPORT_CLASH = Kind(
    "FP519",
    "A text has two labels",
    "The same text, apart from case, width and white space, cannot point to two routes. It stays with the label that "
    "comes first and is left out of the other.",
    bad=_rows(("join two tables", "sql"), ("sort a list", "code"), ("Join two  tables", "code")),
    good=_rows(("join two tables", "sql"), ("sort a list", "code"), ("join two lists", "code")),
    severity=Severity.WARNING,
)
IMPORT_UNKNOWN_KEY = Kind(
    "FP520",
    "A key or column is left out",
    "The format has no such key, or the import reads no such column. Look whether it is misspelt.",
    bad=_zero("    threshold: 0.5\n"),
    good=_zero(),
    severity=Severity.WARNING,
)
IMPORT_TWICE = Kind(
    "FP521",
    "A route stands twice",
    "Two entries have one name. They are read as one route with the utterances of both; of the rest the first counts.",
    bad=_zero("  - name: code\n    utterances:\n      - sort a list\n"),
    good=_zero("      - sort a list\n"),
    severity=Severity.WARNING,
)
EXPORT_LEFT_OUT = Kind(
    "FP530",
    "The file has no place for something",
    "A router file of semantic-router holds routes, their utterances, descriptions and metadata. Tests, out-of-scope "
    "texts, the policy and the details of models stay in the route folder. A route without utterances is lost when "
    "version 1.x loads the file.",
    bad=_route(_ROUTE + "tests:\n  - turn a linked list around\n"),
    good=_route(_ROUTE),
    severity=Severity.WARNING,
)
EXPORT_THRESHOLD = Kind(
    "FP531",
    "A confidence is kept as metadata",
    "`min_confidence` and `target_precision` speak of calibrated confidences. Without a calibrator semantic-router "
    "compares its thresholds with raw similarities, where such a number would be wrong, so they are written as "
    "metadata alone. An import reads them from there. Fit a calibrator there, or set a threshold by its own means.",
    bad=_route(_ROUTE + "min_confidence: 0.6\n"),
    good=_route(_ROUTE),
    severity=Severity.WARNING,
)

REGISTRY: Mapping[str, Kind] = {kind.code: kind for kind in list(globals().values()) if isinstance(kind, Kind)}
