"""The nouns: ids that can be typed back, states that have an order, envelopes that leave the body at home."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peermesh.core.words import (
    PEER_ID_ALPHABET,
    PEER_ID_LENGTH,
    MessageId,
    State,
    envelope,
    further,
    is_peer_id,
)
from tests.core.people import BOB, card, message

peers = st.text(PEER_ID_ALPHABET, min_size=PEER_ID_LENGTH, max_size=PEER_ID_LENGTH)


@given(peers, st.integers(1, 10**18 - 1))
def test_ids_are_spelled_and_read(peer: str, n: int) -> None:
    """What is printed can be typed back."""
    one = MessageId(peer, n)
    assert MessageId.parse(str(one)) == one


@pytest.mark.parametrize(
    "text",
    [
        "",
        "17",
        "bbbbbbbb",
        "bbbbbbbb-",
        "bbbbbbbb-0",
        "bbbbbbbb-01",
        "bbbbbbbb--1",
        "bbbbbbb-1",
        "BBBBBBBB-1",
        "bbbbbbbb-1\n",
        "bbbbbbbb-\u0661",
        "oooooooo-1",
        f"bbbbbbbb-{10**18}",
    ],
)
def test_no_id(text: str) -> None:
    """What is no id is refused, with an example of one."""
    with pytest.raises(ValueError, match="k3m9x2ab-17"):
        MessageId.parse(text)


def test_peer_ids_have_no_letters_that_look_alike() -> None:
    """An id that is read aloud or copied by hand is not misread."""
    assert not set("ilou") & set(PEER_ID_ALPHABET)
    assert not is_peer_id("ilouilou")
    assert is_peer_id("k3m9x2ab")


def test_states_have_an_order() -> None:
    """Of two states one is further, and none is further than itself."""
    for one, other in itertools.product(State, State):
        assert further(one, other) + further(other, one) == (one is not other)


def test_the_way_of_a_message() -> None:
    """Queued, safe, held, shown: each is further than the one before."""
    way = [State.QUEUED, State.SAFE, State.HELD, State.SHOWN]
    assert all(further(b, a) for a, b in itertools.pairwise(way))


def test_an_envelope() -> None:
    """The engine knows of a message what it needs to judge, and leaves the body on disk."""
    one = envelope(message(3, body="hello", urgent=True, chain=(BOB,)), 1.5)
    assert (one.id, one.size, one.arrived) == (MessageId(BOB, 3), 5, 1.5)
    assert (one.urgent, one.held, one.chain) == (True, False, (BOB,))
    assert not hasattr(one, "body")


def test_keep_back() -> None:
    """Held back is the same message, held."""
    one = envelope(message(3), 1.5)
    assert one.keep_back().held
    assert not one.held


def test_address() -> None:
    """The name that is clear on every host."""
    assert card(BOB).address == "bob@desk"
