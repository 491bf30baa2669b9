"""What installed packages add to Redloom, by entry points: kinds of target, and rule judges."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from redloom.errors import SetupError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

TARGETS = "redloom.targets"
JUDGES = "redloom.judges"


class Offered(Collection[str]):
    """The built-in names and those of plug-ins in a group, which are looked for only when the built-in ones are not enough."""

    def __init__(self, built_in: Iterable[str], group: str) -> None:
        self._built_in, self._group = tuple(built_in), group

    def __contains__(self, name: object) -> bool:
        return name in self._built_in or name in names(self._group)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*self._built_in, *names(self._group))))

    def __len__(self) -> int:
        return len(list(iter(self)))


def names(group: str) -> list[str]:
    """The names that installed packages offer in a group."""
    return sorted({entry.name for entry in _entries(group)})


def load(group: str, name: str) -> Any:
    """The callable behind a name; None where no package offers it.

    Raises SetupError, with the package's name, for one that cannot be imported or is offered twice.
    """
    found = [entry for entry in _entries(group) if entry.name == name]
    if not found:
        return None
    if len(found) > 1:
        packages = " and ".join(sorted(_package(entry) for entry in found))
        raise SetupError(f"{packages} both offer {name!r} in {group!r}; uninstall one of them")
    entry = found[0]
    try:
        loaded = entry.load()
    except Exception as error:
        raise SetupError(
            f"the plug-in {name!r} of the package {_package(entry)} cannot be imported: "
            f"{type(error).__name__}: {error}"
        ) from error
    if not callable(loaded):
        raise SetupError(
            f"the plug-in {name!r} of the package {_package(entry)}: {entry.value!r} is no function or class"
        )
    return loaded


def _entries(group: str) -> list[EntryPoint]:
    from importlib.metadata import entry_points

    return list(entry_points(group=group))


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else entry.value
