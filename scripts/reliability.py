"""Writes docs/reliability.md: which fault is proven by which test. Run by scripts/gen-reliability.

A test says `@pytest.mark.fault("S1", "S3")`, and its docstring says what it proves. A row without a test fails.
"""

import ast
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reliability.md"
RESULTS = ROOT / "benchmarks" / "results" / "faults.json"

HEAD = """\
<!-- Written by scripts/gen-reliability from the tests: do not edit. -->

# Reliability of what is kept

What happens to revisions, pointers, approvals, the audit, money and reports when something goes wrong, where rules and
prices are wrong, and when models fail, with the test that proves it. A test whose fault did not happen fails. What goes
wrong on the way to a decision has [a page of its own](reference/faults.md).

The suite runs all of them, the store's on SQLite and, where that can differ, on a real PostgreSQL.
"""

FAULTS = {
    "S1": ("SIGKILL at any step of publishing, proposing, approving, activating, rolling back, storing an encoder",
           "old or new, whole; nothing acknowledged is lost; orphans go with the next publication"),
    "S2": ("disk full at any page of a publication",
           "RESOURCE_EXHAUSTED, `STORAGE_FULL`; nothing is left; the old one serves"),
    "S3": ("disk full", "changes are `STORAGE_FULL`; reading, rolling back and clearing up work"),
    "S4": ("disk that can only be read", "changes are UNAVAILABLE; reading and routing go on"),
    "S5": ("truncated artefact", "refused by hash; the last good one stays; fetched again where machines share it"),
    "S6": ("bit flips in an artefact", "all are caught"),
    "S7": ("encoder or tokeniser tampered with or swapped", "refused by name; not used"),
    "S8": ("links, pipes and files from outside in an artefact", "refused, and never waited for"),
    "S9": ("files missing, extra, of a newer schema", "FAILED_PRECONDITION with the names; older ones are read"),
    "S10": ("activations under load", "no call fails, each answer is of one revision, memory comes back"),
    "S11": ("many activate at once",
            "one wins, the others are ABORTED, `GENERATION_CONFLICT`, with the current generation"),
    "S12": ("activating what is not approved, approving one's own", "`APPROVAL_REQUIRED`; `SELF_APPROVAL`"),
    "S13": ("rolling back while the current revision or the encoder is broken", "works"),
    "S14": ("ledger busy, damaged, without its log",
            "bounded wait, then UNAVAILABLE; refused with what to do; routing goes on"),
    "S15": ("ledger on a network share", "refused"),
    "S16": ("searching while an index is rebuilt", "impossible: revisions never change"),
    "S17": ("activations late, twice or out of order", "the generation decides"),
    "D5": ("PostgreSQL down",
           "routing and soft budgets go on; hard ones spend what is at hand, then `BUDGET_LEASE_UNAVAILABLE`; reports "
           "are kept on the machine up to its bound; changes are UNAVAILABLE"),
    "D6": ("connection cut in the commit", "repeated under its key: exactly one effect"),
    "D7": ("PostgreSQL slow, locked, silent, full, read-only",
           "bounded waits; UNAVAILABLE or `STORAGE_FULL`; the primary is found"),
    "D8": ("everything down at start", "serves what is here if young enough, else NOT_SERVING"),
    "D9": ("partition", "serves on, age told; NOT_SERVING beyond the bound where the policy is strict"),
    "D10": ("notifications lost or doubled", "polling is the truth"),
    "D11": ("program versions side by side", "old and new work on one ledger"),
    "X1": ("every kind of wrong token", "UNAUTHENTICATED, one text; the cause in log and metric"),
    "X2": ("role too low, in every method", "PERMISSION_DENIED with the roles; on record"),
    "X3": ("forged identity headers", "not looked at"),
    "X4": ("tokens that begin alike", "two principals"),
    "X5": ("characters that mean something elsewhere", "mean nothing"),
    "X6": ("guessing tokens", "bounded attempts a source; known tokens go on"),
    "X7": ("many calls at once against a budget, on one server and on four",
           "never more is admitted than the limit pays; what reports give back is spent again, to the micro-dollar"),
    "X8": ("SIGKILL between decision and report",
           "what was in hand counts as spent until the window ends; decisions are settled by any server, once"),
    "X9": ("a budget's window ends under load, or the clock steps back over its end",
           "one reset; each debit stands in one window, whose sum is that of its reports"),
    "X12": ("reports that are repeated, contradictory, made up, another tenant's, late, or far too many",
            "the first of a decision and caller stands, one settles; NOT_FOUND, FAILED_PRECONDITION; kept or refused"),
    "X13": ("reports that are meant to mislead", "nothing learns from them; they open breakers and stop arms"),
    "X10": ("audit cannot be written", "the change is refused; routing goes on"),
    "X11": ("audit entry altered or removed", "the first bad one is named"),
    "I16": ("patterns of rules that explode elsewhere, or are not regular",
            "matched in linear time, or refused at reindex with what is wrong (FP324)"),
    "I17": ("numbers out of range in what a request requires", "INVALID_ARGUMENT with the field"),
    "I18": ("the same request id twice, in parallel too",
            "one decision id, one debit, one report; after a restart it is another decision"),
    "U1": ("500, 502, 503, refused connections", "a model is left alone after so many in a row"),
    "U3": ("401, 403, 404", "left alone at once, as misconfigured, for the longest cool-down"),
    "U2": ("a provider asks to be left alone for a time",
           "its model is, as long as it asked and is allowed; `MODELS_RATE_LIMITED` where no other is left"),
    "U8": ("a model that fails half of its calls",
           "left alone by the rate, tried by one call at a time, for longer each time that this fails"),
    "U9": ("all models fail", "only a share of them is left alone by itself; by hand all may be: `NO_HEALTHY_MODEL`"),
    "U12": ("a price, quality or latency that a choice needs is missing",
            "refused at reindex (FP333 to FP335); never taken for nothing"),
    "O8": ("the calendar jumps an hour ahead or back", "no window begins twice; breakers do not notice"),
    "T13": ("bad, expired, missing, changed certificates", "no handshake, no way around; the last good files stay"),
    "W1": ("receiver of alerts down, silent, slow without end, hanging up, overloaded",
           "bounded time; tried again for a day; noticing, other alerts and the stop of the server wait for nothing"),
    "W2": ("receiver of alerts not to be trusted: certificates, names that lead to metadata, redirects",
           "nothing is sent; given up and told"),
    "W3": ("the ledger away while alerts are noticed or delivered",
           "noted once; nothing is lost; what has arrived is not sent again while the process lives"),
}  # fmt: skip
"""Row: the fault, and what must happen."""


