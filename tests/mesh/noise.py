"""What those may send who mean ill: values of any kind, and the one answer that a decoder may give."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgpack
from hypothesis import strategies as st

from peermesh.core.words import PEER_ID_ALPHABET, PEER_ID_LENGTH
from peermesh.errors import BadFrame

F = TypeVar("F")

peers = st.text(PEER_ID_ALPHABET, min_size=PEER_ID_LENGTH, max_size=PEER_ID_LENGTH)


def values(keys: st.SearchStrategy[str] | None = None) -> st.SearchStrategy[object]:
    """Whatever msgpack can carry; maps have texts for keys, also of *keys*."""
    named = st.text(max_size=6) if keys is None else st.text(max_size=6) | keys
    return st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**64 - 1)
        | st.floats()
        | st.text(max_size=10)
        | st.binary(max_size=10)
        | peers
        | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=4)),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(named, inner),
        max_leaves=8,
    )


def decodes_or_bad_frame(decode: Callable[[bytes], F], encode: Callable[[F], bytes], data: bytes) -> None:
    """Decode; nothing but BadFrame may be raised, and what decodes says the same again."""
    try:
        frame = decode(data)
    except BadFrame:
        return
    assert decode(encode(frame)) == frame
