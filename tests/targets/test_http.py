"""``http:`` against real servers on the loopback: requests as the template says, replies by path."""

from __future__ import annotations

from typing import Any

import pytest

from evaluate_support import Answer, Received, asking, closing, serving, unused_port
from redloom.domain.interaction import Message
from redloom.domain.target import Deliveries, Delivery, HttpSession, HttpTemplate, Target
from redloom.errors import InputError, MalformedError, RejectedError, SetupError
from redloom.targets.base import Request, unsuitable
from redloom.targets.http import HttpClient


def target(url: str, body: Any, **more: Any) -> Target:
    delivery = more.pop("delivery", Deliveries())
    return Target(
        system="http:desk", delivery=delivery, http=HttpTemplate(url=url, body=body, reply="answer", **more)
    )


def sent(
    body: Any, request: Any = None, *, path: str = "/chat", environment: Any = None, **more: Any
) -> Received:
    with serving(lambda _: Answer(body={"answer": "Hi"})) as server:
        client = HttpClient(target(server.url + path, body, **more), environment or {})
        assert closing(client, client.reply(request or asking("Hello"))).text == "Hi"
        return server.received[0]


def test_a_place_alone_takes_the_values_own_type_and_one_in_a_text_its_words() -> None:
    body = {
        "q": "{message}",
        "all": "{messages}",
        "settings": {"prompt": "{system}", "seed": "{seed}", "who": ["a {field:audience} here", 3, None]},
    }
    request = asking("One", "Two", "Three", system="Be kind.", seed=5, fields={"audience": "ward"})
    assert sent(body, request).body == {
        "q": "Three",
        "all": [
            {"role": "user", "content": "One"},
            {"role": "assistant", "content": "Two"},
            {"role": "user", "content": "Three"},
        ],
        "settings": {"prompt": "Be kind.", "seed": 5, "who": ["a ward here", 3, None]},
    }


def test_what_a_user_says_is_never_taken_for_a_place() -> None:
    hostile = "{system} {session} {field:audience} ${HOME} {{7*7}}"
    received = sent({"q": "User says: {message}", "s": "{system}"}, asking(hostile, system="SECRET"))
    assert received.body["q"] == f"User says: {hostile}"


def test_a_message_in_the_address_cannot_change_its_other_parts() -> None:
    received = sent(
        {"s": "{system}"}, asking("a/b?admin=1&x=ü #c"), path="/ask?q={message}&lang=en", method="PUT"
    )
    assert received.method == "PUT"
    assert received.path == "/ask?q=a/b?admin%3D1%26x%3D%C3%BC%20%23c&lang=en"


def test_headers_are_filled_from_the_environment() -> None:
    headers = {"X-Api-Key": "key ${DESK_KEY}", "X-Plain": "$HOME {message}"}
    received = sent({"q": "{message}"}, headers=headers, environment={"DESK_KEY": "s3cret"})
    assert received.headers["X-Api-Key"] == "key s3cret"
    assert received.headers["X-Plain"] == "$HOME {message}"


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(SetupError, match="environment variable DESK_KEY"):
        HttpClient(target("http://127.0.0.1:9/", {"q": "{message}"}, headers={"X": "${DESK_KEY}"}), {})


def test_a_secret_that_the_application_repeats_stands_in_no_error() -> None:
    def echo(received: Received) -> Answer:
        return Answer(status=400, body={"detail": f"bad key {received.headers['X-Api-Key']}"})

    with serving(echo) as server:
        declared = target(server.url, {"q": "{message}"}, headers={"X-Api-Key": "${DESK_KEY}"})
        client = HttpClient(declared, {"DESK_KEY": "s3cret"})
        with pytest.raises(RejectedError) as caught:
            closing(client, client.reply(asking("Hello")))
    assert str(caught.value).endswith("bad key ***")


@pytest.mark.parametrize(
    ("path", "answer", "expected"),
    [
        ("answer", {"answer": "Hi"}, "Hi"),
        ("data.choices[0].text", {"data": {"choices": [{"text": "Hi"}]}}, "Hi"),
        ("[1][0]", [0, ["Hi"]], "Hi"),
        ("data[-1].text", {"data": [{"text": "no"}, {"text": "Hi"}]}, "Hi"),
        ("data.text", {"data": []}, "looked for 'text'"),
        ("data[3]", {"data": ["a"]}, "looked for '3'"),
        ("data.text", {"data": "words"}, "looked for 'text'"),
        ("data.text", {"data": None}, "looked for 'text'"),
        ("answer", {"answer": 5}, "is not text"),
        ("answer", {"answer": None}, "is not text"),
    ],
)
def test_the_reply_stands_at_its_path_or_the_answer_is_malformed(
    path: str, answer: Any, expected: str
) -> None:
    with serving(lambda _: Answer(body=answer)) as server:
        template = HttpTemplate(url=server.url, body={"q": "{message}"}, reply=path)
        client = HttpClient(Target(system="http:desk", http=template), {})
        if expected == "Hi":
            assert closing(client, client.reply(asking("Hello"))).text == "Hi"
        else:
            with pytest.raises(MalformedError, match=expected):
                closing(client, client.reply(asking("Hello")))


