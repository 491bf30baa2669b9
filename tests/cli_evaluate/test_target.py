"""``redloom target add``: what is wrong with a target is told at once, and a key is never repeated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evaluate_support import change, opened, single, study_text
from redloom.cli import main
from redloom.domain.target import Target
from redloom.errors import InputError
from redloom.services.targets import add_target, list_targets
from redloom.targets.declared import read_target

FORM = "key_env names an environment variable"
LOOKS = "looks like a key itself"
ADDRESS = "is not the address of an endpoint; expected an address such as 'https://host/v1'"


def problems(name: str = "prod", environment: Any = None, **fields: Any) -> str:
    """What is said of a target that cannot be declared."""
    with pytest.raises(InputError) as caught:
        read_target(name, {"system": "openai:x", **fields}, environment=environment or {})
    return str(caught.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", FORM),
        ("MY KEY", FORM),
        ("sk-ant-api03-abc", FORM),
        ("AKIAIOSFODNN7EXAMPLE", LOOKS),
        ("sk_live_abcdefghijklmnop0123", LOOKS),
        ("0123456789abcdef0123456789abcdef", FORM),
        ("f123456789abcdef0123456789abcdef", LOOKS),
    ],
)
def test_what_is_no_name_of_a_variable_is_refused_and_not_repeated(given: str, said: str) -> None:
    told = problems(key_env=given)
    assert told.startswith("key_env: ") and said in told
    assert not given or given not in told


def test_a_variable_that_is_set_in_capitals_only_is_named() -> None:
    told = problems(key_env="ward_key", environment={"WARD_KEY": "x"})
    assert told == "key_env: no environment variable named 'ward_key' is set; did you mean 'WARD_KEY'?"


@pytest.mark.parametrize(
    ("name", "environment"),
    [
        ("WARD_KEY", {}),
        ("ward_key", {}),
        ("ward_key", {"ward_key": "x", "WARD_KEY": "y"}),
        ("AZURE_OPENAI_API_KEY_2", {}),
        ("KEY2OFTHEWARDUPSTAIRS", {"KEY2OFTHEWARDUPSTAIRS": "x"}),
    ],
)
def test_a_name_need_not_be_set_here(name: str, environment: dict[str, str]) -> None:
    fields = {"system": "openai:x", "key_env": name}
    assert read_target("prod", fields, environment=environment).key_env == name


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "base_url: is empty; expected an address such as 'https://host/v1'"),
        ("desk", f"base_url: 'desk' {ADDRESS}"),
        ("ftp://desk/v1", f"base_url: 'ftp://desk/v1' {ADDRESS}"),
        ("http://", f"base_url: 'http://' {ADDRESS}"),
        ("http://[::1", f"base_url: 'http://[::1' {ADDRESS}"),
        ("http://desk:99999/v1", f"base_url: 'http://desk:99999/v1' {ADDRESS}"),
        ("http://de sk/v1", f"base_url: 'http://de sk/v1' {ADDRESS}"),
        (
            "127.0.0.1:8000/v1",
            "base_url: '127.0.0.1:8000/v1' is not the address of an endpoint; did you mean "
            "'http://127.0.0.1:8000/v1'?",
        ),
        ("sk-ant-api03-abcdefghijk", f"base_url: what was given {ADDRESS}"),
        (
            "https://me:sk-secret@desk/v1",
            "base_url: has a user or a password in it, which would be stored; "
            "name a variable with the key in key_env",
        ),
    ],
)
def test_what_is_no_address_is_refused(given: str, said: str) -> None:
    assert problems(base_url=given) == said


@pytest.mark.parametrize("given", ["http://127.0.0.1:8000", "https://desk.example/v1/", "HTTP://desk/v1"])
def test_an_address_is_taken_as_it_is(given: str) -> None:
    target = read_target("prod", {"system": "openai:x", "base_url": given}, environment={})
    assert target.base_url == given


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "is empty"),
        ("openai", "'openai' is not of the form kind:rest"),
        ("openai:", "'openai:' is not of the form kind:rest"),
        ("opnai:x", "did you mean 'openai'?"),
        ("sk-ant-api03-abcdefghijk", "what was given is not of the form kind:rest"),
    ],
)
def test_what_names_no_system_is_refused(given: str, said: str) -> None:
    told = problems(system=given)
    assert told.startswith("system: ") and said in told


def test_all_that_is_wrong_is_told_at_once_with_status_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with opened(tmp_path, study_text(single(1))):
        pass
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REDLOOM_DB", raising=False)
    options = "--base-url desk --key-env sk-secret --temperature -1 --max-tokens 0 --price-in -2"
    with pytest.raises(SystemExit) as ended:
        main(["target", "add", "my desk", "opnai:x", *options.split()])
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert told.startswith("redloom: ") and "Traceback" not in told and "sk-secret" not in told
    places = [line.removeprefix("redloom: ").partition(": ")[0] for line in told.splitlines()]
    assert sorted(places) == [
        "base_url",
        "decoding.max_tokens",
        "decoding.temperature",
        "key_env",
        "name",
        "prices.input",
        "system",
    ]
    with opened(tmp_path) as workspace:
        assert list_targets(workspace, "clinic") == {}


def test_a_stored_key_in_place_of_a_name_is_left_out_and_can_be_mended(tmp_path: Path) -> None:
    with opened(tmp_path, study_text(single(1))) as workspace:
        priced = {"system": "openai:x", "prices": {"input": 3}, "key_env": "WARD_KEY"}
        add_target(workspace, "clinic", "prod", Target.model_validate(priced))
    stored = json.dumps({"prices": {"input": 3.0}, "key_env": "sk-secret"})
    change(tmp_path, f"UPDATE fact SET body = '{stored}' WHERE kind = 'operations'")
    with opened(tmp_path) as workspace:
        found = list_targets(workspace, "clinic")["prod"]
        assert (found.key_env, found.prices is not None and found.prices.input) == (None, 3)
        assert add_target(workspace, "clinic", "prod", Target.model_validate(priced))
        assert list_targets(workspace, "clinic")["prod"].key_env == "WARD_KEY"
