"""Write the lists under src/redloom/taxonomies from the files that README.md there names: codes and titles, no more.

Usage: python tools/taxonomies.py FOLDER, where FOLDER holds them.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import yaml

TO = Path(__file__).parent.parent / "src" / "redloom" / "taxonomies"
NEXUS = "Apache-2.0, as listed in AI Atlas Nexus 1.2.5 by IBM"
LISTED = {
    "nexus__ailuminate.yaml": {
        "id": "AILuminate",
        "version": "1.0",
        "source": "https://github.com/mlcommons/ailuminate",
        "licence": "CC-BY-4.0",
        "attribution": "AILuminate v1.0 hazards, MLCommons, arXiv:2503.05731; codes of AI Atlas Nexus 1.2.5, IBM, Apache-2.0",
    },
    "nexus__mit_ai_risk_repository_data.yaml": {
        "id": "MIT AI Risk Repository",
        "version": "1",
        "source": "https://airisk.mit.edu/",
        "licence": "CC-BY-4.0",
        "attribution": "The AI Risk Repository, Slattery and others 2024, arXiv:2408.12622; codes of AI Atlas Nexus 1.2.5, IBM, Apache-2.0",
    },
    "nexus__nist_ai_rmf_data.yaml": {
        "id": "NIST AI 600-1",
        "version": "2024-07",
        "source": "https://nvlpubs.nist.gov/nistpubs/ai/NIST.AI.600-1.pdf",
        "licence": "work of the US government; codes " + NEXUS,
        "attribution": "NIST AI 600-1, Generative Artificial Intelligence Profile",
    },
    "nexus__risk_atlas_data.yaml": {
        "id": "IBM AI Risk Atlas",
        "version": "2025-10",
        "source": "https://github.com/IBM/ai-atlas-nexus",
        "licence": NEXUS,
        "attribution": "IBM AI Risk Atlas",
    },
}


def nexus(path: Path) -> list[list[str]]:
    """Code and title of every group and entry."""
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    entries = [*found.get("groups", ()), *found.get("entries", ())]
    return [
        [one["id"], " ".join(one["name"].split()).replace("Human- Computer", "Human-Computer")]
        for one in entries
        if not str(one.get("isDefinedByTaxonomy", "")).endswith("causal") and "-causal" not in one["id"]
    ]


def air(path: Path) -> list[list[str]]:
    """The three levels of AIR 2024."""
    codes: list[list[str]] = []
    for number, top in json.loads(path.read_text(encoding="utf-8")).items():
        codes.append([number, top["name"]])
        for name, sub in top["subcategories"].items():
            codes.append([name, sub["name"]])
            codes += [[item["idx"], item["name"]] for item in sub["items"]]
    return codes


def write(name: str, head: dict[str, str], codes: list[list[str]]) -> None:
    """One list as a file."""
    lines = ",\n".join("  " + json.dumps(code, ensure_ascii=False) for code in codes)
    top = ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in head.items())
    (TO / f"{name}.json").write_text(f'{{\n{top},\n "codes": [\n{lines}\n ]\n}}\n', encoding="utf-8")


def main(folder: Path) -> None:
    """All of them."""
    for name, head in LISTED.items():
        write(head["id"].lower().replace(" ", "-"), head, nexus(folder / name))
    head = {
        "id": "AIR 2024",
        "version": "2024",
        "source": "https://github.com/stanford-crfm/air-bench-2024",
        "licence": "CC-BY-4.0",
        "attribution": "AIR 2024, Zeng and others, arXiv:2406.17864",
    }
    write("air-2024", head, air(folder / "air_2024_risk_mapping.json"))
    atlas = yaml.safe_load(gzip.decompress((folder / "mitre_ATLAS.yaml.gz").read_bytes()))
    tactics = [[one["id"], one["name"]] for one in atlas["matrices"][0]["tactics"]]
    head = {
        "id": "MITRE ATLAS",
        "version": atlas["version"],
        "source": "https://atlas.mitre.org/",
        "licence": "Apache-2.0",
        "attribution": "MITRE ATLAS tactics, copyright 2021-2025 MITRE",
    }
    write("mitre-atlas", head, tactics)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
