"""Keys and signatures of versions."""

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from binocular.errors import SignatureError
from binocular.publication import Manifest, PublishedFile
from binocular.signatures import Signature, Signer, Trust, _statement

FILES = (
    PublishedFile(path="a", size=1, sha256="1" * 64),
    PublishedFile(path="b/c", size=2, sha256="2" * 64),
)
OTHER_BYTES = FILES[0].model_copy(update={"sha256": "3" * 64})
OTHER_NAME = FILES[0].model_copy(update={"path": "z"})


def manifest_of(*files: PublishedFile) -> Manifest:
    return Manifest(digest="0" * 32, files=files)


MANIFEST = manifest_of(*FILES)
P256, P384, ED25519 = (
    ec.generate_private_key(ec.SECP256R1()),
    ec.generate_private_key(ec.SECP384R1()),
    ed25519.Ed25519PrivateKey.generate(),
)


def private_pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey) -> bytes:
    kind = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption())


def public_pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey) -> bytes:
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, kind)


@pytest.mark.parametrize("key", [P256, P384, ED25519], ids=["P-256", "P-384", "Ed25519"])
def test_keys_come_from_pem_files_and_one_of_several_is_enough(
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, tmp_path: Path
) -> None:
    (tmp_path / "private.pem").write_bytes(private_pem(key))
    (tmp_path / "public.pem").write_bytes(public_pem(P256) + public_pem(P384) + public_pem(ED25519))

    signature = Signer.read(tmp_path / "private.pem").sign("waste", 3, MANIFEST)

    Trust.read(tmp_path / "public.pem").verify(signature, "waste", 3, MANIFEST)


@pytest.mark.parametrize(
    ("name", "version", "manifest"),
    [
        ("other", 3, MANIFEST),
        ("waste", 4, MANIFEST),
        ("waste", 3, manifest_of(FILES[0])),
        ("waste", 3, manifest_of(OTHER_BYTES, FILES[1])),
        ("waste", 3, manifest_of(OTHER_NAME, FILES[1])),
    ],
    ids=["another model", "another version", "a file less", "other bytes", "another name"],
)
def test_a_signature_is_for_one_version_and_its_files_alone(name: str, version: int, manifest: Manifest) -> None:
    signature = Signer(P256).sign("waste", 3, MANIFEST)
    with pytest.raises(SignatureError, match="is not what key"):
        Trust(P256.public_key()).verify(signature, name, version, manifest)


@pytest.mark.parametrize("raw", ["", "????", base64.b64encode(b"\0" * 64).decode()])
def test_what_is_no_signature_is_refused(raw: str) -> None:
    for key in (P256, ED25519):
        made = Signer(key).sign("waste", 3, MANIFEST)
        with pytest.raises(SignatureError, match="is not what key"):
            Trust(key.public_key()).verify(Signature(key=made.key, signature=raw), "waste", 3, MANIFEST)


def test_keys_that_are_not_ours_to_use_are_explained(tmp_path: Path) -> None:
    path, other = tmp_path / "key.pem", rsa.generate_private_key(65537, 2048)
    path.write_bytes(private_pem(other))
    with pytest.raises(SignatureError, match="neither ECDSA nor Ed25519"):
        Signer.read(path)
    path.write_bytes(public_pem(other))
    with pytest.raises(SignatureError, match="neither ECDSA nor Ed25519"):
        Trust.read(path)
    with pytest.raises(SignatureError, match="holds no private key"):
        Signer.read(path)
    path.write_bytes(b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    with pytest.raises(SignatureError, match="cannot be read"):
        Trust.read(path)
    path.write_bytes(b"")
    with pytest.raises(SignatureError, match="holds no public key"):
        Trust.read(path)


def test_what_is_signed_is_the_same_in_every_release() -> None:
    assert _statement("waste", 3, MANIFEST) == (
        b'{"files":[["a",1,"' + b"1" * 64 + b'"],["b/c",2,"' + b"2" * 64 + b'"]],'
        b'"model":"waste","purpose":"a version of a model, to be served","version":3}'
    )
