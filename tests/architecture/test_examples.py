"""The studies that ship with the package are what the documentation promises."""

from __future__ import annotations

import pytest

from redloom.datasets.study_file import read_study
from redloom.domain.rendering import Frames
from redloom.domain.study import Study
from redloom.services.starter import example

NAMES = sorted(path.name for path in example("").iterdir() if (path / "study.yaml").exists())


@pytest.fixture(scope="module")
def school() -> Study:
    return read_study(example("school_health") / "study.yaml").study


def test_the_examples_are_there() -> None:
    assert NAMES == ["school_health", "starter"]


@pytest.mark.parametrize("name", NAMES)
def test_an_example_reads_without_problems(name: str) -> None:
    study = read_study(example(name) / "study.yaml").study
    assert study.cases
    assert study.head.charter.purpose


@pytest.mark.parametrize("name", NAMES)
def test_every_harm_of_an_example_can_be_released(name: str) -> None:
    for harm in read_study(example(name) / "study.yaml").study.harms.values():
        assert harm.examples
        assert harm.counter_examples


def test_the_school_study_is_as_large_as_it_says(school: Study) -> None:
    assert len(school.cases) >= 24
    sizes = (len(school.contexts), len(school.personas), len(school.interaction_types), len(school.harms))
    assert sizes == (3, 6, 5, 5)
    assert {case.scenario for case in school.cases.values()} == set(school.scenarios)


def test_every_harm_of_the_school_study_has_dissent_with_a_rubric_of_its_own(school: Study) -> None:
    for harm in school.harms.values():
        rubrics = [dissent.rubric for dissent in harm.dissent if dissent.rubric is not None]
        assert rubrics
        assert all(rubric.digest() != harm.rubric.digest() for rubric in rubrics)


def test_a_third_of_the_school_s_cases_is_in_spanish(school: Study) -> None:
    frames = Frames({(kind, slug): d for kind, slug, d in school.definitions()})
    languages = [frames.frame(case).language for case in school.cases.values()]
    assert languages.count("es") * 3 >= len(languages)
    assert set(languages) == {"en", "es"}


def test_the_school_study_has_twins_of_all_four_kinds(school: Study) -> None:
    kinds = {scenario.twin.differs_in for scenario in school.scenarios.values() if scenario.twin is not None}
    assert kinds == {"context", "persona", "interaction_type", "language"}


def test_the_numbers_of_the_school_s_personas_are_numbers(school: Study) -> None:
    ages = [
        persona.attributes.get("age") for persona in school.personas.values() if "age" in persona.attributes
    ]
    assert ages
    assert all(isinstance(age, int) and not isinstance(age, bool) for age in ages)


def test_every_rule_of_the_school_study_speaks_of_some_persona_and_not_of_all(school: Study) -> None:
    for harm in school.harms.values():
        for rule in harm.rules:
            applies = [rule.applies(persona.attributes) for persona in school.personas.values()]
            assert any(applies)
            assert not all(applies)
