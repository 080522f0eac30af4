"""Models from price lists: what an entry gets, what is told, what is refused, and that nothing else moves."""

import json
from pathlib import Path
from typing import Any

import pytest

from fingerpost.build.findings import RouteFilesInvalid
from fingerpost.build.imports.models import Wish, import_models
from fingerpost.build.load import load
from fingerpost.errors import InvalidRequest
from fingerpost.types import Model
from tests.price_lists import COSTS, PRICING, faults, lite, litellm, messages, openrouter, refusal, routed, taken
from tests.route_folders import ROUTE, write_folder

MODELS = """\
# Ours, in the order of their price.
models:
  - name: coder   # answers most
    upstream_model: example/coder-1
    description: "Ours: for code."
    input_price_usd_micros: 100  # by contract
    capabilities: [json, code]
    quality: {default: 0.5}
    tier: cheap

  # the expensive one
  - name: strong
    upstream_model: example/strong-1
    # nothing follows
# the end
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "routes", {"code.yaml": ROUTE, "_models.yaml": MODELS})


def models(folder: Path) -> dict[str, Model]:
    return {model.name: model for model in load(folder).catalog.models}


def content(folder: Path) -> str:
    return (folder / "_models.yaml").read_bytes().decode()


# --- What an entry gets -------------------------------------------------------------------------------------------


def test_a_model_of_openrouter(folder: Path) -> None:
    """Prices per token become micro-dollars per million; the smaller window counts; a description is kept whole."""
    model = routed(
        "example/small-1",
        name="Example: Small 1",
        description="Quick and cheap.\nFor short requests.",
        architecture={"input_modalities": ["text", "image", "audio"], "output_modalities": ["text"]},
        pricing={**PRICING, "input_cache_read": "0.000000075", "request": "0"},
        top_provider={"context_length": 64000, "max_completion_tokens": 8192},
        supported_parameters=["tools", "structured_outputs", "reasoning"],
    )
    report = taken(folder, openrouter(model))
    assert models(folder)["example/small-1"] == Model(
        name="example/small-1",
        upstream_model="example/small-1",
        provider="openrouter",
        description="Quick and cheap.\nFor short requests.",
        input_price_usd_micros=150_000,
        output_price_usd_micros=600_000,
        cached_input_price_usd_micros=75_000,
        context_window_tokens=64_000,
        max_output_tokens=8192,
        capabilities=("tools", "json", "reasoning", "vision", "audio"),
    )
    assert (report.format, report.files, report.unchanged) == ("openrouter", ("_models.yaml",), ())
    assert messages(report.findings) == [
        "FP544 entries have no place for these, which are left out (of how many models): 'name' (1)"
    ]


def test_a_model_of_litellm(folder: Path) -> None:
    """Numbers are read as they stand in the file; flags become capabilities, and limits are the provider's."""
    model = lite(
        max_output_tokens=16384,
        max_tokens=16384,
        cache_read_input_token_cost=7.5e-08,
        supports_function_calling=True,
        supports_vision=False,
        supports_response_schema=True,
        supports_audio_input=True,
        supported_regions=["eu-west-1", "us-west-2"],
        rpm=500,
        tpm=30000,
    )
    report = taken(folder, litellm(small=model))
    assert models(folder)["small"] == Model(
        name="small",
        upstream_model="small",
        provider="example",
        input_price_usd_micros=150_000,
        output_price_usd_micros=600_000,
        cached_input_price_usd_micros=75_000,
        context_window_tokens=128_000,
        max_output_tokens=16_384,
        capabilities=("tools", "json", "audio"),
        regions=("eu-west-1", "us-west-2"),
        requests_per_minute=500,
        tokens_per_minute=30_000,
    )
    assert (report.format, report.findings) == ("litellm", ())


@pytest.mark.parametrize(
    ("sizes", "window"),
    [
        ({"max_input_tokens": 9, "max_tokens": 5}, 9),
        ({"max_tokens": 5}, 5),
        ({"max_tokens": 5, "max_output_tokens": 5}, None),
    ],
)
def test_the_older_key_of_litellm(sizes: dict[str, int], window: int | None, folder: Path) -> None:
    """`max_tokens` is the window only where input and output are not told apart."""
    entry = {"litellm_provider": "example", "mode": "chat", **COSTS, **sizes}
    taken(folder, litellm(small=entry))
    assert models(folder)["small"].context_window_tokens == window


