"""LiteLLM's price file, `model_prices_and_context_window.json`: prices as numbers, in dollars per token, by model."""

from collections.abc import Iterator, Mapping

from fingerpost.build.imports.cursor import Cursor
from fingerpost.build.imports.offer import LeftOut, Listed, Offer, Reader, check_id
from fingerpost.build.texts import text_fault

_SAMPLE = "sample_spec"  # explains the file, and is no model
_ALIAS = "alias_of"
_ANYWHERE = "global"

_READ = {
    "mode", "litellm_provider", "max_tokens", "max_input_tokens", "max_output_tokens", "supported_regions",
    "deprecation_date", "rpm", "tpm", _ALIAS,
}  # fmt: skip
_PRICES = {"input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost"}

_BY_FLAG: Mapping[str, str] = {
    "supports_function_calling": "tools",
    "supports_response_schema": "json",
    "supports_vision": "vision",
    "supports_audio_input": "audio",
    "supports_reasoning": "reasoning",
}


def has_signs(root: Cursor) -> bool:
    """Whether the document looks like such a file."""
    entries = list(root.value.values()) if isinstance(root.value, dict) else []
    mappings = [entry for entry in entries if isinstance(entry, dict)]
    return len(mappings) == len(entries) and any("litellm_provider" in entry or "mode" in entry for entry in mappings)


def models_of(root: Cursor) -> Iterator[Listed]:
    """The models of the file, whose ids are its keys."""
    if not root.is_mapping():
        return
    for name in root.keys:
        entry = root.at(name)
        if name != _SAMPLE and check_id(name, entry) and entry.is_mapping():
            meant = _meant(root, entry)
            yield Listed(name, _kind(meant), meant)


def _meant(root: Cursor, entry: Cursor) -> Cursor:
    """The entry, or the one that it is another name of."""
    alias = entry.get(_ALIAS)
    target = root.get(alias.value) if alias is not None and isinstance(alias.value, str) else None
    return entry if target is None or not isinstance(target.value, dict) else target


def _kind(entry: Cursor) -> str:
    mode = entry.get("mode")
    value = mode.value if mode is not None else None
    return value if isinstance(value, str) and not text_fault(value) else "without a mode"


def offer_of(listed: Listed, left_out: LeftOut) -> Offer:
    """What the file says of a model."""
    entry, read = listed.entry, Reader(listed.id, listed.entry, left_out)
    offer = Offer(
        id=listed.id,
        provider=read.text(entry, "litellm_provider"),
        input_price_usd_micros=read.price(entry, "input_cost_per_token"),
        output_price_usd_micros=read.price(entry, "output_cost_per_token"),
        cached_input_price_usd_micros=read.price(entry, "cache_read_input_token_cost", expected=False),
        context_window_tokens=_window(read),
        max_output_tokens=read.whole(entry, "max_output_tokens"),
        can=_flagged(read, wanted=True),
        cannot=_flagged(read, wanted=False),
        regions=_regions(read),
        requests_per_minute=read.whole(entry, "rpm"),
        tokens_per_minute=read.whole(entry, "tpm"),
    )
    read.ends("deprecation_date")
    others = [key for key in entry.keys if key not in _READ | _PRICES | _BY_FLAG.keys()]
    prices = [key for key in others if "cost" in key or "pricing" in key]
    read.other_prices(entry, prices)
    read.leave_out(entry, [key for key in others if key not in prices])
    return offer


def _window(read: Reader) -> int | None:
    """`max_tokens` is the older key, and means the input only where the file does not tell input and output apart."""
    size = read.whole(read.entry, "max_input_tokens")
    if size is None and read.entry.get("max_input_tokens") is None and read.entry.get("max_output_tokens") is None:
        return read.whole(read.entry, "max_tokens")
    return size


def _flagged(read: Reader, *, wanted: bool) -> tuple[str, ...]:
    """Capabilities whose flag says so; a flag that is not there says nothing."""
    return tuple(name for flag, name in _BY_FLAG.items() if _flag(read, flag, tell=wanted) is wanted)


def _flag(read: Reader, flag: str, *, tell: bool) -> bool | None:
    found = read.entry.get(flag)
    if found is None or isinstance(found.value, bool):
        return None if found is None else bool(found.value)
    if tell:
        read.misfit(found, "true or false")
    return None


def _regions(read: Reader) -> tuple[str, ...]:
    """Empty where the model runs anywhere, which is what an entry without regions says."""
    regions = read.texts(read.entry, "supported_regions") or ()
    return () if _ANYWHERE in regions else regions
