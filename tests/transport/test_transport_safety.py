"""Safety words: the same on both sides, and out of a middleman's hands."""

import hashlib
import random
import re
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transport_sides import Pair, Side, until

from transport.errors import TransportError
from transport.meet import connect_in_process
from transport.peer import Peer
from transport.safety import Safety, find_words, word_list

ALICE, BOB, EVE_TO_ALICE, EVE_TO_BOB = (hashlib.sha256(name).digest() for name in (b"a", b"b", b"e", b"f"))


def exchange(one: Safety, other: Safety) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Carry the messages between two sides, both at once, as a line does."""
    nonce, other_nonce = one.commit(other.commitment), other.commit(one.commitment)
    return one.reveal(other_nonce), other.reveal(nonce)


def test_there_are_1024_words_that_cannot_be_taken_for_one_another() -> None:
    words = word_list()
    assert len(words) == 1024
    assert all(re.fullmatch("[a-z]{4,8}", word) for word in words)
    assert len({word[:4] for word in words}) == 1024
    assert list(words) == sorted(words)
    assert not [(one, other) for one, other in combinations(words, 2) if _differ_in_one_letter(one, other)]


def _differ_in_one_letter(one: str, other: str) -> bool:
    if len(one) > len(other):
        one, other = other, one
    same = next((i for i in range(len(one)) if one[i] != other[i]), len(one))
    return len(other) - len(one) < 2 and one[same + (len(one) == len(other)) :] == other[same + 1 :]


def test_both_sides_get_the_same_four_words() -> None:
    ours, theirs = exchange(Safety(ALICE, BOB), Safety(BOB, ALICE))
    assert ours == theirs
    assert len(ours) == 4
    assert set(ours) <= set(word_list())


def test_words_are_fixed_by_certificates_and_nonces() -> None:
    words = find_words((ALICE, bytes(16)), (BOB, bytes(range(16))))
    assert words == find_words((BOB, bytes(range(16))), (ALICE, bytes(16)))
    assert words == ("chess", "tomorrow", "porch", "waiter")


@given(st.integers(0, 3), st.integers(0, 255))
def test_another_certificate_or_nonce_gives_other_words(place: int, bit: int) -> None:
    parts = [ALICE, bytes(16), BOB, bytes(16)]
    changed = bytearray(parts[place])
    changed[bit // 8 % len(changed)] ^= 1 << bit % 8
    others = [bytes(changed) if index == place else part for index, part in enumerate(parts)]
    assert find_words((parts[0], parts[1]), (parts[2], parts[3])) != find_words(
        (others[0], others[1]), (others[2], others[3])
    )


def test_over_a_new_connection_the_same_certificates_keep_their_words() -> None:
    one, other = Safety(ALICE, BOB), Safety(BOB, ALICE)
    words = exchange(one, other)
    assert exchange(one, other) == words
    one.check(ALICE, BOB)


def test_a_line_that_broke_between_commitment_and_nonce_changes_nothing() -> None:
    one, other = Safety(ALICE, BOB), Safety(BOB, ALICE)
    nonce = other.commit(one.commitment)
    one.commit(other.commitment)
    words = one.reveal(nonce)  # the other side has not got ours
    assert other.words == ()
    assert exchange(one, other) == (words, words)


def test_another_certificate_after_a_lost_line_is_told() -> None:
    with pytest.raises(TransportError, match="another certificate"):
        Safety(ALICE, BOB).check(ALICE, EVE_TO_ALICE)


def test_a_nonce_that_was_not_committed_to_is_refused() -> None:
    one, other = Safety(ALICE, BOB), Safety(BOB, ALICE)
    with pytest.raises(TransportError, match="promised"):
        one.reveal(other.commit(one.commitment))
    one.commit(other.commitment)
    with pytest.raises(TransportError, match="promised"):
        one.reveal(bytes(16))
    assert one.words == ()


def test_a_commitment_cannot_be_changed_or_sent_back() -> None:
    one = Safety(ALICE, BOB)
    one.commit(Safety(BOB, ALICE).commitment)
    with pytest.raises(TransportError, match="changed"):
        one.commit(Safety(BOB, ALICE).commitment)
    with pytest.raises(TransportError, match="sends back"):
        one.commit(one.commitment)
    with pytest.raises(TransportError, match="own certificate"):
        Safety(ALICE, ALICE)


def test_a_middleman_who_passes_everything_on_gives_the_two_sides_different_words() -> None:
    alice, bob = Safety(ALICE, EVE_TO_ALICE), Safety(BOB, EVE_TO_BOB)
    ours, theirs = exchange(alice, bob)
    assert ours != theirs


def test_a_middleman_who_searches_when_it_knows_what_to_hit_is_refused() -> None:
    draw = random.Random(1)
    bobs, eve = exchange(Safety(BOB, EVE_TO_BOB, nonce=draw.randbytes(16)), Safety(EVE_TO_BOB, BOB))
    assert bobs == eve
    alice = Safety(ALICE, EVE_TO_ALICE, nonce=draw.randbytes(16))
    alices_nonce = alice.commit(Safety(EVE_TO_ALICE, ALICE).commitment)
    # Only now can Eve tell what a nonce does to Alice's words: ten thousand find one with Bob's first word.
    found = next(
        nonce
        for nonce in (draw.randbytes(16) for _ in range(10_000))
        if find_words((ALICE, alices_nonce), (EVE_TO_ALICE, nonce))[0] == bobs[0]
    )
    with pytest.raises(TransportError, match="promised"):
        alice.reveal(found)


def test_choosing_a_nonce_by_the_others_commitment_hits_no_more_words_than_chance() -> None:
    draw = random.Random(2)
    bobs = find_words((BOB, draw.randbytes(16)), (EVE_TO_BOB, draw.randbytes(16)))
    hits = whole = 0
    for _ in range(10_000):
        alice = Safety(ALICE, EVE_TO_ALICE, nonce=draw.randbytes(16))
        # The best that Eve can do before she must commit: suppose a nonce, and choose hers for that.
        eve = Safety(EVE_TO_ALICE, ALICE, nonce=hashlib.sha256(alice.commitment).digest()[:16])
        alice.commit(eve.commitment)
        words = alice.reveal(eve.commit(alice.commitment))
        hits += words[0] == bobs[0]
        whole += words == bobs
    assert hits < 30  # ten are expected of one word in 1024
    assert whole == 0


class Middle(Side):
    """One of a middleman's two ends: what comes here leaves at the other."""

    other: Peer

    def control(self, data: bytes) -> None:
        self.other.send_control(data)