def test_another_name_of_a_model(folder: Path) -> None:
    """An alias of LiteLLM's file becomes an entry with the values of the model that it stands for."""
    report = taken(folder, litellm(latest={"alias_of": "small"}, small=lite()), Wish(only=("latest",)))
    assert [entry["name"] for entry in report.added] == ["latest"]
    assert models(folder)["latest"].input_price_usd_micros == 150_000


def test_models_anywhere_have_no_regions(folder: Path) -> None:
    """The region `global` is what an entry without regions says."""
    taken(folder, litellm(small=lite(supported_regions=["global", "eu-west-1"])))
    assert models(folder)["small"].regions == ()


def test_a_price_that_is_really_nothing(folder: Path) -> None:
    """What the list calls 0 is 0, in either format."""
    taken(folder, openrouter(routed("free", pricing={"prompt": "0", "completion": "0.0"})))
    taken(folder, litellm(gratis=lite(input_cost_per_token=0, output_cost_per_token=0.0)))
    found = models(folder)
    assert [found[name].input_price_usd_micros for name in ("free", "gratis")] == [0, 0]
    assert [found[name].output_price_usd_micros for name in ("free", "gratis")] == [0, 0]


@pytest.mark.parametrize(
    ("price", "why"),
    [
        ("-1", "it is negative, which in such lists means that it varies"),
        ("cheap", "it is no number"),
        ("", "it is no number"),
        ("NaN", "it is no number"),
        (True, "it is no number"),
        ([], "it is no number"),
        ("1e-13", "it is at most half a micro-dollar per million tokens, and would become nothing"),
        ("1e-999999", "it is at most half a micro-dollar per million tokens, and would become nothing"),
        ("1e999999", "it is too large"),
        ("9223372.0368547758075", "it is too large"),
        ("0." + "1" * 101, "it has more than 100 digits"),
        ("0" * 201, "it is no number"),
    ],
)
def test_a_price_that_cannot_be_kept(price: object, why: str, folder: Path) -> None:
    """The key is left out and never made 0, and the finding says why."""
    report = taken(folder, openrouter(routed("small", pricing={**PRICING, "prompt": price})))
    assert messages(report.findings) == [f"FP540 'small': the price prompt is left out: {why}"]
    assert models(folder)["small"].input_price_usd_micros is None
    assert models(folder)["small"].output_price_usd_micros == 600_000


def test_a_number_that_no_decimal_holds(folder: Path) -> None:
    """A number of JSON with an exponent beyond all measure is not finite, and stops nothing."""
    listed = litellm(small=lite(input_cost_per_token=1.25)).replace("1.25", "1e9999999999999999999")
    assert messages(taken(folder, listed).findings) == [
        "FP540 'small': the price input_cost_per_token is left out: it is not finite"
    ]


def test_a_missing_price(folder: Path) -> None:
    """Prices of input and output are missed; one of cached input is not."""
    report = taken(folder, openrouter({"id": "small"}))
    assert messages(report.findings) == [
        "FP540 'small': the list has no price completion: it is left out, not taken for 0",
        "FP540 'small': the list has no price prompt: it is left out, not taken for 0",
    ]
    assert set(report.added[0]) == {"name", "provider", "upstream_model"}


def test_a_price_with_the_dust_of_binary_fractions(folder: Path) -> None:
    """It is rounded to the nearest, and what it was is told."""
    report = taken(folder, litellm(small=lite(input_cost_per_token=1.5000999999999998e-07)))
    assert messages(report.findings) == [
        "FP541 'small': input_cost_per_token '1.5000999999999998E-7' is rounded to 150010 micro-dollars per million"
    ]
    assert models(folder)["small"].input_price_usd_micros == 150_010


