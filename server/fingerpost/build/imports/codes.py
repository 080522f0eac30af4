"""The kinds of findings about files of other programs, FP5xx: what an import or an export cannot use, and leaves out.

Codes and examples keep the rules of `finding_codes`.
"""

import json
from collections.abc import Mapping

from fingerpost.build.finding_kinds import Files, Kind, registry_of
from fingerpost.types import Severity

_ZERO = "encoder_type: huggingface\nencoder_name: sentence-transformers/all-MiniLM-L6-v2\n"
_ZERO_ROUTES = "routes:\n  - name: code\n    utterances:\n      - reverse a linked list\n"
_ONE = "router_type: indexed\nencoder:\n  type: local\n  name: sentence-transformers/all-MiniLM-L6-v2\n" + _ZERO_ROUTES
_RASA = 'version: "3.1"\nnlu:\n  - intent: code\n    examples: |\n      - reverse a linked list\n'

_PRICING = {"prompt": "0.00000015", "completion": "0.0000006"}
_MODEL: Mapping[str, object] = {"id": "example/small-1", "context_length": 128000, "pricing": _PRICING}


def _zero(route_lines: str = "") -> Files:
    """A 0.x file of semantic-router."""
    return {"router.yaml": _ZERO + _ZERO_ROUTES + route_lines}


def _one(router_lines: str = "") -> Files:
    """A 1.x file of semantic-router."""
    return {"router.yaml": _ONE + router_lines}


def _route(lines: str = "") -> Files:
    """A route file of ours."""
    return {"code.yaml": "model: coder\nutterances:\n  - reverse a linked list\n" + lines}


def _list(**entry: object) -> Files:
    """A list of OpenRouter with one model; `entry` has other values of it, None for none."""
    values = {**_MODEL, **entry}
    model = {key: value for key, value in values.items() if value is not None}
    return {"models.json": json.dumps({"data": [model]}, indent=2) + "\n"}


def _rows(*rows: tuple[str, str]) -> Files:
    return {"texts.jsonl": "".join(f'{{"text": "{text}", "label": "{label}"}}\n' for text, label in rows)}


IMPORT_UNRECOGNISED = Kind(
    "FP501",
    "The format cannot be told",
    "The file has the signs of no format that can be imported, or of several. Give `--format`, or take out what does "
    "not belong to the file. `fingerpost models import` reads price lists alone.",
    bad={"router.yaml": "models:\n  - name: coder\n"},
    good=_zero(),
)
IMPORT_FORM = Kind(
    "FP502",
    "The file is not of this format",
    "What makes a file of this format is missing: the columns of texts and labels in the first line of a CSV file, "
    "`nlu` in Rasa's training data, `routes` in a router of RedisVL, `data` in a list of OpenRouter. Mend the file, or "
    "give another `--format`.",
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
    bad=_route("tests:\n  - turn a linked list around\n"),
    good=_route(),
    severity=Severity.WARNING,
)
EXPORT_THRESHOLD = Kind(
    "FP531",
    "A confidence is kept as metadata",
    "`min_confidence` and `target_precision` speak of calibrated confidences. Without a calibrator semantic-router "
    "compares its thresholds with raw similarities, where such a number would be wrong, so they are written as "
    "metadata alone. An import reads them from there. Fit a calibrator there, or set a threshold by its own means.",
    bad=_route("min_confidence: 0.6\n"),
    good=_route(),
    severity=Severity.WARNING,
)
LIST_PRICE = Kind(
    "FP540",
    "A price of a list is left out",
    "A price must be a decimal number of dollars per token, at least 0, and after rounding at least one "
    "micro-dollar per million tokens or really 0. One that is missing, negative (OpenRouter's `-1` says that it "
    "varies), not finite or no number is never taken for 0: the entry gets no such key, or keeps the one that it "
    "has. Write the price by hand if you know it.",
    bad=_list(pricing={"prompt": "-1", "completion": "0.0000006"}),
    good=_list(),
    severity=Severity.WARNING,
)
LIST_ROUNDED = Kind(
    "FP541",
    "A price of a list is rounded",
    "Prices are whole micro-dollars per million tokens, and this one is none; it was rounded to the nearest, and to "
    "the even one of two. Lists that were made by computing with binary fractions often have such prices.",
    bad=_list(pricing={"prompt": "0.00000014999999999999998", "completion": "0.0000006"}),
    good=_list(),
    severity=Severity.WARNING,
)
LIST_OTHER_PRICE = Kind(
    "FP542",
    "A price of another kind is left out",
    "An entry has prices of input, of cached input and of output. What a provider charges otherwise, by request, "
    "picture or search, for writing its cache, or for long prompts, has no key; where you use that, a request costs "
    "more than Fingerpost says.",
    bad=_list(pricing={**_PRICING, "web_search": "0.01"}),
    good=_list(pricing={**_PRICING, "web_search": "0"}),
    severity=Severity.WARNING,
)
LIST_VALUE = Kind(
    "FP543",
    "A value of a list is left out",
    "The value is of another kind than lists of this format have: numbers of tokens are whole and above 0, "
    "descriptions are texts without control characters. The entry gets no such key, or keeps the one that it has.",
    bad=_list(context_length=0),
    good=_list(),
    severity=Severity.WARNING,
)
LIST_LEFT_OUT = Kind(
    "FP544",
    "Values of a list have no place",
    "An entry of `_models.yaml` has no key for them, and nothing in Fingerpost would use them. They are named once "
    "for all models of the import.",
    bad=_list(canonical_slug="example/small-1-2026"),
    good=_list(),
    severity=Severity.WARNING,
)
LIST_ENDING = Kind(
    "FP545",
    "A model comes to an end",
    "The list gives a day on which the provider takes the model away. An entry has no key for it: look for another "
    "model in time.",
    bad=_list(expiration_date="2027-01-31"),
    good=_list(),
    severity=Severity.WARNING,
)
LIST_TWICE = Kind(
    "FP546",
    "A model stands twice in a list",
    "Two entries of the list have one id. The first counts, and the other is left out.",
    bad={"models.json": json.dumps({"data": [_MODEL, _MODEL]}, indent=2) + "\n"},
    good=_list(),
    severity=Severity.WARNING,
)
LIST_ID = Kind(
    "FP547",
    "An id of a list cannot be read",
    "The id of a model is one line of text without control characters. A list that has another is damaged, and "
    "nothing of it is used: get it again.",
    bad=_list(id="example/small\n1"),
    good=_list(),
)
LIST_NAME = Kind(
    "FP548",
    "An id of a list is no name",
    "An entry is named after the id in the list, and this one has more than 128 characters or white space at its "
    "ends. Choose the model alone with `--only` and name it with `--name`.",
    bad=_list(id=f"example/{'x' * 121}"),
    good=_list(),
)
LIST_NAME_TAKEN = Kind(
    "FP549",
    "The name of a model is taken",
    "`_models.yaml` has an entry of this name, for another model of a provider. Choose the model alone with "
    "`--only` and give it another name with `--name`.",
    bad={
        "_models.yaml": "models:\n  - name: coder\n    upstream_model: large-2\n  - name: strong\n",
        **_list(id="coder"),
    },
    good=_list(),
)

REGISTRY = registry_of(dict(globals()))
