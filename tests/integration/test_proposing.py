"""Proposals: who may approve what, and that nothing is served which too few have approved."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from fingerpost.backends.ledger.ledger import SqlLedger
from fingerpost.bootstrap.folder import DataFolder
from fingerpost.bootstrap.pointing import (
    approve_revision,
    history,
    local_user,
    move_pointer,
    propose_revision,
    read_proposals,
)
from fingerpost.build.reindex import reindex
from fingerpost.errors import (
    DataLoss,
    ErrorReason,
    FailedPrecondition,
    FingerpostError,
    InvalidRequest,
    NotFound,
    PermissionDenied,
)
from fingerpost.release.audit import verified
from fingerpost.release.pointing import activate, roll_back
from fingerpost.release.proposing import approve, proposal_of, proposals, propose, reject
from fingerpost.types import ProposalState
from tests.ledgers import Store, pointers_of
from tests.unit.test_file_store import put
from tests.unit.test_reindex import CACHE, ROUTES, folder_of
from tests.workshops import workshop

_keys = (f"key-{number}" for number in itertools.count())


def key() -> str:
    return next(_keys)


def entries_of(ledger: SqlLedger, revision: str) -> list[str]:
    return [str(one.event.action) for one in ledger.audit()[0] if one.event.revision == revision]


@pytest.mark.fault("S12")
def test_from_proposal_to_activation(store: Store) -> None:
    """Two others approve, then it is served; each step is on record with its comment."""
    ledger = store.ledger()
    made = propose(ledger, "ann", key(), "default", "r", "more utterances", 2)
    assert (made.state, made.proposer, made.comment) == (ProposalState.PROPOSED, "ann", "more utterances")
    with pytest.raises(FailedPrecondition, match="2 people more must approve") as refused:
        activate(ledger, "olga", key(), "default", "r", None, 2)
    assert (refused.value.reason, refused.value.metadata) == (
        ErrorReason.APPROVAL_REQUIRED,
        {"needed": "2", "given": "0"},
    )
    assert approve(ledger, "bob", key(), "default", "r", "").state is ProposalState.PROPOSED
    assert approve(ledger, "cid", key(), "default", "r", "fine").state is ProposalState.APPROVED
    assert activate(ledger, "olga", key(), "default", "r", 0, 2).activation.generation == 1
    assert entries_of(ledger, "r") == ["propose", "approve", "approve", "activate"]
    comments = [one.event.details.get("comment") for one in ledger.audit()[0]]
    assert comments == ["more utterances", None, "fine", None]
    verified(*ledger.audit())


@pytest.mark.fault("S12")
def test_authors_never_approve_their_own(store: Store) -> None:
    """Neither who proposed it nor who proposed it before it was rejected and proposed anew by another."""
    ledger = store.ledger()
    propose(ledger, "ann", key(), "default", "r", "", 1)
    with pytest.raises(PermissionDenied) as refused:
        approve(ledger, "ann", key(), "default", "r", "")
    assert refused.value.reason == ErrorReason.SELF_APPROVAL
    reject(ledger, "ann", key(), "default", "r", "my mistake")
    propose(ledger, "bob", key(), "default", "r", "", 1)
    for author in ("ann", "bob"):
        with pytest.raises(PermissionDenied):
            approve(ledger, author, key(), "default", "r", "")
    assert entries_of(ledger, "r") == ["propose", "reject", "propose"]


Step = Callable[[SqlLedger], object]

REFUSED: list[tuple[Step, type[FingerpostError], str]] = [
    (lambda it: approve(it, "bob", key(), "default", "other", ""), NotFound, "PROPOSAL_NOT_FOUND"),
    (lambda it: approve(it, "bob", key(), "team", "r", ""), NotFound, "PROPOSAL_NOT_FOUND"),
    (lambda it: reject(it, "bob", key(), "default", "other", "no"), NotFound, "PROPOSAL_NOT_FOUND"),
    (lambda it: propose(it, "bob", key(), "default", "r", "", 1), FailedPrecondition, "PROPOSAL_CLOSED"),
    (lambda it: approve(it, "cid", key(), "default", "r", ""), FailedPrecondition, "PROPOSAL_CLOSED"),
    (lambda it: approve(it, "bob", key(), "default", "no", ""), FailedPrecondition, "PROPOSAL_CLOSED"),
    (lambda it: reject(it, "bob", key(), "default", "no", "x"), FailedPrecondition, "PROPOSAL_CLOSED"),
    (lambda it: reject(it, "bob", key(), "default", "r", ""), InvalidRequest, "INVALID_FIELD"),
    (lambda it: approve(it, "bob", key(), "default", "r", "x" * 1_001), InvalidRequest, "INVALID_FIELD"),
    (lambda it: propose(it, "bob", key(), "default", "s", "a\x1b[2J", 1), InvalidRequest, "INVALID_FIELD"),
    (lambda it: activate(it, "o", key(), "default", "no", None, 1), FailedPrecondition, "APPROVAL_REQUIRED"),
]


def test_another_name_is_not_another_person(store: Store) -> None:
    """Who proposed under one of their names cannot approve under another, nor approve twice."""
    ledger = store.ledger()
    propose(ledger, "os:ann", key(), "default", "r", "", 2)
    with pytest.raises(PermissionDenied):
        approve(ledger, "ann", key(), "default", "r", "", frozenset({"os:ann"}))
    approve(ledger, "os:bob", key(), "default", "r", "")
    with pytest.raises(FailedPrecondition, match="already"):
        approve(ledger, "bob", key(), "default", "r", "", frozenset({"os:bob"}))
    assert approve(ledger, "cid", key(), "default", "r", "").state is ProposalState.APPROVED


@pytest.mark.parametrize(("step", "error", "reason"), REFUSED)
def test_what_a_proposals_state_does_not_allow(
    store: Store, step: Step, error: type[FingerpostError], reason: str
) -> None:
    """Each wrong step is refused with its reason, and leaves no trace."""
    ledger = store.ledger()
    propose(ledger, "ann", key(), "default", "r", "", 2)
    approve(ledger, "cid", key(), "default", "r", "")
    propose(ledger, "ann", key(), "default", "no", "", 1)
    reject(ledger, "cid", key(), "default", "no", "steals traffic")
    before = ledger.audit()
    with pytest.raises(error) as refused:
        step(ledger)
    assert refused.value.reason == reason
    assert ledger.audit() == before


ACTIONS = ["propose", "approve", "approve", "reject", "activate", "activate", "roll back"]


@dataclass
class Twin:
    """What a careful clerk with a notebook would say, for one catalog."""

    served: list[tuple[str, int]] = field(default_factory=list)  # revision, and approvals asked from then on
    authors: dict[str, set[str]] = field(default_factory=dict)
    open: dict[str, set[str]] = field(default_factory=dict)  # revision to who approved it

    @property
    def current(self) -> str | None:
        return self.served[-1][0] if self.served else None

    def allows(self, action: str, actor: str, revision: str, asked: int) -> bool:
        if action == "propose":
            return revision not in self.open and revision != self.current
        if action == "approve":
            return revision in self.open and actor not in self.open[revision] | self.authors[revision]
        if action == "reject":
            return revision in self.open and revision != self.current
        if action == "roll back":
            return revision != self.current and revision in {one for one, _ in self.served}
        needed = max(asked, self.served[-1][1] if self.served else 0)
        return needed == 0 or len(self.open.get(revision, ())) >= needed

    def does(self, action: str, actor: str, revision: str, asked: int) -> None:
        if action == "propose":
            self.open[revision] = set()
            self.authors.setdefault(revision, set()).add(actor)
        elif action == "approve":
            self.open[revision].add(actor)
        elif action == "reject":
            del self.open[revision]
        elif action == "activate":
            self.served.append((revision, asked))
        else:
            then = [needed for one, needed in self.served if one == revision][-1]
            self.served.append((revision, max(then, self.served[-1][1])))


@pytest.mark.fault("S12")
@pytest.mark.parametrize("seed", range(3))
def test_a_random_history_agrees_with_its_twin(store: Store, seed: int) -> None:
    """After any steps of anybody, exactly those are allowed that a careful clerk would allow."""
    ledger, draw = store.ledger(), np.random.default_rng(seed)
    twins = {"default": Twin(), "team": Twin()}
    allowed = 0
    for _ in range(250):
        catalog = str(draw.choice(list(twins)))
        action = str(draw.choice(ACTIONS))
        actor, number = str(draw.choice(["ann", "bob", "cid"])), int(draw.integers(4))
        revision, asked = f"revision-{number}", number % 3
        expected = twins[catalog].allows(action, actor, revision, asked)
        try:
            if action == "propose":
                propose(ledger, actor, key(), catalog, revision, "", asked)
            elif action == "approve":
                approve(ledger, actor, key(), catalog, revision, "")
            elif action == "reject":
                reject(ledger, actor, key(), catalog, revision, "no")
            elif action == "activate":
                activate(ledger, actor, key(), catalog, revision, None, asked)
            else:
                roll_back(ledger, actor, key(), catalog, revision, lambda _: None)
        except FingerpostError:
            done = False
        else:
            done = True
        assert done == expected, (action, actor, catalog, revision)
        if done:
            allowed += 1
            twins[catalog].does(action, actor, revision, asked)
    assert allowed > 50
    pointers = {one.catalog: one.revision for one in ledger.pointers()}
    assert pointers == {name: twin.current for name, twin in twins.items() if twin.current}
    for name, twin in twins.items():
        kept = {one.revision: one for one in proposals(ledger.audit()[0]) if one.catalog == name}
        assert {one for one, proposal in kept.items() if proposal.rejection is None} == set(twin.open)
        assert {one: {vote.actor for vote in kept[one].approvals} for one in twin.open} == twin.open


def test_going_back_does_not_lower_what_is_asked(store: Store) -> None:
    """After a roll back to a time when nobody had to approve, what was in force since is still asked."""
    ledger = store.ledger()
    activate(ledger, "o", key(), "default", "old", None, 0)
    propose(ledger, "ann", key(), "default", "strict", "", 1)
    approve(ledger, "bob", key(), "default", "strict", "")
    activate(ledger, "o", key(), "default", "strict", None, 1)
    roll_back(ledger, "o", key(), "default", None, lambda _: None)
    with pytest.raises(FailedPrecondition, match="only what one person approved"):
        activate(ledger, "o", key(), "default", "another", None, 0)


def test_a_lower_policy_needs_the_approvals_of_the_one_in_force(store: Store) -> None:
    """Whoever wants fewer approvals needs those of now for it; after that, fewer are asked."""
    ledger = store.ledger()
    propose(ledger, "ann", key(), "default", "strict", "", 1)
    approve(ledger, "bob", key(), "default", "strict", "")
    activate(ledger, "o", key(), "default", "strict", None, 1)
    propose(ledger, "ann", key(), "default", "loose", "", 0)
    with pytest.raises(FailedPrecondition):
        activate(ledger, "o", key(), "default", "loose", None, 0)
    approve(ledger, "bob", key(), "default", "loose", "")
    activate(ledger, "o", key(), "default", "loose", None, 0)
    assert activate(ledger, "o", key(), "default", "free", None, 0).activation.generation == 3


def test_a_reindex_proposes_where_approvals_are_asked(tmp_path: Path) -> None:
    """With `approvals: 1` a reindex publishes and proposes once, and leaves what is served."""
    routes, shop = folder_of(tmp_path / "routes", ROUTES), workshop(tmp_path, CACHE)
    first = reindex(routes, "default", shop)
    assert (first.changed, first.proposal) == (True, None)
    folder_of(routes, ROUTES, approvals=1)
    made = reindex(routes, "default", shop)
    assert made.proposal is not None
    assert (made.changed, made.proposal.state, made.proposal.proposer) == (False, "proposed", local_user())
    assert pointers_of(tmp_path).read("default") == first.activation
    revision = made.activation.revision
    assert reindex(routes, "default", shop).proposal == made.proposal, "it is proposed once"
    ledger = shop.activations.ledger  # type: ignore[attr-defined]
    reject(ledger, "bob", key(), "default", revision, "too broad")
    again = reindex(routes, "default", shop).proposal
    assert again is not None
    assert again.state is ProposalState.REJECTED, "what was rejected is not proposed anew by itself"
    with pytest.raises(FailedPrecondition, match="too broad"):
        move_pointer(DataFolder(tmp_path), "default", revision, None)
    propose_revision(DataFolder(tmp_path), "default", revision, "as agreed")
    with pytest.raises(PermissionDenied):
        approve_revision(DataFolder(tmp_path), "default", revision[:12], "")
    approve(ledger, "bob", key(), "default", revision, "")
    assert move_pointer(DataFolder(tmp_path), "default", revision, 1).activation.generation == 2
    [kept] = read_proposals(DataFolder(tmp_path), "default")
    assert (kept.comment, kept.state) == ("as agreed", ProposalState.APPROVED)
    actions = [str(one.event.action) for one in history(DataFolder(tmp_path), "default")]
    assert actions == ["activate", "approve", "propose", "reject", "propose", "activate"]


def test_a_damaged_revision_is_neither_proposed_nor_approved(store: Store) -> None:
    """Nobody is asked about what cannot be served, nor approves it."""
    a = put(store.root, "a")
    propose(store.ledger(), "ann", key(), "default", a, "", 1)
    (store.root / "revisions" / a / "index.faiss").write_bytes(b"x")
    for step in (approve_revision, propose_revision):
        with pytest.raises(DataLoss, match=r"index\.faiss"):
            step(store.data, "team", a, "")


def test_votes_of_a_repeat_count_once(store: Store) -> None:
    """A call that is repeated with its key, since its reply was lost, is one vote."""
    ledger = store.ledger()
    propose(ledger, "ann", "one", "default", "r", "", 2)
    assert propose(ledger, "ann", "one", "default", "r", "", 2).state is ProposalState.PROPOSED
    for _ in range(2):
        approve(ledger, "bob", "two", "default", "r", "")
    kept = proposal_of(ledger.audit()[0])
    assert kept is not None
    assert [vote.actor for vote in kept.approvals] == ["bob"]
