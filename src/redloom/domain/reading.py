"""How somebody wants to meet what systems said: at once, or closed until they open it."""

from __future__ import annotations

from typing import Literal

from redloom.domain.value import Slug, Value


class Reading(Value):
    """One person's choice in one study; nobody else is shown it."""

    keep: Literal["open", "closed", "harms"] = "open"
    """Show every reply at once; keep all closed; or keep those closed that are about ``harms``."""
    harms: tuple[Slug, ...] = ()

    def closed(self, *harms: str | None) -> bool:
        """Whether a reply about any of these harms waits until it is opened; opening it is always possible."""
        match self.keep:
            case "open":
                return False
            case "closed":
                return True
            case "harms":
                return not set(self.harms).isdisjoint(harms)