def test_prices_of_other_kinds(folder: Path) -> None:
    """Those that are not 0 are named, since requests that use them cost more than the entry says."""
    first = taken(folder, openrouter(routed("small", pricing={**PRICING, "image": "0", "web_search": "0.01"})))
    assert messages(first.findings) == ["FP542 'small': prices that have no place here are left out: 'web_search'"]
    second = taken(folder, litellm(other=lite(input_cost_per_token_above_200k_tokens=3e-07, tiered_pricing=[])))
    assert messages(second.findings) == [
        "FP542 'other': prices that have no place here are left out: 'input_cost_per_token_above_200k_tokens'"
    ]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"context_length": 0}, "context_length is left out: it must be a whole number above 0"),
        ({"context_length": "many"}, "context_length is left out: it must be a whole number above 0"),
        ({"context_length": 2**63}, "context_length is left out: it must be a whole number above 0"),
        ({"description": "a\0b"}, "description is left out: it must be a text that can be stored"),
        ({"description": "x" * 17_000}, "description is left out: it must be a text that can be stored"),
        ({"architecture": []}, "architecture is left out: it must be keys with values"),
        ({"supported_parameters": "tools"}, "supported_parameters is left out: it must be a list of texts"),
        ({"supported_parameters": ["\x1b"]}, "supported_parameters is left out: it must be a list of texts"),
    ],
)
def test_a_value_of_another_kind(values: dict[str, object], told: str, folder: Path) -> None:
    """It is left out and told of; the rest of the model is taken."""
    report = taken(folder, openrouter(routed("small", **values)))
    assert messages(report.findings) == [f"FP543 'small': {told}"]
    assert models(folder)["small"].output_price_usd_micros == 600_000


def test_a_flag_that_is_none(folder: Path) -> None:
    """A flag is true or false; another value is told of once and gives no capability."""
    report = taken(folder, litellm(small=lite(supports_vision="yes")))
    assert messages(report.findings) == ["FP543 'small': supports_vision is left out: it must be true or false"]
    assert models(folder)["small"].capabilities == ()


def test_what_has_no_place_is_told_once_for_all(folder: Path) -> None:
    """Each key is named with the number of models that have it; what says nothing is not named."""
    first = routed("a", created=5, hugging_face_id="", supported_parameters=["seed", "tools"])
    second = routed("b", created=6, per_request_limits=None, architecture={"tokenizer": "Other"})
    report = taken(folder, openrouter(first, second))
    assert messages(report.findings) == [
        "FP544 entries have no place for these, which are left out (of how many models): "
        "supported_parameters 'seed' (1), 'created' (2), 'architecture.tokenizer' (1)"
    ]


def test_a_model_that_ends(folder: Path) -> None:
    """The day on which a provider takes a model away is told, from either list."""
    first = taken(folder, openrouter(routed("a", expiration_date="2027-01-31")))
    second = taken(folder, litellm(b=lite(deprecation_date="2027-02-28")))
    assert messages(first.findings) == ["FP545 'a': by the list the model ends: expiration_date '2027-01-31'"]
    assert messages(second.findings) == ["FP545 'b': by the list the model ends: deprecation_date '2027-02-28'"]


# --- Which models -------------------------------------------------------------------------------------------------


def test_models_that_do_not_chat_are_passed_over(folder: Path) -> None:
    """They are counted by what they are, in either list."""
    pictures = {"input_modalities": ["text"], "output_modalities": ["image"]}
    first = taken(folder, openrouter(routed("a"), routed("b", architecture=pictures)))
    assert (len(first.added), first.passed_over) == (1, {"without text as output": 1})
    listed = litellm(c=lite(), d=lite(mode="embedding"), e=lite(mode="embedding"), f=lite(mode="\x1b[31m"))
    second = taken(folder, listed)
    assert (len(second.added), second.passed_over) == (1, {"embedding": 2, "without a mode": 1})


def test_many_models_must_be_chosen(folder: Path) -> None:
    """Without a choice a long list is refused with what to do; patterns choose, and each must fit something."""
    listed = openrouter(*(routed(f"example/m{number}") for number in range(51)))
    told = str(refusal(folder, listed))
    assert told == (
        "the list has 51 chat models: choose with --only, as in --only 'example/m0', or refresh those of the folder "
        "with --update"
    )
    assert "no model of the list fits 'exmple/m7': did you mean" in str(
        refusal(folder, listed, Wish(only=("exmple/m7",)))
    )
    assert "no model of the list fits 'zzz'" in str(refusal(folder, listed, Wish(only=("example/m1", "zzz"))))
    report = taken(folder, listed, Wish(only=("example/m1?", "example/m2")))
    assert len(report.added) == 11


def test_nothing_that_chats_is_refused(folder: Path) -> None:
    """A choice without a chat model says what there is instead."""
    assert str(refusal(folder, litellm(a=lite(mode="rerank")))) == "there is no chat model to add, only 'rerank'"
    assert str(refusal(folder, openrouter())) == "there is no chat model to add, only nothing"


