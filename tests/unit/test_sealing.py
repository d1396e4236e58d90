"""Sealing without a database: what was sealed opens for whom it was meant, where it was meant, and for nobody else."""

import re
from datetime import UTC, datetime, timedelta
from itertools import combinations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from services.projects.bids import sealing
from services.projects.bids.sealing import CannotOpen, Place, Receipt
from shared.ids import new_id

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)
CONTENTS = st.dictionaries(
    TEXTS, st.one_of(st.integers(), TEXTS, st.lists(st.integers(), max_size=5)), max_size=8
)
IDS = st.uuids()


def flipped(content: bytes, bit: int) -> bytes:
    at = bit % (len(content) * 8)
    changed = bytearray(content)
    changed[at // 8] ^= 1 << at % 8
    return bytes(changed)


def test_a_code_has_125_bits_in_groups_of_five() -> None:
    codes = {sealing.new_code() for _ in range(500)}
    assert len(codes) == 500
    assert all(re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{5}-){4}[0-9A-HJKMNP-TV-Z]{5}", code) for code in codes)
    assert {c for code in codes for c in code} - {"-"} == set(sealing.ALPHABET)


@given(st.randoms(use_true_random=False))
def test_a_code_is_read_however_it_is_typed(random: object) -> None:
    code = sealing.new_code()
    wide = "".join(chr(ord(c) + 0xFEE0) if c != "-" else "－" for c in code)
    meant = code.replace("-", "")
    misread = code.replace("0", "o").replace("1", "l")
    for typed in (
        code,
        code.lower(),
        meant,
        code.replace("-", " — "),
        wide,
        f" {code}\n",
        misread,
        meant.replace("1", "I"),
    ):
        assert sealing.read_code(typed) == meant


@pytest.mark.parametrize("typed", ["", "A" * 24, "A" * 26, "U" * 25, "一" * 25, "\ud800" * 25, "😀"])
def test_what_is_no_code_is_not_read(typed: str) -> None:
    with pytest.raises(ValueError, match="not a code"):
        sealing.read_code(typed)


@settings(deadline=None)
@given(count=st.integers(2, 9), seed=st.binary(min_size=16, max_size=16))
def test_any_two_openers_give_the_seed_and_one_does_not(count: int, seed: bytes) -> None:
    shares = sealing.split(seed, count)
    assert len(shares) == len({share[0] for share in shares}) == count
    for pair in combinations(shares, 2):
        assert sealing.combined(pair) == seed
    with pytest.raises(CannotOpen):
        sealing.combined([shares[0], shares[0]])
    # what one share leaves open is every seed: another seed's split can hold the same first share
    assert len({sealing.split(seed, count)[0] for _ in range(4)}) > 1


@settings(deadline=None, max_examples=40)
@given(content=CONTENTS, ids=st.tuples(IDS, IDS, IDS, IDS), bit=st.integers(0, 10**6))
def test_a_bid_opens_in_its_own_place_alone(
    content: dict[str, object], ids: tuple[object, ...], bit: int
) -> None:
    call, lot, organisation, other = ids
    key = sealing.call_key(sealing.new_seed(), call)  # type: ignore[arg-type]
    place = Place(call, lot, organisation)  # type: ignore[arg-type]
    sealed = sealing.seal(content, sealing.public(key), place)
    assert sealing.opened(sealed, key, place) == content
    assert sealing.seal(content, sealing.public(key), place) != sealed
    elsewhere = {
        Place(other, lot, organisation),
        Place(call, other, organisation),
        Place(call, lot, other),
    } - {place}  # type: ignore[arg-type]
    for wrong in elsewhere:
        with pytest.raises(CannotOpen):
            sealing.opened(sealed, key, wrong)
    with pytest.raises(CannotOpen):
        sealing.opened(flipped(sealed, bit), key, place)
    with pytest.raises(CannotOpen):
        sealing.opened(sealed, sealing.call_key(sealing.new_seed(), call), place)  # type: ignore[arg-type]


@given(st.integers(1, 10**11), st.integers(1, 10**11))
def test_a_sealed_bids_length_tells_no_price(one: int, other: int) -> None:
    key, place = (
        sealing.public(sealing.call_key(sealing.new_seed(), new_id())),
        Place(new_id(), new_id(), new_id()),
    )
    assert len(sealing.seal({"price": one}, key, place)) == len(sealing.seal({"price": other}, key, place))


def test_an_openers_share_is_for_one_opener_and_one_call() -> None:
    code, person, call = sealing.new_code(), new_id(), new_id()
    key = sealing.opener_key(code, person)
    sealed = sealing.seal_share(b"\x01share", sealing.public(key), call, person)
    assert sealing.open_share(sealed, sealing.opener_key(code.lower(), person), call, person) == b"\x01share"
    for wrong_key, wrong_call in (
        (sealing.opener_key(code, new_id()), call),
        (sealing.opener_key(sealing.new_code(), person), call),
        (key, new_id()),
    ):
        with pytest.raises(CannotOpen):
            sealing.open_share(sealed, wrong_key, wrong_call, person)


def test_what_is_kept_opens_by_the_receipts_code() -> None:
    code, bid = sealing.new_code(), new_id()
    kept = sealing.keep({"price": 1}, code, bid)
    assert sealing.taken_up(kept, code.lower(), bid) == {"price": 1}
    for wrong_code, wrong_bid in ((sealing.new_code(), bid), (code, new_id())):
        with pytest.raises(CannotOpen):
            sealing.taken_up(kept, wrong_code, wrong_bid)
    file_key = sealing.new_file_key()
    assert sealing.decrypted(sealing.encrypted(b"%PDF", file_key), file_key) == b"%PDF"
    with pytest.raises(CannotOpen):
        sealing.decrypted(sealing.encrypted(b"%PDF", file_key), sealing.new_file_key())
    with pytest.raises(CannotOpen):
        sealing.decrypted(b"", file_key)


def test_a_receipt_says_what_was_signed_and_nothing_else() -> None:
    key = Ed25519PrivateKey.generate()
    private, known = key.private_bytes_raw(), key.public_key().public_bytes_raw()
    at = datetime(2026, 11, 25, 1, 0, tzinfo=UTC)
    fields = [new_id(), new_id(), new_id(), new_id(), new_id(), 1, "bid", "0" * 64, at]
    receipt = Receipt(*fields)  # type: ignore[arg-type]
    signature = sealing.sign(receipt.text, private)
    assert sealing.signed(receipt.text, signature, known)
    others = [
        new_id(),
        new_id(),
        new_id(),
        new_id(),
        new_id(),
        2,
        "withdrawal",
        "1" * 64,
        at + timedelta(microseconds=1),
    ]
    for place, other in enumerate(others):
        changed = Receipt(*fields[:place], other, *fields[place + 1 :])  # type: ignore[arg-type]
        assert not sealing.signed(changed.text, signature, known)
    assert not sealing.signed(
        receipt.text, signature, Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    )
    assert not sealing.signed(receipt.text, b"", known)
    elsewhere = Receipt(*fields[:-1], datetime.fromisoformat("2026-11-25T09:00:00+08:00"))  # type: ignore[arg-type]
    assert elsewhere.text == receipt.text, "the same instant, wherever it is written"


@pytest.mark.parametrize(
    "plain",
    [
        b"",
        b"[]",
        b"{",
        b'{"a": "\\u0000"}',
        b'{"\\u0000": 1}',
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b'{"a": "\\ud800"}',
        b"[" * 100_000,
    ],
)
def test_what_a_database_could_not_hold_is_not_opened(plain: bytes) -> None:
    with pytest.raises(CannotOpen):
        sealing.read(plain)


def test_what_only_looks_like_it_is_opened() -> None:
    typed = {"plan": "\\u0000 and \\ud800, as somebody typed it"}
    assert sealing.read(sealing.filled(typed)) == typed
