"""The files of a revision: what is written at publish is what is read at load, checked on the way."""

import hashlib
import io
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from fingerpost.errors import DataLoss, ErrorReason, FailedPrecondition
from fingerpost.types import (
    OUT_OF_SCOPE,
    BreakerRules,
    BudgetOf,
    Decider,
    EncoderId,
    Exemplar,
    Head,
    Policy,
    Revision,
    Selection,
)

SCHEMA_VERSION = 3
"""The newest that is written and read. A revision says the oldest whose programs pass over nothing that it has."""

_PLAIN_SCHEMA = 1
_CHOOSING_SCHEMA = 2  # since there are rules and selections
_GUARDED_SCHEMA = 3  # since there are budgets, breakers and experiments

MANIFEST = "manifest.json"
_EXEMPLARS = "exemplars.jsonl"
DECIDER = "decider.json"
_INDEX = "index.faiss"
REPORT = "report.json"
_HEAD = {"linear": "head_linear.npy", "metric": "head_metric.npy", "distances": "head_distances.npy"}
_LINEARS = "trained_linears.npy"

_decider = TypeAdapter(Decider)

_PARSING = threading.Lock()
"""An array's header is read as a piece of Python; Python 3.11 counts the depth of that for all threads together, and
fails (SystemError) when they do so at the same time."""


@dataclass(frozen=True, slots=True)
class _FileEntry:
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a revision holds; its own digest is the revision's name, so neither times nor authors stand in it."""

    schema_version: int
    encoder: EncoderId
    index_kind: str
    routes_count: int
    exemplars_count: int
    files: dict[str, _FileEntry]


@dataclass(frozen=True, slots=True)
class _Version:
    """The one field that every version of the format has."""

    schema_version: int


_manifest = TypeAdapter(Manifest)
_version = TypeAdapter(_Version)


def encode(
    encoder: EncoderId,
    exemplars: tuple[Exemplar, ...],
    index_kind: str,
    index_bytes: bytes,
    head: Head | None,
    decider: Decider,
    report: bytes,
    linears: NDArray[np.float32] | None = None,
) -> dict[str, bytes]:
    """All files of a revision, the manifest among them; the same input gives the same bytes.

    `linears` are for the next reindex alone: nothing is decided with them.
    """
    files = {
        _EXEMPLARS: b"".join(_json_line({"text": e.text, "route": e.route}) for e in exemplars),
        DECIDER: _decider_bytes(decider),
        _INDEX: index_bytes,
        REPORT: report,
        **({file: _array_bytes(getattr(head, name)) for name, file in _HEAD.items()} if head else {}),
        **({} if linears is None else {_LINEARS: _array_bytes(linears)}),
    }
    entries = {name: _FileEntry(hashlib.sha256(data).hexdigest(), len(data)) for name, data in sorted(files.items())}
    manifest = Manifest(_schema_of(decider), encoder, index_kind, len(decider.routes), len(exemplars), entries)
    return {MANIFEST: _manifest.dump_json(manifest, indent=1) + b"\n", **files}


def _decider_bytes(decider: Decider) -> bytes:
    """The same for the same decider: sets, whose order changes from process to process, are sorted.

    What the third schema brought is left out where it says nothing: such revisions keep their digests.
    """
    plain = _decider.dump_python(decider)
    for name in _guards(decider.policy, said=False):
        del plain["policy"][name]
    return json.dumps(plain, default=sorted, indent=1, ensure_ascii=False).encode() + b"\n"


def _schema_of(decider: Decider) -> int:
    if _guards(decider.policy, said=True):
        return _GUARDED_SCHEMA
    return _CHOOSING_SCHEMA if _chooses(decider) else _PLAIN_SCHEMA


def _guards(policy: Policy, *, said: bool) -> list[str]:
    """Fields of the third schema that a program of an older one ignores: those that say something, or the others."""
    fields = {
        "budgets": bool(policy.budgets),
        "breakers": policy.breakers != BreakerRules(),
        "experiments": bool(policy.experiments),
    }
    return [name for name, says in fields.items() if says is said]


def _chooses(decider: Decider) -> bool:
    """Whether it has rules, selections, fallbacks of routes or a limit, which a program of the first schema ignores."""
    policy = decider.policy
    own = any(route.models or route.fallback or route.selection != Selection() for route in decider.routes)
    return own or bool(policy.rules) or policy.escalation is not None


def digest_of(manifest: bytes) -> str:
    """Name of the revision that the manifest describes: sha256 in hexadecimal."""
    return hashlib.sha256(manifest).hexdigest()


def decode(digest: str, files: Mapping[str, bytes]) -> Revision:
    """Read a revision.

    Raises:
        DataLoss: a file is not what its checksum says, or the parts do not fit together.
        FailedPrecondition: ARTEFACT_INCOMPATIBLE for a newer schema, or files missing or too many.
    """
    manifest = _verified_manifest(digest, files)
    for name, entry in manifest.files.items():
        _verify_file(name, entry, files[name])
    try:
        exemplars = tuple(_exemplar(line) for line in files[_EXEMPLARS].splitlines())
        decider = _decider.validate_json(files[DECIDER])
        head = _head(manifest, files)
    except (ValidationError, ValueError, KeyError, TypeError) as error:
        raise DataLoss(f"revision {digest[:12]}: its files cannot be read: reindex") from error
    _check_parts(digest, manifest, exemplars, decider)
    return Revision(digest, manifest.encoder, exemplars, manifest.index_kind, files[_INDEX], decider, head)


