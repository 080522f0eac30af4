"""Replaying: a decision log, and a revision of a data folder that decides its requests anew."""

from collections.abc import Mapping
from pathlib import Path

from fingerpost.bootstrap.studying import open_archive
from fingerpost.build.diff.prices import Tokens
from fingerpost.build.findings import Findings, Place
from fingerpost.build.replay.reading import read_log
from fingerpost.build.replay.replay import Replayed, replayed
from fingerpost.build.text_files import read_texts
from fingerpost.ports import Progress
from fingerpost.serve.record import keyed
from fingerpost.serve.runtime import check_catalog_name
from fingerpost.telemetry.decision_log import KEY_FILE
from fingerpost.types import Text


def replay_log(
    folder: Path,
    log_path: Path,
    catalog: str,
    begins: str,
    texts_file: Path | None,
    tokens: Tokens,
    progress: Progress,
) -> Replayed:
    """What the revision would have decided.

    Args:
        folder: The data folder.
        log_path: A file of a decision log, or its folder.
        catalog: Whose decisions.
        begins: How the revision's digest begins; "" is the one in force.
        texts_file: Texts for rows that have none, of .jsonl, .csv or .txt; the data folder must have written the log.
        tokens: What a request is taken to have.
        progress: Hears the steps.

    Raises:
        InvalidRequest: nothing of the log can be used.
        NotFound, DataLoss, FailedPrecondition: the revision or its encoder cannot be read.
    """
    check_catalog_name(catalog)
    log = read_log(log_path, catalog, _by_hash(folder, texts_file) if texts_file else {})
    with open_archive(folder, progress) as archive:
        study = archive.named(begins) if begins else archive.active(catalog)
        progress.step("replay", len(log.rows))
        opinions = study.opinions([Text(row.text or "", log_path.name, 0) for row in log.rows])
    return replayed(study.digest, log, opinions, study.decider.models, tokens)


def _by_hash(folder: Path, texts_file: Path) -> Mapping[str, str]:
    findings = Findings()
    texts = read_texts(texts_file.parent, texts_file.name, findings, Place(texts_file.name))
    findings.check()
    key = bytes.fromhex((folder / KEY_FILE).read_text(encoding="ascii"))
    return {keyed(text.text, key): text.text for text in texts}
