"""Proposed twins differ in one allowed part and are not there yet."""

from __future__ import annotations

from redloom.datasets.study_file import read_study
from redloom.design.twins import missing_twins
from redloom.domain.study import problems
from redloom.services.starter import example


def test_every_proposed_twin_would_be_a_valid_scenario():
    study = read_study(example("school_health") / "study.yaml").study
    proposed = list(missing_twins(study))
    assert proposed
    for one in proposed[:40]:
        original = study.scenarios[one.of]
        changed = {one.differs_in: one.value, "twin": {"of": one.of, "differs_in": one.differs_in}}
        twin = type(original).model_validate({**original.content(), **changed})
        grown = study.model_copy(update={"scenarios": {**study.scenarios, "new-twin": twin}})
        assert [text for path, text in problems(grown) if "new-twin" in path] == []


def test_a_part_with_a_twin_is_not_proposed_again():
    study = read_study(example("school_health") / "study.yaml").study
    proposed = {(one.of, one.differs_in) for one in missing_twins(study)}
    for slug, scenario in study.scenarios.items():
        if scenario.twin is not None:
            assert (scenario.twin.of, scenario.twin.differs_in) not in proposed
            assert (slug, scenario.twin.differs_in) not in proposed
