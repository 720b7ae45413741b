"""The client's token lists, read out of the client library itself, so that they always match it.

The library is a Go shared object: a token list is an array of string headers (pointer and length,
two 64-bit words each) in its mapped data, and the double-byte dictionary is an array of four slices
(pointer, length, capacity) of such headers.
"""

import ctypes
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import neonize  # noqa: F401 - importing it maps the library into this process

SINGLE_TOKENS = 236
DOUBLE_DICTIONARIES = 4
DOUBLE_TOKENS = 256
FIRST_SINGLE = b"xmlstreamstart"
"""Entry 1 of the single-byte list; entry 0 is empty."""

_WORD = struct.Struct("<Q")
_PAIR = struct.Struct("<QQ")
_SLICE = struct.Struct("<QQQ")


class DictionaryNotFoundError(Exception):
    """The client library in this process does not hold its token lists as they are known to be."""


@dataclass(frozen=True, slots=True)
class Dictionary:
    """`single[i]` is written as the byte i; `double[d][i]` as the bytes 236 + d, i."""

    single: tuple[str, ...]
    double: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class _Mapping:
    start: int
    data: bytes


@cache
def load() -> Dictionary:
    """Read both lists (some 0.4 s, once per process); raises DictionaryNotFoundError."""
    mappings = tuple(_library_mappings())
    single_array = _single_array(mappings)
    single = _strings(mappings, single_array, SINGLE_TOKENS)
    for table in _slices_of(mappings, DOUBLE_TOKENS):
        slices = [
            _triple(mappings, table + _SLICE.size * index) for index in range(DOUBLE_DICTIONARIES)
        ]
        if all(length == capacity == DOUBLE_TOKENS for _, length, capacity in slices):
            double = tuple(_strings(mappings, start, DOUBLE_TOKENS) for start, _, _ in slices)
            return Dictionary(single, double)
    message = "no double-byte dictionary in the client library"
    raise DictionaryNotFoundError(message)


def _library_mappings() -> Iterator[_Mapping]:
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, mode, *_ = line.split()
        if "neonize" in line and line.endswith(".so") and mode.startswith("r"):
            start, end = (int(side, 16) for side in span.split("-"))
            yield _Mapping(start, ctypes.string_at(start, end - start))


def _positions(mappings: Iterable[_Mapping], wanted: bytes, aligned: bool) -> Iterator[int]:
    for mapping in mappings:
        at = mapping.data.find(wanted)
        while at >= 0:
            if not aligned or at % 8 == 0:
                yield mapping.start + at
            at = mapping.data.find(wanted, at + 1)


def _single_array(mappings: tuple[_Mapping, ...]) -> int:
    for text in _positions(mappings, FIRST_SINGLE, aligned=False):
        for header in _positions(mappings, _PAIR.pack(text, len(FIRST_SINGLE)), aligned=True):
            return header - _PAIR.size
    message = "no single-byte token list in the client library"
    raise DictionaryNotFoundError(message)


def _slices_of(mappings: tuple[_Mapping, ...], length: int) -> Iterator[int]:
    """Where a slice header of that length and capacity lies, as its own address."""
    for at in _positions(mappings, _PAIR.pack(length, length), aligned=True):
        yield at - _WORD.size


def _bytes(mappings: Iterable[_Mapping], address: int, length: int) -> bytes:
    for mapping in mappings:
        offset = address - mapping.start
        if 0 <= offset <= len(mapping.data) - length:
            return mapping.data[offset : offset + length]
    return b""


def _triple(mappings: Iterable[_Mapping], address: int) -> tuple[int, int, int]:
    raw = _bytes(mappings, address, _SLICE.size)
    if len(raw) != _SLICE.size:
        return 0, 0, 0
    start, length, capacity = _SLICE.unpack(raw)
    return start, length, capacity


def _strings(mappings: tuple[_Mapping, ...], address: int, count: int) -> tuple[str, ...]:
    raw = _bytes(mappings, address, _PAIR.size * count)
    if len(raw) != _PAIR.size * count:
        message = f"no array of {count} strings at {address:#x}"
        raise DictionaryNotFoundError(message)
    headers = _PAIR.iter_unpack(raw)
    return tuple(_bytes(mappings, start, length).decode() for start, length in headers)