def test_a_name_for_one_model(folder: Path) -> None:
    """A single model may get a name; its id stays what the provider is asked for."""
    listed = openrouter(routed("example/small-1"), routed("example/small-2"))
    assert "--name is for one model and 2 are chosen" in str(refusal(folder, listed, Wish(name="small")))
    assert "is no valid name" in str(refusal(folder, listed, Wish(name="a\nb")))
    assert "do not go together" in str(refusal(folder, listed, Wish(name="a", update=True)))
    taken(folder, listed, Wish(only=("*-2",), name="small"))
    assert models(folder)["small"].upstream_model == "example/small-2"


def test_models_that_are_there_stay(folder: Path) -> None:
    """An import that is done again changes nothing; under a name of its own the same model may stand twice."""
    listed = openrouter(routed("example/coder-1"))
    report = taken(folder, listed)
    assert (report.added, report.unchanged, report.files) == ((), ("coder",), ())
    assert content(folder) == MODELS
    taken(folder, listed, Wish(name="twin"))
    assert models(folder)["twin"].upstream_model == "example/coder-1"


def test_names_that_cannot_be(folder: Path) -> None:
    """A name that is taken or too long is an error with what to do, and nothing is written."""
    listed = openrouter(routed("fine"), routed("strong"), routed("x" * 129))
    assert faults(folder, listed) == [("FP549", 11), ("FP548", 19)]
    taken(folder, listed, Wish(only=("xxx*",), name="long"))
    assert models(folder)["long"].upstream_model == "x" * 129


# --- The file -----------------------------------------------------------------------------------------------------


def test_new_entries_stand_behind_the_last(folder: Path) -> None:
    """Comments that belong to the last entry stay with it, those of the file stay last, and no other byte moves."""
    taken(folder, openrouter(routed("example/small: 1")))
    new = (
        '\n  - name: "example/small: 1"\n    provider: openrouter\n    upstream_model: "example/small: 1"\n'
        "    input_price_usd_micros: 150000\n    output_price_usd_micros: 600000\n    context_window_tokens: 128000\n"
    )
    assert content(folder) == MODELS.replace("    # nothing follows\n", f"    # nothing follows\n{new}")


def test_a_list_in_brackets(folder: Path) -> None:
    """Where the entries stand in brackets, new ones and new values do as well."""
    (folder / "_models.yaml").write_text("models: [{name: coder}, {name: strong, max_output_tokens: 5}] # all\n")
    taken(folder, openrouter(routed("a, b", context_length=None)))
    added = '{name: "a, b", provider: openrouter, upstream_model: "a, b", input_price_usd_micros: 150000, '
    old = "models: [{name: coder}, {name: strong, max_output_tokens: 5}"
    assert content(folder) == f"{old}, {added}output_price_usd_micros: 600000}}] # all\n"
    taken(folder, litellm(strong=lite(max_output_tokens=7)), Wish(update=True))
    strong = (
        "{name: strong, input_price_usd_micros: 150000, output_price_usd_micros: 600000, "
        "context_window_tokens: 128000, max_output_tokens: 7}"
    )
    assert strong in content(folder)


@pytest.mark.parametrize(
    ("capabilities", "after"),
    [
        ("\n      - json\n      - code", "\n      - json\n      - code\n      - tools"),
        (" [\n      json,\n      code,\n    ]", " [json, code, tools]"),
        ("", " [tools]"),
    ],
)
def test_capabilities_however_they_are_written(capabilities: str, after: str, folder: Path) -> None:
    """A list of lines stays one, and a key without a value gets one."""
    models_file = f"models:\n  - name: coder\n    capabilities:{capabilities}\n    tier: cheap\n  - name: strong\n"
    if not capabilities:
        models_file = models_file.replace("    capabilities:\n", "")
    (folder / "_models.yaml").write_text(models_file)
    entry = {"litellm_provider": "example", "mode": "chat", "supports_function_calling": True}
    taken(folder, litellm(coder=entry), Wish(update=True))
    expected = f"    capabilities:{after}\n"
    assert expected in content(folder)
    assert content(folder).replace(expected, "") == models_file.replace(f"    capabilities:{capabilities}\n", "")


def test_a_comment_inside_a_list_stops_the_edit(folder: Path) -> None:
    """It would be lost, so that a person must make the change."""
    models_file = "models:\n  - name: coder\n    capabilities: [\n      json, # by trial\n    ]\n  - name: strong\n"
    (folder / "_models.yaml").write_text(models_file)
    error = refusal(folder, litellm(coder=lite(supports_vision=True)), Wish(update=True))
    assert str(error) == "_models.yaml must be edited by hand: a list that would change has a comment in it"


