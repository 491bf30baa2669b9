"""The application under ``/api/v1``."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import Request

from redloom.web.api import cases, explorations, orders, proposals, releases, runs, studies
from redloom.web.api.base import Api
from redloom.web.asking import Ask

ROUTERS = (
    *(noun.router for noun in (cases, explorations, orders, proposals, releases, runs, studies)),
    studies.open_router,
)


def create_api(who: Callable[[Request], Ask]) -> Api:
    """The application; ``who`` tells who asks, in which workspace."""
    api = Api(who)
    for router in ROUTERS:
        api.include_router(router)
    return api