async def test_two_connected_peers_read_the_same_words(pair: Pair) -> None:
    one, other = pair
    assert one.peer.fingerprints == other.peer.fingerprints[::-1]
    ours, theirs = await talk(one, other)
    assert ours == theirs


async def test_two_sides_with_a_middleman_between_them_read_different_words(apart: Pair) -> None:
    alice, bob = apart
    to_alice, to_bob = Middle(), Middle()
    to_alice.other, to_bob.other = to_bob.peer, to_alice.peer
    try:
        await connect_in_process(alice.peer, to_alice.peer)
        await connect_in_process(to_bob.peer, bob.peer)
        ours, theirs = await talk(alice, bob)
        assert ours != theirs
    finally:
        await to_alice.peer.close()
        await to_bob.peer.close()


async def talk(*sides: Side) -> list[tuple[str, ...]]:
    """Say on two lines what safety words take, and return both sides' words."""
    safeties = [Safety(*side.peer.fingerprints) for side in sides]
    for side, safety in zip(sides, safeties, strict=True):
        side.peer.send_control(safety.commitment)
    await until(lambda: all(len(side.controls) == 1 for side in sides))
    for side, safety in zip(sides, safeties, strict=True):
        side.peer.send_control(safety.commit(side.controls[0]))
    await until(lambda: all(len(side.controls) == 2 for side in sides))
    return [safety.reveal(side.controls[1]) for side, safety in zip(sides, safeties, strict=True)]
