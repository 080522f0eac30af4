"""Load: a folder of route files becomes a catalog, or a list of everything that is wrong with it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from fingerpost.build.draft import Draft, DraftModel, DraftPolicy, DraftRoute
from fingerpost.build.files import (
    ModelEntry,
    ModelsFile,
    OutOfScopeFile,
    PolicyFile,
    RouteFile,
    SelectionEntry,
    fits_name,
)
from fingerpost.build.finding_codes import (
    FIELD_MISSING,
    FIELD_NAME,
    FILE_RESERVED,
    FOLDER_MISSING,
    ROUTES_NONE,
    SELECTION_KEYS,
    TEXT_REPEATED,
)
from fingerpost.build.findings import Findings, Place, RouteFilesInvalid, quoted
from fingerpost.build.guards.entries import DraftBudget, breakers_of, budgets_of, experiments_of
from fingerpost.build.rules.entries import DraftRule, rules_of
from fingerpost.build.shapes import shaped
from fingerpost.build.source import NO_DRAFTS, Drafts, read_source
from fingerpost.build.text_files import read_texts
from fingerpost.build.validate import validate
from fingerpost.build.yaml_lines import MAX_BYTES, Document, KeyPath, parse
from fingerpost.types import (
    Catalog,
    EscalationLimit,
    Finding,
    Model,
    Policy,
    Route,
    Scorer,
    Selection,
    SelectionMode,
    Text,
)

MODELS_FILE = "_models.yaml"
POLICY_FILE = "_policy.yaml"
OUT_OF_SCOPE_FILE = "_out_of_scope.yaml"

_RESERVED = {MODELS_FILE, POLICY_FILE, OUT_OF_SCOPE_FILE}
_ENDINGS = {".yaml", ".yml"}
_MODEL_PROSE = ("upstream_model", "provider", "endpoint", "description")

_Shaped = TypeVar("_Shaped", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A catalog that can be built, and the warnings about it."""

    catalog: Catalog
    findings: tuple[Finding, ...]
    drafts: tuple[DraftRoute, ...] = ()  # the catalog's routes and where they say what
    rules: tuple[DraftRule, ...] = ()  # the policy's and where they say what
    models: tuple[tuple[Place, str], ...] = ()  # the names of all models and where they stand
    prose: tuple[Text, ...] = ()  # descriptions, and what is told of models: read by people, never embedded as they are
    budgets: tuple[DraftBudget, ...] = ()  # the policy's and where they say what
    revisions: tuple[Text, ...] = ()  # digests that experiments name and where they stand


def load(folder: Path) -> Loaded:
    """Read and check a route folder.

    Raises:
        RouteFilesInvalid: with all findings of all files.
    """
    findings = Findings()
    draft = read_folder(folder, findings)
    if draft is not None:
        validate(draft, findings)
    findings.check()
    if draft is None or draft.models is None or draft.policy is None:  # each of these has left an error
        raise RouteFilesInvalid(findings.ordered())
    prose = [route.prose for route in draft.routes] + [model.prose for model in draft.models]
    return Loaded(
        catalog=_catalog(draft, draft.models, draft.policy),
        findings=findings.ordered(),
        drafts=draft.routes,
        rules=draft.policy.rules,
        models=tuple((entry.named, entry.model.name) for entry in draft.models),
        prose=tuple(text for texts in prose for text in texts),
        budgets=draft.policy.budgets,
        revisions=tuple(text for one in draft.policy.experiments for text in one.revisions),
    )


def _catalog(draft: Draft, models: Sequence[DraftModel], policy: DraftPolicy) -> Catalog:
    return Catalog(
        routes=tuple(sorted((entry.route for entry in draft.routes), key=lambda route: route.name)),
        models=tuple(sorted((entry.model for entry in models), key=lambda model: model.name)),
        policy=policy.policy,
        out_of_scope=draft.out_of_scope,
        out_of_scope_tests=draft.out_of_scope_tests,
    )


def read_folder(folder: Path, findings: Findings, drafts: Drafts = NO_DRAFTS) -> Draft | None:
    """What can be read of a folder, not checked as a whole; None, and a finding, where there is no folder.

    Hidden files are left out: editors put some of the same ending beside those that they have open.

    Args:
        folder: Of route files.
        findings: Hears what is wrong with each file by itself.
        drafts: Contents that are looked at in place of those of the files, or beside them.
    """
    try:
        listed = {path.name for path in folder.iterdir()} | drafts.keys()
    except OSError as error:
        findings.add(FOLDER_MISSING, Place(str(folder)), f"the folder cannot be read: {error.strerror}")
        return None
    names = sorted(name for name in listed if Path(name).suffix.lower() in _ENDINGS and not name.startswith("."))
    return _FolderReader(folder, findings, drafts).draft(names)