def test_a_folder_that_cannot_be_read(folder: Path) -> None:
    """Errors of the models' file are told as the loader tells them."""
    (folder / "_models.yaml").write_text("models:\n  - name: coder\n    price: 5\n")
    assert faults(folder, openrouter(routed("a"))) == [("FP201", 3)]


# --- Refreshing ---------------------------------------------------------------------------------------------------


def test_an_update_changes_what_the_list_says_and_nothing_else(folder: Path) -> None:
    """Prices, windows and capabilities are refreshed with what they were; names, comments, tier and quality stay."""
    listed = openrouter(
        routed("example/coder-1", description="Theirs.", supported_parameters=["tools"], top_provider={}),
        routed("example/new-1"),
    )
    report = taken(folder, listed, Wish(update=True))
    assert [(one.model, one.key, one.before, one.after) for one in report.changed] == [
        ("coder", "input_price_usd_micros", 100, 150_000),
        ("coder", "output_price_usd_micros", None, 600_000),
        ("coder", "context_window_tokens", None, 128_000),
        ("coder", "capabilities", ("json", "code"), ("code", "tools")),
    ]
    assert (report.added, report.unchanged, report.absent) == ((), (), ("strong",))
    old = "    input_price_usd_micros: 100  # by contract\n    capabilities: [json, code]\n"
    new = (
        "    input_price_usd_micros: 150000  # by contract\n    output_price_usd_micros: 600000\n"
        "    context_window_tokens: 128000\n    capabilities: [code, tools]\n"
    )
    assert content(folder) == MODELS.replace(old, new)
    again = taken(folder, listed, Wish(update=True))
    assert (again.changed, again.unchanged, again.files) == ((), ("coder",), ())


def test_an_update_takes_nothing_away_of_which_the_list_says_nothing(folder: Path) -> None:
    """A price that cannot be kept and a flag that is not there leave the entry as it is."""
    listed = litellm(**{"example/coder-1": {"mode": "chat", "input_cost_per_token": -1, "output_cost_per_token": "x"}})
    report = taken(folder, listed, Wish(update=True))
    assert (report.changed, [found.code for found in report.findings]) == ((), ["FP540", "FP540"])
    assert content(folder) == MODELS


def test_an_update_without_a_model_of_the_folder_is_refused(folder: Path) -> None:
    """A wrong list is told from one that has no news."""
    listed = openrouter(routed("example/new-1"), routed("example/coder-1"))
    wish = Wish(update=True, only=("example/n*",))
    assert "the list has no model of the folder" in str(refusal(folder, listed, wish))


def test_an_entry_without_an_upstream_model_is_found_by_its_name(tmp_path: Path) -> None:
    """The name is what the provider is asked for where nothing else is given; two entries of one model both change."""
    both = "models:\n  - name: coder\n  - name: strong\n    upstream_model: coder\n"
    folder = write_folder(tmp_path / "routes", {"code.yaml": ROUTE, "_models.yaml": both})
    report = taken(folder, litellm(coder=lite(mode="responses", source="x")), Wish(update=True))
    assert {one.model for one in report.changed} == {"coder", "strong"}
    assert [found.code for found in report.findings] == ["FP544"]


def test_a_dry_run_writes_nothing_and_says_the_same(folder: Path) -> None:
    """It proves what would be written, and tells it."""
    listed = openrouter(routed("example/small-1"))
    dry = taken(folder, listed, Wish(dry_run=True))
    assert content(folder) == MODELS
    wet = taken(folder, listed)
    assert (dry.added, dry.findings, dry.dry_run, dry.files) == (wet.added, wet.findings, True, ())


# --- Lists that cannot be used ------------------------------------------------------------------------------------


def raw(*pairs: str) -> str:
    return f'{{"data": [{{"id": "a", {", ".join(pairs)}}}]}}'


