"""A server that is killed while a reply comes: after a restart the turn is there, with its state."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

import pytest

from redloom.domain.target import Limits
from redloom.services.generating import list_wanted, show_requests
from redloom.services.starter import example
from redloom.services.studies import apply
from redloom.services.targets import add_target, list_targets
from redloom.services.workspace import open_workspace
from redloom.settings import Settings
from web.talking import SCHOOL, declare, scenario


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def serve(database: str) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "redloom", "--db", database, "serve", "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    told = process.stderr.readline()
    return process, next(word for word in told.split() if word.startswith("http://127.0.0.1:"))


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read().decode()


def post(url: str, path: str, fields: list[tuple[str, str]]) -> str:
    sent = urllib.request.Request(url + path, urlencode(fields).encode(), {"Origin": url})
    try:
        urllib.request.build_opener(NoRedirect).open(sent, timeout=30).close()
    except urllib.error.HTTPError as answer:
        with answer:
            assert answer.code == 303, answer.read()
            return str(answer.headers["location"])
    raise AssertionError("no redirect")


@pytest.mark.slow
def test_what_had_come_of_a_reply_outlives_its_server(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'redloom.db'}"
    with open_workspace(Settings(database=database, who="lead")) as workspace:
        apply(workspace, example("school_health") / "study.yaml")
        declare(workspace, tmp_path, "slow", otherwise=" ".join(["word"] * 200), pause=0.1)
        slug = scenario(workspace)
    process, url = serve(database)
    try:
        fields = [("scenario", slug), ("targets", "slow"), ("arm", "full")]
        where = post(url, f"{SCHOOL}/explore", fields).split("?")[0]
        post(url, f"{where}/say", [("text", "Tell me all of it."), ("after", "")])
        time.sleep(3)
        assert "Stop the reply" in get(url + where)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    process, url = serve(database)
    try:
        page = get(url + where)
        assert "Tell me all of it." in page and "word word" in page
        time.sleep(11)
        page = get(url + where)
        assert "broken off: the server ended" in page and "Stop the reply" not in page
        assert len(re.findall("word", page)) >= 10
        post(url, f"{where}/say", [("text", "And now?"), ("after", "")])
    finally:
        process.terminate()
        _, told = process.communicate(timeout=30)
    assert "Traceback" not in told


@pytest.mark.slow
def test_drafts_that_came_outlive_the_server_that_had_them_written(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'redloom.db'}"
    with open_workspace(Settings(database=database, who="lead")) as workspace:
        apply(workspace, example("school_health") / "study.yaml")
        declare(workspace, tmp_path, "writer", otherwise="1. Hello.")
        [target] = list_targets(workspace, "school-health").values()
        slow = target.model_copy(update={"limits": Limits(concurrency=1, requests_per_minute=1)})
        add_target(workspace, "school-health", "writer", slow)
        keys = [one.key for one in list_wanted(workspace, "school-health")[:3]]
        shown = show_requests(workspace, "school-health", "writer", keys)
    fields = [("with", "writer"), ("max_tokens", "600"), ("confirmed", shown.digest)]
    process, url = serve(database)
    try:
        where = post(url, f"{SCHOOL}/orders/generate", [*fields, *(("for", key) for key in keys)])
        for _ in range(200):
            if "1 of 3 answered" in get(url + where):
                break
            time.sleep(0.05)
        assert 'id="stop"' in get(url + where)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    process, url = serve(database)
    try:
        page = get(url + where)
        assert "1 of 3 answered, 1 stored as drafts" in page and "The server ended before the rest" in page
        assert 'id="stop"' not in page and "http-equiv" not in page
    finally:
        process.terminate()
        process.communicate()