class _FolderReader:
    """Reads the files of one folder; a file with findings is left out and the others go on."""

    def __init__(self, folder: Path, findings: Findings, drafts: Drafts) -> None:
        self._folder = folder
        self._findings = findings
        self._drafts = drafts

    def draft(self, names: Sequence[str]) -> Draft:
        out_of_scope, out_of_scope_tests = self._out_of_scope(names)
        routes = tuple(self._routes(names))
        return Draft(
            routes=routes,
            whole=len(routes) == sum(not name.startswith("_") for name in names),
            models=self._models(),
            policy=self._policy(),
            out_of_scope=out_of_scope,
            out_of_scope_tests=out_of_scope_tests,
        )

    def _read(self, name: str, shape: type[_Shaped]) -> tuple[Document, _Shaped] | None:
        text = read_source(self._folder / name, MAX_BYTES, self._findings, drafts=self._drafts)
        document = None if text is None else parse(name, text, self._findings)
        content = None if document is None else shaped(document, shape, self._findings)
        return None if document is None or content is None else (document, content)

    def _routes(self, names: Sequence[str]) -> Iterator[DraftRoute]:
        route_names = [name for name in names if not name.startswith("_")]
        if not route_names:
            self._findings.add(ROUTES_NONE, Place(str(self._folder)), "the folder holds no route file")
        for name in names:
            if name.startswith("_") and name not in _RESERVED:
                known = ", ".join(sorted(_RESERVED))
                self._findings.add(FILE_RESERVED, Place(name), f"no route, and none of {known}")
        for name in route_names:
            if read := self._read(name, RouteFile):
                yield from self._route(*read)

    def _route(self, document: Document, content: RouteFile) -> Iterator[DraftRoute]:
        name = content.name or Path(document.file).stem
        if not fits_name(name):
            message = f"the file's name makes no valid route name: give the route a name of its own, not {quoted(name)}"
            self._findings.add(FIELD_NAME, document.place(), message)
            return
        beside = self._texts_beside(document, content)
        if beside is None:
            return
        models = self._models_of(document, content)
        if models is None:
            return
        route = Route(
            name=name,
            description=content.description,
            model=models[0],
            min_confidence=content.min_confidence,
            target_precision=content.target_precision,
            utterances=self._once(_listed(document, "utterances", content.utterances) + beside),
            tests=self._once(_listed(document, "tests", content.tests)),
            models=models if len(models) > 1 else (),
            selection=_selection(content.selection),
            fallback=tuple(content.fallback),
        )
        yield DraftRoute(
            route,
            named=document.place(("name",)),
            model_named=document.place(("model" if content.models is None else "models",)),
            selection_named=document.place(("selection",)),
            fallback_named=document.place(("fallback",)),
            utterances_file=content.utterances_file,
            confidence_named=document.place(("min_confidence",)),
            prose=_written(document, {("description",): content.description}),
        )

    def _models_of(self, document: Document, content: RouteFile) -> tuple[str, ...] | None:
        """The names that `model` or `models` gives; None, and a finding, for neither or both."""
        if content.model is None and content.models is None:
            self._findings.add(FIELD_MISSING, document.place(), "the key model is missing, or models in its place")
            return None
        if content.model is not None and content.models is not None:
            self._findings.add(SELECTION_KEYS, document.place(("models",)), "a route has model or models, not both")
            return None
        return (content.model,) if content.model is not None else tuple(content.models or ())

    def _texts_beside(self, document: Document, content: RouteFile) -> tuple[Text, ...] | None:
        """None when there are errors: a route with half of its texts would only raise more of them."""
        if content.utterances_file is None:
            return ()
        errors_before = self._findings.errors_count
        mention = document.place(("utterances_file",))
        texts = read_texts(self._folder, content.utterances_file, self._findings, mention, self._drafts)
        return texts if self._findings.errors_count == errors_before else None

    def _models(self) -> tuple[DraftModel, ...] | None:
        if not (read := self._read(MODELS_FILE, ModelsFile)):
            return None
        document, content = read
        return tuple(_draft_model(document, number, entry) for number, entry in enumerate(content.models))

    def _policy(self) -> DraftPolicy | None:
        if not (read := self._read(POLICY_FILE, PolicyFile)):
            return None
        document, content = read
        rules, limit = rules_of(document, content, self._findings), content.escalation
        budgets = budgets_of(document, content, self._findings)
        experiments = experiments_of(document, content, self._findings)
        policy = Policy(
            fallback_model=content.fallback_model,
            fallback_chain=tuple(content.fallback_chain),
            target_precision=content.target_precision,
            out_of_scope_share=content.out_of_scope_share,
            scorer=Scorer(content.scorer),
            adapt_out_of_scope_share=content.adapt_out_of_scope_share,
            sticky_session_seconds=content.sticky_session_seconds,
            approvals=content.approvals,
            rules=tuple(draft.rule for draft in rules),
            escalation=None if limit is None else EscalationLimit(**limit.model_dump()),
            budgets=tuple(draft.budget for draft in budgets),
            breakers=breakers_of(document, content, self._findings),
            experiments=tuple(draft.experiment for draft in experiments),
        )
        place = document.place(("fallback_model",))
        first = Text(policy.fallback_model, place.file, place.line)
        return DraftPolicy(
            policy,
            (first, *_listed(document, "fallback_chain", content.fallback_chain)),
            rules,
            document.place(("escalation",)),
            budgets,
            experiments,
        )

    def _out_of_scope(self, names: Sequence[str]) -> tuple[tuple[Text, ...], tuple[Text, ...]]:
        if OUT_OF_SCOPE_FILE not in names or not (read := self._read(OUT_OF_SCOPE_FILE, OutOfScopeFile)):
            return (), ()
        document, content = read
        utterances = _listed(document, "utterances", content.utterances)
        return self._once(utterances), self._once(_listed(document, "tests", content.tests))

    def _once(self, texts: Sequence[Text]) -> tuple[Text, ...]:
        kept: dict[str, Text] = {}
        for text in texts:
            first = kept.setdefault(text.text, text)
            if first is not text:
                message = f"{quoted(text.text)} stands already at {Place(first.file, first.line)}: it is kept once"
                self._findings.add(TEXT_REPEATED, Place(text.file, text.line), message)
        return tuple(kept.values())