@pytest.mark.parametrize(
    ("listed", "found"),
    [
        ("{", [("FP506", 1)]),
        ("", [("FP506", 1)]),
        (raw('"context_length": NaN'), [("FP506", 0)]),
        (raw('"context_length": -Infinity'), [("FP506", 0)]),
        (raw(f'"context_length": {"9" * 5000}'), [("FP506", 0)]),
        (raw('"name": "x",\n "name": "y"'), [("FP115", 2)]),
        ("[" * 100_000, [("FP116", 0)]),
        (raw(f'"a": {"[" * 40}{"]" * 40}'), [("FP116", 1)]),
        ('{"data": [\n{"id": "a"},\n{"id": 5},\n{"name": "b"},\n7]}', [("FP204", 3), ("FP202", 4), ("FP203", 5)]),
        (
            '{"data": [\n{"id": "a\\u0007"},\n{"id": "b\\nc"},\n{"id": " "}]}',
            [("FP547", 2), ("FP547", 3), ("FP547", 4)],
        ),
        ('{"data": [\n{"id": "\\ud800"}]}', [("FP547", 2)]),
        ('{"models": []}', [("FP502", 1)]),
        ('{"data": {}}', [("FP203", 1)]),
        ("5", [("FP203", 1)]),
    ],
)
def test_a_bad_list_of_openrouter(listed: str, found: list[tuple[str, int]], folder: Path) -> None:
    """Each fault has a code and a line, and nothing is written."""
    assert faults(folder, listed, Wish(form="openrouter")) == found


@pytest.mark.parametrize(
    ("listed", "found"),
    [
        ("[]", [("FP203", 1)]),
        ('{\n"a": 5,\n"b": null}', [("FP203", 2), ("FP203", 3)]),
        ('{\n"\\u0000": {}}', [("FP547", 2)]),
        ('{"a": {},\n"a": {}}', [("FP115", 2)]),
    ],
)
def test_a_bad_price_file_of_litellm(listed: str, found: list[tuple[str, int]], folder: Path) -> None:
    """Its models are keys with values, each once."""
    assert faults(folder, listed, Wish(form="litellm")) == found


@pytest.mark.parametrize("listed", ["{}", "[]", '{"data": 5}', '{"data": [{"name": "a"}]}', '{"a": {"b": 1}}'])
def test_a_list_that_is_none(listed: str, folder: Path) -> None:
    """In doubt the format must be given."""
    assert faults(folder, listed) == [("FP501", 1)]


def test_an_unknown_format(folder: Path) -> None:
    """The message says which there are."""
    told = str(refusal(folder, "{}", Wish(form="csv")))
    assert told == "unknown format 'csv': use one of auto, openrouter, litellm"


def test_lists_that_are_too_large(folder: Path) -> None:
    """A hundred thousand models with a few values each, and too many characters, are refused."""
    many = [{"id": f"m{number}", "context_length": 5} for number in range(100_000)]
    assert faults(folder, json.dumps({"data": many})) == [("FP117", 1)]
    padded = json.dumps({"data": [{"id": "a", "description": "x" * (16 << 20)}]})
    assert faults(folder, padded) == [("FP104", 0)]


def test_a_file_that_is_missing_or_no_text(folder: Path, tmp_path: Path) -> None:
    """A list must be a file of UTF-8."""
    (tmp_path / "latin.json").write_bytes('{"é": 1}'.encode("latin-1"))
    for name, code in (("none.json", "FP102"), ("latin.json", "FP105")):
        with pytest.raises(RouteFilesInvalid) as caught:
            import_models(tmp_path / name, folder, Wish())
        assert [found.code for found in caught.value.findings] == [code]


def test_more_models_than_the_file_may_hold(folder: Path) -> None:
    """What would make a file that the loader refuses is not written."""
    many: list[Any] = [routed(f"m{number}", description="x" * 9_000) for number in range(500)]
    assert [code for code, _ in faults(folder, openrouter(*many), Wish(only=("*",)))] == ["FP104"]


def test_a_model_that_stands_twice(folder: Path) -> None:
    """The first counts."""
    report = taken(folder, openrouter(routed("a"), routed("a", pricing={"prompt": "1", "completion": "1"})))
    assert messages(report.findings) == ["FP546 'a' stands in the list already: the first counts"]
    assert models(folder)["a"].input_price_usd_micros == 150_000


def test_a_secret_in_a_list_is_not_repeated(folder: Path) -> None:
    """Ids and keys are shown as all texts of files are."""
    key = "sk-ant-api03-" + "Ab3" * 30
    report = taken(folder, openrouter(routed("a", **{key: 1})))
    assert key not in "".join(messages(report.findings))


def test_what_is_asked_for_is_checked_before_the_list_is_read(tmp_path: Path) -> None:
    """A wrong wish is refused even without a list."""
    with pytest.raises(InvalidRequest, match="is no valid name"):
        import_models(tmp_path / "none.json", tmp_path, Wish(name=" "))
