"""Permissions: which role a method needs. What stands here for no method is refused to everybody."""

from collections.abc import Mapping

from fingerpost.errors import ErrorReason, PermissionDenied
from fingerpost.types import AccessRole, Principal

_CALLER = frozenset({AccessRole.CALLER})
_CALLER_OR_READER = frozenset({AccessRole.CALLER, AccessRole.READER})
_APPROVER = frozenset({AccessRole.APPROVER})
_OPERATOR = frozenset({AccessRole.OPERATOR})
_AUDITOR = frozenset({AccessRole.AUDITOR})
_LOOKING = frozenset(AccessRole) - {AccessRole.CALLER}  # whoever looks after catalogs must see what they speak of
_ANY = frozenset(AccessRole)

OPEN = frozenset(
    {
        # Balancers ask it, and it tells nothing but whether the server serves.
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/List",
        "/grpc.health.v1.Health/Watch",
    }
)
"""Methods that need no proof."""

NEEDED: Mapping[str, frozenset[AccessRole]] = {
    "/fingerpost.v1.RouterService/Route": _CALLER,
    "/fingerpost.v1.RouterService/RouteBatch": _CALLER,
    "/fingerpost.v1.RouterService/Explain": _CALLER,
    "/fingerpost.v1.RouterService/GetServerInfo": _CALLER_OR_READER,
    "/fingerpost.v1.OutcomeService/ReportOutcome": _CALLER,
    "/fingerpost.v1.OutcomeService/ReportOutcomes": _CALLER,
    "/fingerpost.v1.CatalogService/ListCatalogs": _LOOKING,
    "/fingerpost.v1.CatalogService/ListRoutes": _LOOKING,
    "/fingerpost.v1.CatalogService/GetRoute": _LOOKING,
    "/fingerpost.v1.CatalogService/ListModels": _LOOKING,
    "/fingerpost.v1.CatalogService/ListRevisions": _LOOKING,
    "/fingerpost.v1.CatalogService/GetRevision": _LOOKING,
    "/fingerpost.v1.CatalogService/CompareRevisions": _LOOKING,
    "/fingerpost.v1.CatalogService/ListProposals": _LOOKING,
    "/fingerpost.v1.CatalogService/ProposeRevision": frozenset({AccessRole.PROPOSER}),
    "/fingerpost.v1.CatalogService/ApproveRevision": _APPROVER,
    "/fingerpost.v1.CatalogService/RejectRevision": _APPROVER,
    "/fingerpost.v1.CatalogService/ActivateRevision": _OPERATOR,
    "/fingerpost.v1.CatalogService/RollBackCatalog": _OPERATOR,
    "/fingerpost.v1.CatalogService/CollectGarbage": _OPERATOR,
    "/fingerpost.v1.CatalogService/ListAuditEntries": _AUDITOR,
    "/fingerpost.v1.CatalogService/VerifyAudit": _AUDITOR,
    "/fingerpost.v1.AdminService/ListBudgets": _LOOKING,
    "/fingerpost.v1.AdminService/SetBudget": _OPERATOR,
    "/fingerpost.v1.AdminService/ResetBudget": _OPERATOR,
    "/fingerpost.v1.AdminService/ClearBudget": _OPERATOR,
    "/fingerpost.v1.AdminService/ListBreakers": _LOOKING,
    "/fingerpost.v1.AdminService/SetBreaker": _OPERATOR,
    "/fingerpost.v1.AdminService/ResetBreaker": _OPERATOR,
    "/fingerpost.v1.AdminService/ListExperiments": _LOOKING,
    "/fingerpost.v1.AdminService/SetExperiment": _OPERATOR,
    "/fingerpost.v1.AdminService/ResetExperiment": _OPERATOR,
    "/fingerpost.v1.AdminService/ReportExperiment": _LOOKING,
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": _ANY,
}
"""Roles by method, as on the wire; one of them is enough."""


def check_role(method: str, principal: Principal) -> None:
    """Refuse a method to somebody who has none of its roles.

    Raises:
        PermissionDenied: the roles that it needs are in the metadata.
    """
    needed = NEEDED.get(method, frozenset())
    if principal.roles & needed:
        return
    names = sorted(role.value for role in needed)
    wanted = f"the role {' or '.join(names)}" if names else "a role that nobody has"
    raise PermissionDenied(
        f"{principal.name} lacks {wanted}, which {method.rpartition('/')[2]} needs: whoever keeps the file of access "
        "can give it",
        metadata={"roles": ",".join(names)},
    )


def tenant_of(principal: Principal | None, asked: str) -> str:
    """The tenant that a request is for.

    Raises:
        PermissionDenied: who asks speaks for another.
    """
    if principal is None or not principal.tenant or asked == principal.tenant:
        return asked
    if asked:
        raise PermissionDenied(f"{principal.name} speaks for another tenant", ErrorReason.PERMISSION_DENIED)
    return principal.tenant