def named_revisions(decider: bytes) -> frozenset[str]:
    """Digests of the revisions that arms and shadows of a stored decider name.

    Raises:
        DataLoss: it cannot be read.
    """
    try:
        experiments = _decider.validate_json(decider).policy.experiments
    except ValidationError as error:
        raise DataLoss(f"{DECIDER} cannot be read: reindex") from error
    named = {one.shadow for one in experiments} | {arm.revision for one in experiments for arm in one.arms}
    return frozenset(digest for digest in named if digest)


def read_manifest(digest: str, data: bytes) -> Manifest:
    """What a revision says that it holds.

    Raises:
        DataLoss: it is not what its digest says.
        FailedPrecondition: ARTEFACT_INCOMPATIBLE, it is of another schema.
    """
    if digest_of(data) != digest:
        raise DataLoss(
            f"revision {digest[:12]}: {MANIFEST} has digest {digest_of(data)[:12]}: reindex to publish it anew"
        )
    try:
        version = _version.validate_json(data).schema_version
    except ValidationError as error:
        raise _incompatible(digest, f"{MANIFEST} is none: reindex") from error
    if not _PLAIN_SCHEMA <= version <= SCHEMA_VERSION:
        raise _incompatible(
            digest, f"its schema is {version} and this program reads up to {SCHEMA_VERSION}: update or reindex"
        )
    try:
        return _manifest.validate_json(data)
    except ValidationError as error:
        raise _incompatible(digest, f"{MANIFEST} cannot be understood: reindex") from error


def _verified_manifest(digest: str, files: Mapping[str, bytes]) -> Manifest:
    if MANIFEST not in files:
        raise _incompatible(digest, f"{MANIFEST} is missing")
    manifest = read_manifest(digest, files[MANIFEST])
    missing, extra = set(manifest.files) - set(files), set(files) - set(manifest.files) - {MANIFEST}
    if missing or extra:
        raise _incompatible(digest, f"missing files {sorted(missing)}, unexpected files {sorted(extra)}: reindex")
    return manifest


def _incompatible(digest: str, what: str) -> FailedPrecondition:
    return FailedPrecondition(f"revision {digest[:12]}: {what}", ErrorReason.ARTEFACT_INCOMPATIBLE)


def _verify_file(name: str, entry: _FileEntry, data: bytes) -> None:
    actual = hashlib.sha256(data).hexdigest()
    if actual != entry.sha256:
        raise DataLoss(
            f"{name} is damaged: expected sha256 {entry.sha256[:12]}, found {actual[:12]}: reindex to publish it anew",
            metadata={"file": name, "expected": entry.sha256[:12], "actual": actual[:12]},
        )


def _exemplar(line: bytes) -> Exemplar:
    row = json.loads(line)
    return Exemplar(str(row["text"]), int(row["route"]))


def _head(manifest: Manifest, files: Mapping[str, bytes]) -> Head | None:
    """The trained arrays; None in a revision without them.

    Raises:
        ValueError: they are no arrays of the right shapes.
    """
    if not manifest.files.keys() & set(_HEAD.values()):
        return None
    head = Head(**{name: _array(files[file]) for name, file in _HEAD.items()})
    dim, routes = manifest.encoder.dim, manifest.routes_count
    if not (head.linear.shape == head.distances.shape == (dim + 1, routes) and head.metric.shape == (dim, dim)):
        raise ValueError("the head's arrays have other shapes than the encoder and the routes")
    return head


def linears_of(files: Mapping[str, bytes]) -> NDArray[np.float32] | None:
    """What the head of a decoded revision is the mean of; None where it is not kept.

    Raises:
        ValueError: it is no array of finite numbers.
    """
    return _array(files[_LINEARS]) if _LINEARS in files else None


def _array_bytes(array: NDArray[np.float32]) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    return out.getvalue()


def _array(data: bytes) -> NDArray[np.float32]:
    with _PARSING:
        array = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)  # np.load reads zip files too
    if array.dtype != np.float32 or not np.isfinite(array).all():
        raise ValueError("an array of the head holds other things than finite float32 numbers")
    return np.ascontiguousarray(array)


def _check_parts(digest: str, manifest: Manifest, exemplars: tuple[Exemplar, ...], decider: Decider) -> None:
    policy = decider.policy
    models = {policy.fallback_model, *policy.fallback_chain, *(rule.model for rule in policy.rules if rule.model)}
    for route in decider.routes:
        models |= {route.model, *route.models, *route.fallback}
    models |= {arm.model for one in policy.experiments for arm in one.arms if arm.model}
    models |= {name for budget in policy.budgets if budget.of is BudgetOf.MODEL for name in budget.only}
    named = {rule.route for rule in policy.rules if rule.route}
    named |= {one.route for one in policy.experiments if one.route}
    named |= {name for budget in policy.budgets if budget.of is BudgetOf.ROUTE for name in budget.only}
    routes = {route.name for route in decider.routes}
    sound = (
        len(exemplars) == manifest.exemplars_count
        and len(decider.routes) == manifest.routes_count
        and all(OUT_OF_SCOPE <= e.route < len(decider.routes) for e in exemplars)
        and len(decider.confidence_map.route_offsets) in (0, len(decider.routes))
        and models <= set(decider.models)
        and named <= routes
        and all(name in decider.models for rule in policy.rules for names in rule.demands.allowed for name in names)
    )
    if not sound:
        raise DataLoss(f"revision {digest[:12]}: its parts do not fit together: reindex to publish it anew")


def _json_line(row: Mapping[str, object]) -> bytes:
    # Escaped, so that a text with line separators of any kind stays on one line.
    return json.dumps(row, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