def _listed(document: Document, key: str, texts: Sequence[str]) -> tuple[Text, ...]:
    return tuple(Text(text, document.file, document.place((key, number)).line) for number, text in enumerate(texts))


def _written(document: Document, texts: Mapping[KeyPath, str]) -> tuple[Text, ...]:
    """Those that are not empty, with their places."""
    return tuple(Text(text, document.file, document.place(path).line) for path, text in texts.items() if text)


def _draft_model(document: Document, number: int, entry: ModelEntry) -> DraftModel:
    path: KeyPath = ("models", number)
    told = {(*path, key): getattr(entry, key) or "" for key in _MODEL_PROSE}
    told |= {(*path, "capabilities", place): text for place, text in enumerate(entry.capabilities)}
    return DraftModel(_model(entry), document.place((*path, "name")), _written(document, told))


def _selection(entry: SelectionEntry | None) -> Selection:
    return (
        Selection()
        if entry is None
        else Selection(
            mode=SelectionMode(entry.mode),
            weights=dict(sorted(entry.weights.items())),
            task=entry.task or "",
            quality_floor=entry.quality_floor,
            cost_weight=entry.cost_weight,
            output_tokens=entry.output_tokens,
            switch_margin=entry.switch_margin,
        )
    )


def _model(entry: ModelEntry) -> Model:
    return Model(
        name=entry.name,
        upstream_model=entry.upstream_model or entry.name,
        provider=entry.provider,
        endpoint=entry.endpoint,
        description=entry.description,
        input_price_usd_micros=entry.input_price_usd_micros,
        output_price_usd_micros=entry.output_price_usd_micros,
        context_window_tokens=entry.context_window_tokens,
        capabilities=tuple(entry.capabilities),
        latency_p50_ms=entry.latency_p50_ms,
        tier=entry.tier or "",
        cached_input_price_usd_micros=entry.cached_input_price_usd_micros,
        max_output_tokens=entry.max_output_tokens,
        languages=tuple(entry.languages),
        regions=tuple(entry.regions),
        quality=dict(sorted(entry.quality.items())),
        latency_p95_ms=entry.latency_p95_ms,
        requests_per_minute=entry.requests_per_minute,
        tokens_per_minute=entry.tokens_per_minute,
    )
