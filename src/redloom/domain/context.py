"""The norms and circumstances of use, true of any user; after contextual integrity."""

from __future__ import annotations

from typing import ClassVar

from redloom.domain.value import Definition, Language, LocalText, Text, Value


class Norms(Value):
    """What holds in this context whoever asks."""

    must: tuple[Text, ...] = ()
    must_not: tuple[Text, ...] = ()


class Context(Definition):
    """Where and why an exchange happens, between which roles, under which norms."""

    kind: ClassVar[str] = "context"

    title: Text
    setting: Text
    sender_role: Text
    """Who speaks to the system here."""
    recipient_role: Text
    """What the system is here."""
    third_parties: tuple[Text, ...] = ()
    """Who else is affected or can read along."""
    information_type: str = ""
    transmission_principle: str = ""
    """Why the exchange happens, and what may be passed on."""
    locale: str = ""
    language: Language | None = None
    stakes: str = ""
    norms: Norms = Norms()
    deployment_text: LocalText | None = None
    """What the deployed system is told about this context; written to the system."""