def test_a_session_is_started_and_its_id_goes_with_every_message() -> None:
    def answer(received: Received) -> Answer:
        if received.path == "/sessions":
            return Answer(body={"data": {"id": 42}})
        return Answer(body={"answer": f"in {received.body['session']}"})

    with serving(answer) as server:
        session = HttpSession(url=server.url + "/sessions", body={"prompt": "{system}"}, id="data.id")
        body = {"session": "{session}", "q": "{message}"}
        client = HttpClient(target(server.url + "/say", body, session=session), {})

        async def talk() -> tuple[str | None, str]:
            name = await client.start_session(Request(messages=(), system="Be kind."))
            reply = await client.reply(asking("One", "Two", "Three", session=name))
            return name, reply.text

        assert closing(client, talk()) == ("42", "in 42")
        assert server.received[0].body == {"prompt": "Be kind."}
        assert server.received[1].body == {"session": "42", "q": "Three"}


def test_a_session_started_by_get_sends_no_body() -> None:
    with serving(lambda _: Answer(body={"id": "a/b"})) as server:
        session = HttpSession(url=server.url + "/new", method="GET", id="id")
        declared = target(server.url + "/s/{session}", {"q": "{message}"}, session=session)
        client = HttpClient(declared, {})
        assert closing(client, client.start_session(asking())) == "a/b"
        assert (server.received[0].method, server.received[0].body) == ("GET", None)


def test_a_session_id_cannot_lead_to_another_address() -> None:
    session = HttpSession(url="http://127.0.0.1:9/new", id="id")
    received = sent(
        {"q": "{message}"}, asking("Hello", session="../admin?x"), path="/s/{session}", session=session
    )
    assert received.path == "/s/..%2Fadmin%3Fx"


@pytest.mark.parametrize(
    ("body", "more", "message"),
    [
        ({"q": "hello"}, {}, "neither {message} nor {messages}"),
        ({"q": "{system}"}, {}, "neither {message} nor {messages}"),
        ({"q": "{message}"}, {"session": HttpSession(url="http://x/", id="id")}, "no {session}"),
        (
            {"q": "{message}", "a": "{field:audience}"},
            {"delivery": Deliveries(context=Delivery(how="request_field", field="place"))},
            "delivered in the field 'place'",
        ),
    ],
)
def test_a_template_that_cannot_work_is_refused_at_once(body: Any, more: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        HttpClient(target("http://127.0.0.1:9/", body, **more), {})


def test_a_target_without_a_template_is_refused() -> None:
    with pytest.raises(InputError, match="no 'http' template"):
        HttpClient(Target(system="http:desk"), {})


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"q": "{message}"}, (False, False, False, False)),
        ({"q": "{messages}"}, (False, True, True, False)),
        ({"q": "{messages}", "s": "{system}"}, (True, True, True, False)),
        ({"q": "{message}", "c": "{field:context}"}, (False, False, False, True)),
    ],
)
def test_a_template_tells_what_it_has_a_place_for(body: Any, expected: tuple[bool, ...]) -> None:
    able = HttpClient(target("http://127.0.0.1:9/", body), {}).capabilities
    assert (able.system_prompt, able.history, able.opens, able.request_fields) == expected


@pytest.mark.parametrize(
    ("context", "persona", "told"),
    [
        ("system_prompt", "said_by_user", ["the context is to reach 'desk' in its system prompt"]),
        ("request_field", "profile", ["in a request field", "in a request field"]),
        ("said_by_user", "said_by_user", []),
        ("not_delivered", "test_account", []),
    ],
)
def test_a_delivery_that_the_template_has_no_place_for_is_told(
    context: Any, persona: Any, told: list[str]
) -> None:
    able = HttpClient(target("http://127.0.0.1:9/", {"q": "{message}"}), {}).capabilities
    delivery = Deliveries(context=Delivery(how=context), persona=Delivery(how=persona))
    problems = unsuitable("desk", delivery, able)
    assert len(problems) == len(told)
    for problem, part in zip(problems, told, strict=True):
        assert part in problem


def test_a_check_sends_no_message_and_takes_any_answer_for_life() -> None:
    with serving(lambda _: Answer(status=405, body=b"no")) as server:
        client = HttpClient(target(server.url + "/say/{session}", {"q": "{message}"}), {})
        assert closing(client, client.check()) == f"{server.url}/say/ answers"
        assert [(one.method, one.body) for one in server.received] == [("GET", None)]


def test_a_check_fails_where_nobody_listens() -> None:
    client = HttpClient(target(f"http://127.0.0.1:{unused_port()}/", {"q": "{message}"}), {})
    with pytest.raises(SetupError, match="cannot be reached"):
        closing(client, client.check())


def test_the_newest_message_of_a_conversation_that_the_system_opens_is_empty() -> None:
    request = Request(messages=())
    assert sent({"m": "{messages}"}, request).body == {"m": []}
    opened = Request(messages=(Message("assistant", "Welcome"),))
    assert sent({"m": "{messages}"}, opened).body == {"m": [{"role": "assistant", "content": "Welcome"}]}