@dataclass(frozen=True)
class Proof:
    """A test that lets the fault happen."""

    name: str
    file: str
    says: str


def main() -> None:
    proofs = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for row, proof in _proofs(path):
            proofs[row].append(proof)
    unknown, missing = sorted(proofs.keys() - FAULTS.keys()), sorted(FAULTS.keys() - proofs.keys())
    if unknown or missing:
        sys.exit(f"gen-reliability: rows without a test: {missing}; marked but no row: {unknown}")
    text = HEAD + _table(proofs) + _long_form()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        sys.exit("gen-reliability: docs/reliability.md is stale: run scripts/gen-reliability")


def _proofs(path: Path) -> Iterator[tuple[str, Proof]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for row in _marked(node):
                says = (ast.get_docstring(node) or "").partition("\n")[0]
                yield row, Proof(node.name, str(path.relative_to(ROOT)), says)


def _marked(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for decorator in function.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.fault":
            yield from (str(argument.value) for argument in decorator.args if isinstance(argument, ast.Constant))


def _table(proofs: dict[str, list[Proof]]) -> str:
    lines = ["\n| | fault | what happens | tests |", "| --- | --- | --- | --- |"]
    for row, (fault, happens) in FAULTS.items():
        tests = "<br>".join(f"[`{one.name}`](../{one.file}): {one.says}" for one in proofs[row])
        lines.append(f"| {row} | {fault} | {happens} | {tests} |")
    return "\n".join(lines) + "\n"


def _long_form() -> str:
    if not RESULTS.exists():
        return ""
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    machine = results["machine"]
    rows = [f"| {name} | {count} |" for name, count in results["kills"].items()]
    one = results["faults"]["S1"]
    return (
        f"\n## The long form\n\nLast run on {results['date']} with `{results['command']}`, commit {results['commit']}, "
        f"{machine['cores']} cores of {machine['cpu']}, Python {machine['python']}: {one['injected']:,} kills, "
        f"{one['fired']:,} of which happened, {one['failures']} failures.\n\n"
        "| change and step | kills |\n| --- | --- |\n" + "\n".join(rows) + "\n"
    )


if __name__ == "__main__":
    main()
