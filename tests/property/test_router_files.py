"""What is exported to a router file is read back equal, whatever the texts are."""

import tempfile
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings, strategies as st

from fingerpost.build.exports.semantic_router import export_file
from fingerpost.build.files import fits_name
from fingerpost.build.imports.formats import import_file
from fingerpost.build.load import load
from fingerpost.build.texts import normalised, prose_fault, text_fault
from fingerpost.build.yaml_scalars import written
from fingerpost.types import Catalog
from tests.property.test_route_files import AWKWARD, texts

utterances = texts.filter(lambda text: not text_fault(text)).map(str.strip)
names = st.one_of(st.sampled_from([*AWKWARD, "fallback", "code"]), st.text(max_size=12)).filter(
    lambda name: fits_name(name) and not text_fault(name)
)
prose = st.one_of(st.just(""), texts).filter(lambda text: not prose_fault(text)).map(str.strip)
shares = st.none() | st.floats(0.01, 0.99)
routes = st.tuples(prose, names, shares, shares, st.lists(utterances, min_size=1, max_size=4, unique_by=normalised))


def write(folder: Path, made: dict[str, Any]) -> None:
    """Route files as our own writer would make them."""
    folder.mkdir()
    models = {"fallback"}
    for number, (name, (description, model, least, precision, own)) in enumerate(made.items()):
        models.add(model)
        lines = [f"name: {written(name)}", f"description: {written(description)}", f"model: {written(model)}"]
        lines += [f"min_confidence: {least!r}"] if least is not None else []
        lines += [f"target_precision: {precision!r}"] if precision is not None else []
        lines += ["utterances:", *(f"  - {written(text)}" for text in own)]
        (folder / f"r{number}.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    listed = "".join(f"  - name: {written(model)}\n" for model in sorted(models))
    (folder / "_models.yaml").write_text(f"models:\n{listed}", encoding="utf-8")
    (folder / "_policy.yaml").write_text("fallback_model: fallback\n", encoding="utf-8")


def carried(catalog: Catalog) -> list[object]:
    """All of the routes that a router file carries."""
    return [
        (route.name, route.description, route.model, route.min_confidence, route.target_precision,
         [text.text for text in route.utterances])
        for route in catalog.routes
    ]  # fmt: skip


def own_texts(made: dict[str, Any]) -> dict[str, Any]:
    """The same routes without texts that an earlier one has: two routes may share none."""
    seen: set[str] = set()
    kept = {}
    for name, (*rest, own) in made.items():
        free = [text for text in own if normalised(text) not in seen]
        seen |= {normalised(text) for text in free}
        if free:
            kept[name] = (*rest, free)
    return kept


@given(
    st.dictionaries(names, routes, min_size=1, max_size=4).map(own_texts),
    st.sampled_from(["semantic-router-0", "semantic-router-1"]),
    st.sampled_from(["router.yaml", "router.json"]),
)
@settings(max_examples=50, deadline=None)
def test_what_is_exported_is_read_back_equal(made: dict[str, Any], form: str, name: str) -> None:
    """Names, descriptions, models, thresholds and utterances in order survive both versions and both spellings."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write(folder / "routes", made)
        export_file(folder / "routes", form, folder / name)
        import_file(folder / name, folder / "again")
        assert carried(load(folder / "again").catalog) == carried(load(folder / "routes").catalog)
        if name.endswith(".yaml"):  # as semantic-router itself reads it
            document = yaml.safe_load((folder / name).read_text(encoding="utf-8"))
            assert [(route["name"], route["utterances"]) for route in document["routes"]] == [
                (route.name, [text.text for text in route.utterances])
                for route in load(folder / "routes").catalog.routes
            ]
