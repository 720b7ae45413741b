"""Keeps out of memory what the client library imports and a bridge never calls.

neonize imports at its top what makes stickers, thumbnails and link previews. `import bridge.lean`,
before anything that imports neonize, loads it with stand-ins in their places and takes these away
again; a library that is loaded already stays what it is.
"""

import importlib
import sys
from types import ModuleType

UNUSED = ("PIL", "httpx", "linkpreview", "magic", "phonenumbers", "requests", "tqdm")


class _AnyName(type):
    def __getattr__(cls, name: str) -> "type[Absent]":
        return Absent


class Absent(metaclass=_AnyName):
    """Whatever a stand-in is asked for; it can be named in an annotation and not be used."""

    def __init__(self, *_: object, **__: object) -> None:
        raise NotImplementedError("a bridge makes no media: see bridge/lean.py")


class _StandIn(ModuleType):
    def __getattr__(self, name: str) -> type[Absent]:
        if name.startswith("__"):
            raise AttributeError(name)
        return Absent


def _load() -> None:
    standing_in = [name for name in UNUSED if name not in sys.modules]
    for name in standing_in:
        sys.modules[name] = _StandIn(name)
    try:
        importlib.import_module("neonize.client")
    finally:
        for name in standing_in:
            del sys.modules[name]


_load()
