"""Whatever a price list holds, it is refused with findings, or the folder has its models and loads."""

import json
import tempfile
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given, settings, strategies as st

from fingerpost.build.findings import RouteFilesInvalid
from fingerpost.build.imports.models import Wish, import_models
from fingerpost.build.load import load
from fingerpost.errors import InvalidRequest
from tests.price_lists import lite, routed
from tests.route_folders import ROUTE, write_folder

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["0", "-1", "1e-7", "text"]),
)
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=5,
)
ROUTED = [
    "id", "name", "description", "context_length", "architecture", "pricing", "top_provider", "supported_parameters",
    "expiration_date", "other",
]  # fmt: skip
INSIDE = {
    "architecture": ["input_modalities", "output_modalities", "modality"],
    "pricing": ["prompt", "completion", "input_cache_read", "request"],
    "top_provider": ["context_length", "max_completion_tokens"],
}
LITE = [
    "mode", "litellm_provider", "max_tokens", "max_input_tokens", "max_output_tokens", "input_cost_per_token",
    "output_cost_per_token", "cache_read_input_token_cost", "supports_vision", "supported_regions", "rpm", "alias_of",
    "deprecation_date", "output_cost_per_image",
]  # fmt: skip


def parts(keys: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Some of the keys, with anything under them, or under those that hold keys what looks like it."""
    return st.fixed_dictionaries({}, optional={key: part(key) for key in keys})


def part(key: str) -> st.SearchStrategy[Any]:
    return st.one_of(anything, parts(INSIDE[key])) if key in INSIDE else anything


routed_lists = st.lists(parts(ROUTED).map(lambda found: routed("m", **found)), max_size=3).map(
    lambda found: {"data": found}
)
lite_lists = st.dictionaries(st.text(max_size=4), parts(LITE).map(lambda found: lite(**found)), max_size=3)


@settings(max_examples=150)
@given(st.one_of(routed_lists.map(lambda one: ("openrouter", one)), lite_lists.map(lambda one: ("litellm", one))))
def test_a_list_is_used_or_refused(made: tuple[str, Mapping[str, Any]]) -> None:
    """Nothing but these two errors comes of it, and no price is 0 that the list does not call 0."""
    form, listed = made
    with tempfile.TemporaryDirectory() as name:
        folder = write_folder(Path(name) / "routes", {"code.yaml": ROUTE})
        source = Path(name) / "list.json"
        source.write_text(json.dumps(listed), encoding="utf-8")
        try:
            report = import_models(source, folder, Wish(form=form))
        except (RouteFilesInvalid, InvalidRequest):
            assert (folder / "_models.yaml").read_text() == "models:\n  - name: coder\n  - name: strong\n"
            return
        models = {model.name: model for model in load(folder).catalog.models}
    assert len(models) == 2 + len(report.added)
    free = [one for one in models.values() if 0 in (one.input_price_usd_micros, one.output_price_usd_micros)]
    assert all(nothing_costs(listed, one.upstream_model) for one in free)


def nothing_costs(listed: Mapping[str, Any], name: str) -> bool:
    """Whether one of the model's prices is 0 in the list."""
    if isinstance(listed.get("data"), list):
        found = [value for entry in listed["data"] if entry["id"] == name for value in entry["pricing"].values()]
    else:
        found = [value for entry in listed.values() for key, value in entry.items() if "cost" in key]
    return any(Decimal(str(value)) == 0 for value in found if isinstance(value, str | int | float) and number(value))


def number(value: object) -> bool:
    try:
        return not isinstance(value, bool) and Decimal(str(value)).is_finite()
    except ArithmeticError:
        return False
