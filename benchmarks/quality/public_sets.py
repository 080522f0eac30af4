"""The public sets that the quality benchmarks read: JSON Lines of {"text", "label"}, one folder a set.

CLINC150 (Larson et al. 2019), BANKING77 (Casanueva et al. 2020) and HWU64 (Liu et al. 2019), each with
`train_5shot.jsonl`, `train_10shot.jsonl` and `validation.jsonl`; the label `oos` means out of scope.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

SETS = ("clinc150", "banking77", "hwu64")
OUT_OF_SCOPE_LABEL = "oos"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a set comes from and how its rows must look."""

    title: str
    work: str
    repository: str
    commit: str
    licence: str
    rows: str  # files below the set's folder, and keys beside text and label


SOURCES = {
    "clinc150": Source(
        "CLINC150",
        "Larson et al. 2019, An Evaluation Dataset for Intent Classification and Out-of-Scope Prediction",
        "clinc/oos-eval",
        "828f8093932c",
        "CC BY 3.0",
        "`train.jsonl.gz`, `train_imbalanced.jsonl.gz`, `train_10shot.jsonl`, `train_5shot.jsonl`, `validation.jsonl`",
    ),
    "banking77": Source(
        "BANKING77",
        "Casanueva et al. 2020, Efficient Intent Detection with Dual Sentence Encoders",
        "PolyAI-LDN/task-specific-datasets",
        "57ec275d8078",
        "CC BY 4.0",
        "`train.jsonl.gz` (without the validation rows), `train_10shot.jsonl`, `train_5shot.jsonl`, `validation.jsonl`",
    ),
    "hwu64": Source(
        "HWU64",
        "Liu et al. 2019, Benchmarking Natural Language Understanding Services for building Conversational Agents, "
        "fold 1",
        "xliuhw/NLU-Evaluation-Data",
        "f6071b496b17",
        "CC BY 4.0",
        "`train.jsonl` (without the validation rows), `train_10shot.jsonl`, `train_5shot.jsonl`, `validation.jsonl`",
    ),
    "hint3": Source(
        "HINT3 v2",
        "Arora et al. 2020, HINT3: Raising the bar for Intent Detection in the Wild",
        "hellohaptik/HINT3",
        "99965c892ea9",
        "ODbL 1.0, contents DbCL 1.0",
        "`train.jsonl` with `bot`",
    ),
    "xsid": Source(
        "xSID 0.7",
        "van der Goot et al. 2021, Aepli et al. 2023, Winkler et al. 2024",
        "mainlp/xsid",
        "761d926c3f2e",
        "CC BY-SA 4.0",
        "`validation.jsonl` with `lang` and `en_id`, the number of the English sentence or null",
    ),
    "healthcare_routing": Source(
        "Healthcare routing",
        "hand-written evaluation of semantic-router's documentation, its own splits",
        "aurelio-labs/semantic-router",
        "ec1dec7595eb",
        "MIT",
        "`train.jsonl`, `validation.jsonl`",
    ),
    "vllm_sr": Source(
        "vLLM Semantic Router",
        "exemplars, end-to-end and bench cases of its repository",
        "vllm-project/semantic-router",
        "3d48f8c9cc0d",
        "Apache-2.0",
        "`exemplars.jsonl` and `domain_cases.jsonl` with `file`, `decision_cases.jsonl` with `should_fallback`",
    ),
    "llmrouter": Source(
        "LLMRouter",
        "preprocessed example data of its repository, a seeded half without the sets whose terms are unclear",
        "ulab-uiuc/LLMRouter",
        "4e7a796942ce",
        "MIT, prompts under those of their sets",
        "`queries.jsonl.gz` with `dataset`, `prompt`, `scores` and `costs`; `models.json` with prices",
    ),
    "routerarena": Source(
        "RouterArena",
        "cached results on its public tenth, a seeded half without the sets whose terms are unclear",
        "RouteWorks/RouterArena",
        "4714a9ad73e8",
        "Apache-2.0, prompts under those of their sets",
        "`sub_10.jsonl` with `dataset`, `prompt`, `scores`, `costs` and `tokens`",
    ),
}


def arguments(description: str | None) -> argparse.Namespace:
    """`sets` and `data` of the command line; ends the program when the sets are absent."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=Path, default=Path("../shared/data"), help="folder of the public sets")
    parser.add_argument("--data", type=Path, default=Path("data"), help="data folder that holds or gets the encoder")
    given = parser.parse_args()
    missing = [name for name in SETS if not (given.sets / name).is_dir()]
    if missing:
        sys.exit(f"{parser.prog}: {given.sets} lacks {', '.join(missing)}: give the folder of the sets with --sets")
    return given


def in_scope(path: Path) -> list[tuple[str, str]]:
    """Texts with their labels, those out of scope left out."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [(row["text"], row["label"]) for row in rows if row["label"] != OUT_OF_SCOPE_LABEL]
