import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from transports.errors import NotUnderstood
from transports.nkeys import user_key

# Made by NATS' own package: the seed of the bytes 0 to 31, its public key, and its signature of "nonce"
SEED = "SUAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H776Y"
PUBLIC = "UAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RLKK"
SIGNATURE = b"+HTq4d6DDHVNb8MsTRAZtSIa0vXA/yuZblwTA7JT5wYzmKBxJ2wpYfjHh7hcptZlidbVw/6ZLyubjm/yDk+OCQ=="


def test_a_seed_gives_the_name_and_the_signature_that_nats_own_package_gives():
    key = user_key(f"{SEED}\n")
    assert key.public == PUBLIC
    assert key.signature("nonce") == SIGNATURE


@given(st.text(max_size=40))
def test_a_signature_fits_its_nonce(nonce):
    key = user_key(SEED)
    public = Ed25519PublicKey.from_public_bytes(base64.b32decode(PUBLIC)[1:33])
    public.verify(base64.b64decode(key.signature(nonce)), nonce.encode())


def test_a_key_does_not_show_its_private_part():
    assert repr(user_key(SEED)) == f"UserKey(public='{PUBLIC}')"


@pytest.mark.parametrize(
    ("seed", "why"),
    [
        ("", "checksum"),
        (SEED[:-1], "checksum|base32"),
        (SEED.replace("AIC", "ACI"), "checksum"),
        ("SAAAAAICAMCAKBQHBAEQUCYMBUHA6EARCIJRIFIWC4MBSGQ3DQOR4H6JTM", "checksum|SU"),
        ("not a seed", "base32"),
        (PUBLIC, "SU"),
    ],
)
def test_what_is_no_seed_of_a_user_is_refused_without_showing_it(seed, why):
    with pytest.raises(NotUnderstood, match=why) as refused:
        user_key(seed)
    assert not seed or seed not in str(refused.value)


@given(st.text(max_size=80))
def test_no_text_is_worse_than_refused(text):
    with pytest.raises(NotUnderstood):
        user_key(text)
