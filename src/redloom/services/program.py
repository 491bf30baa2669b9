"""The version of Redloom that runs."""

from __future__ import annotations


def program_version() -> str:
    """As it is installed."""
    from importlib.metadata import version

    return version("redloom")
