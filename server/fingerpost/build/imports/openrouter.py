"""OpenRouter's list of models, as `GET /api/v1/models` gives it: prices as decimal texts, in dollars per token."""

from collections.abc import Iterator, Mapping

from fingerpost.build.findings import quoted
from fingerpost.build.imports.codes import IMPORT_FORM
from fingerpost.build.imports.cursor import Cursor
from fingerpost.build.imports.offer import CHAT, LeftOut, Listed, Offer, Reader, check_id

PROVIDER = "openrouter"

_READ = {
    "id", "name", "description", "context_length", "architecture", "pricing", "top_provider", "supported_parameters",
    "expiration_date",
}  # fmt: skip
_MODALITIES = ("input_modalities", "output_modalities")  # `modality` says both once more
_PRICES = {"prompt", "completion", "input_cache_read"}
_PROVIDER_READ = {"context_length", "max_completion_tokens"}

_BY_PARAMETER: Mapping[str, str] = {
    "tools": "tools",
    "response_format": "json",
    "structured_outputs": "json",
    "reasoning": "reasoning",
    "include_reasoning": "reasoning",
}
_BY_MODALITY: Mapping[str, str] = {"image": "vision", "audio": "audio"}


def has_signs(root: Cursor) -> bool:
    """Whether the document looks like such a list."""
    data = root.value.get("data") if isinstance(root.value, dict) else None
    return isinstance(data, list) and all(isinstance(entry, dict) and "id" in entry for entry in data)


def models_of(root: Cursor) -> Iterator[Listed]:
    """The models of the list; an entry without an id is an error."""
    if not root.is_mapping():
        return
    data = root.get("data")
    if data is None:
        root.note(IMPORT_FORM, "a list of OpenRouter has its models under the key data, and here is none")
        return
    for entry in data.entries():
        named = entry.required("id") if entry.is_mapping() else None
        name = named.string() if named else None
        if name is not None and check_id(name, entry):
            yield Listed(name, _kind(entry), entry)


def _kind(entry: Cursor) -> str:
    """By what goes in and comes out; a model of which the list says nothing is taken for one that chats."""
    architecture = entry.get("architecture")
    if architecture is None:
        return CHAT
    for key in _MODALITIES:
        found = architecture.get(key)
        if found is not None and isinstance(found.value, list) and "text" not in found.value:
            return f"without text as {key.partition('_')[0]}"
    return CHAT


def offer_of(listed: Listed, left_out: LeftOut) -> Offer:
    """What the list says of a model."""
    entry, read = listed.entry, Reader(listed.id, listed.entry, left_out)
    pricing, architecture, provider = (read.mapping(key) for key in ("pricing", "architecture", "top_provider"))
    can, cannot = _capabilities(read, architecture)
    description = read.text(entry, "description", may_be_empty=True)
    sizes = [read.whole(entry, "context_length"), read.whole(provider, "context_length")]
    offer = Offer(
        id=listed.id,
        provider=PROVIDER,
        description=description or read.text(entry, "name", may_be_empty=True),
        input_price_usd_micros=read.price(pricing, "prompt"),
        output_price_usd_micros=read.price(pricing, "completion"),
        cached_input_price_usd_micros=read.price(pricing, "input_cache_read", expected=False),
        # The smaller of what the model and its first provider take: a request must fit where it is sent.
        context_window_tokens=min((size for size in sizes if size is not None), default=None),
        max_output_tokens=read.whole(provider, "max_completion_tokens"),
        can=can,
        cannot=cannot,
    )
    read.ends("expiration_date")
    read.other_prices(pricing, [key for key in pricing.keys if key not in _PRICES])
    read.leave_out(entry, [key for key in entry.keys if key not in _READ or (key == "name" and description)])
    told = {*_MODALITIES, "modality"} if architecture.get("input_modalities") else set(_MODALITIES)
    read.leave_out(architecture, [key for key in architecture.keys if key not in told], "architecture.")
    read.leave_out(provider, [key for key in provider.keys if key not in _PROVIDER_READ], "top_provider.")
    return offer


def _capabilities(read: Reader, architecture: Cursor) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What the model can do and what it cannot: lists are complete, so that what a list lacks the model lacks."""
    parameters = read.texts(read.entry, "supported_parameters")
    modalities = read.texts(architecture, "input_modalities")
    can: dict[str, None] = {}
    known: dict[str, None] = {}
    for key, values, table in (
        ("supported_parameters", parameters, _BY_PARAMETER),
        ("input_modalities", modalities, _BY_MODALITY),
    ):
        if values is None:
            continue
        known |= dict.fromkeys(table.values())
        can |= dict.fromkeys(table[value] for value in values if value in table)
        for value in values:
            if value not in table and value != "text":
                read.left_out.add(f"{key} {quoted(value)}", read.entry)
    return tuple(name for name in known if name in can), tuple(name for name in known if name not in can)
