"""What the endpoints of model providers have in common: an address, a key, a list of models."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from redloom.domain.target import Target
from redloom.errors import (
    MalformedError,
    RateLimitedError,
    RejectedError,
    SetupError,
    TargetError,
    UnavailableError,
    unknown,
)
from redloom.targets.transport import Transport, key_from


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Where a provider itself is, and how it is told who asks."""

    url: str
    """Up to and including the version of the interface."""
    url_variable: str
    key_variable: str
    ending: str = ""
    """Added to a declared address that lacks it."""
    headers: Callable[[str | None], Mapping[str, str]]
    """From a key, or none, to the headers of a request."""


class Endpoint:
    """One model at one address; only the provider itself wants a key where none is named."""

    def __init__(
        self, provider: Provider, target: Target, model: str, environment: Mapping[str, str]
    ) -> None:
        base = (target.base_url or environment.get(provider.url_variable) or provider.url).rstrip("/")
        self.base = base if base.endswith(provider.ending) else base + provider.ending
        self.model = model
        if urlsplit(self.base).scheme not in ("http", "https"):
            raise SetupError(f"base URL {base!r}: expected one that starts with http:// or https://")
        default = provider.key_variable if self.base == provider.url else None
        self._key_name = target.key_env or default
        key = None if self._key_name is None else key_from(environment, self._key_name)
        self._headers = provider.headers(key)
        secrets = {} if self._key_name is None or key is None else {self._key_name: key}
        self.transport = Transport(timeout=target.limits.timeout, secrets=secrets)

    async def send(self, method: str, path: str, body: Any = None) -> Any:
        """The parsed answer at ``path`` below the base; raises a TargetError."""
        return await self.transport.send(method, self.base + path, headers=self._headers, body=body)

    def events(self, path: str, body: Any) -> AsyncGenerator[Any]:
        """The values of a streamed answer at ``path``; iterating raises a TargetError."""
        return self.transport.events("POST", self.base + path, headers=self._headers, body=body)

    def failed(self, path: str, status: int, event: Any) -> TargetError:
        """The error that an event of a stream at ``path`` tells."""
        return self.transport.failed(self.base + path, status, event)

    def broke_off(self, path: str) -> TargetError:
        """What a stream is that ended before the reply did."""
        return UnavailableError(f"{self.base + path} broke off before the reply had ended")

    async def check(self, models: str, probe: Callable[[], Awaitable[object]]) -> str:
        """Whether it answers, takes the key and knows the model, by its list at the path ``models``.

        ``probe`` sends a request to a model that is not listed.
        """
        try:
            answer = await self.send("GET", models)
        except UnavailableError as error:
            raise SetupError(str(error)) from error
        except RejectedError as error:
            if " 401" in str(error) or " 403" in str(error):
                where = f"the key in {self._key_name}" if self._key_name else "a request without a key"
                raise SetupError(f"{self.base} refuses {where}: {error}") from error
            return f"{self.base} answers; it lists no models"
        except (MalformedError, RateLimitedError):
            return f"{self.base} answers; it lists no models"
        names = _names(answer)
        if not names:
            return f"{self.base} answers; it lists no models"
        if self.model in names:
            return f"{self.base} answers and has {self.model!r}"
        try:
            await probe()
        except RejectedError as error:
            raise SetupError(f"{self.base}: {unknown('model', self.model, names)} ({error})") from error
        return f"{self.base} answers {self.model!r}, though it does not list it"


def count(value: Any) -> int | None:
    """A number of tokens, where it is one that can be stored."""
    return value if type(value) is int and 0 <= value < 2**53 else None


def _names(answer: Any) -> list[str]:
    try:
        return [str(entry["id"]) for entry in answer["data"]]
    except (KeyError, TypeError):
        return []
