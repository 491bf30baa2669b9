"""A browser without JavaScript: pages, links, and forms as people send them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from starlette.testclient import TestClient

ORIGIN = "http://127.0.0.1:8137"
VOID = {"input", "meta", "link", "br", "hr", "img"}


@dataclass
class FormFound:
    """One form of a page, with what stands in it."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)

    def filled(self, **values: str) -> list[tuple[str, str]]:
        """What is sent with these fields changed (``__`` for the dot of a name)."""
        wanted = {name.replace("__", "."): value for name, value in values.items()}
        unknown = wanted.keys() - {name for name, _ in self.fields}
        assert not unknown, f"the form has no {unknown}"
        return [(name, wanted.get(name, value)) for name, value in self.fields]


class PageFound(HTMLParser):
    """What stands on a page."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.source = source
        self.forms: list[FormFound] = []
        self.links: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._form: FormFound | None = None
        self._area: tuple[str, list[str]] | None = None
        self._select: str | None = None
        self._chosen: list[str] = []
        self._first: str | None = None
        self._open: list[str] = []
        self.feed(source)
        self.close()

    @property
    def text(self) -> str:
        """All words of the page, as one line."""
        return " ".join(" ".join(self.words).split())

    def form(self, ending: str) -> FormFound:
        """The form whose action ends so."""
        return next(one for one in self.forms if one.action.endswith(ending))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append((tag, given))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "a" and given.get("href"):
            self.links.append(given["href"] or "")
        if tag == "form":
            self._form = FormFound(given.get("action") or "", (given.get("method") or "get").lower())
            self.forms.append(self._form)
        name = given.get("name")
        if self._form is None or not name:
            return self._option(tag, given)
        if tag == "input" and given.get("type") in ("checkbox", "radio"):
            if "checked" in given:
                self._form.fields.append((name, given.get("value") or "on"))
        elif tag == "input":
            self._form.fields.append((name, given.get("value") or ""))
        elif tag == "textarea":
            self._area = (name, [])
        elif tag == "select":
            self._select, self._chosen, self._first = name, [], None
        return None

    def _option(self, tag: str, given: dict[str, str | None]) -> None:
        if tag == "option" and self._select is not None:
            self._first = self._first if self._first is not None else given.get("value") or ""
            if "selected" in given:
                self._chosen.append(given.get("value") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            while self._open and self._open.pop() != tag:
                pass
        if tag == "textarea" and self._area is not None and self._form is not None:
            name, parts = self._area
            text = "".join(parts)
            self._form.fields.append((name, text.removeprefix("\n")))
            self._area = None
        elif tag == "select" and self._select is not None and self._form is not None:
            self._form.fields.append((self._select, self._chosen[0] if self._chosen else self._first or ""))
            self._select = None
        elif tag == "form":
            self._form = None

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self._area[1].append(data)
        if not {"script", "style"} & set(self._open):
            self.words.append(data)


class Visitor:
    """Somebody who looks at pages and sends forms."""

    def __init__(self, app: Any) -> None:
        self.client = TestClient(app, base_url=ORIGIN, follow_redirects=False)

    def get(self, path: str, status: int = 200) -> PageFound:
        answer = self.client.get(path)
        assert answer.status_code == status, f"{path}: {answer.status_code} {answer.text[:500]}"
        return PageFound(answer.text)

    def send(self, path: str, fields: list[tuple[str, str]]) -> Any:
        body = {}
        for name, value in fields:
            body.setdefault(name, []).append(value.replace("\n", "\r\n"))
        return self.client.post(path, data=body, headers={"Origin": ORIGIN})


def ids(page: PageFound) -> Iterator[str]:
    for _, given in page.tags:
        if given.get("id"):
            yield str(given["id"])
