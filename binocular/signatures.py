"""Signatures of model versions: who may say what is served.

    signature = Signer.read(Path("private.pem")).sign("waste", 3, manifest)
    Trust.read(Path("public.pem")).verify(signature, "waste", 3, manifest)     # or SignatureError

What is signed is the model's name, the version's number and the size and SHA-256 of every file, so that a signed
version can neither be changed nor stand in for another. Keys are PEM files with ECDSA on P-256, P-384 or P-521, or
Ed25519. A signature lies beside the manifest it belongs to, and is there before it:
`models/<name>/<version>/signature-<digest>.json`.
"""

import base64
import binascii
import hashlib
import json
import re
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from binocular.documents import Document
from binocular.errors import NotFoundError, SignatureError
from binocular.publication import Manifest
from binocular.settings import Settings, variable
from binocular.store import Store

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
KEY_CHARACTERS = 16
PURPOSE = "a version of a model, to be served"
_PEM = re.compile(rb"-----BEGIN [A-Z ]+-----.+?-----END [A-Z ]+-----", re.DOTALL)


class Signature(Document):
    """What somebody with a private key says of a version."""

    key: str  # which public key verifies it: see `key_id`
    signature: str  # base64


class Signer:
    """Signs with one private key."""

    def __init__(self, key: PrivateKey) -> None:
        self._key = key

    @classmethod
    def read(cls, path: Path) -> Self:
        """The signer with the private key of a PEM file."""
        try:
            key = load_pem_private_key(path.read_bytes(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise SignatureError(f"{path} holds no private key that can be read: {error}") from None
        if not isinstance(key, PrivateKey):
            raise SignatureError(f"{path} holds a key that is neither ECDSA nor Ed25519")
        return cls(key)

    def sign(self, name: str, version: int, manifest: Manifest) -> Signature:
        """Say that these files are this version of this model."""
        data = _statement(name, version, manifest)
        if isinstance(self._key, ed25519.Ed25519PrivateKey):
            raw = self._key.sign(data)
        else:
            raw = self._key.sign(data, ec.ECDSA(SHA256()))
        return Signature(key=key_id(self._key.public_key()), signature=base64.b64encode(raw).decode())


class Trust:
    """The public keys whose signatures count."""

    def __init__(self, *keys: PublicKey) -> None:
        self._keys = {key_id(key): key for key in keys}

    @classmethod
    def read(cls, path: Path) -> Self:
        """The public keys of a PEM file, one or more."""
        keys = []
        for block in _PEM.findall(path.read_bytes()):
            try:
                key = load_pem_public_key(block)
            except (ValueError, UnsupportedAlgorithm) as error:
                raise SignatureError(f"{path} holds a public key that cannot be read: {error}") from None
            if not isinstance(key, PublicKey):
                raise SignatureError(f"{path} holds a key that is neither ECDSA nor Ed25519")
            keys.append(key)
        if not keys:
            raise SignatureError(f"{path} holds no public key: expected -----BEGIN PUBLIC KEY-----")
        return cls(*keys)

    def verify(self, signature: Signature, name: str, version: int, manifest: Manifest) -> None:
        """SignatureError unless one of the keys signed exactly this."""
        key = self._keys.get(signature.key)
        if key is None:
            raise SignatureError(
                f"version {version} of {name} is signed with key {signature.key}, which is none of those trusted"
                f" ({', '.join(self._keys)})"
            )
        data = _statement(name, version, manifest)
        try:
            raw = base64.b64decode(signature.signature, validate=True)
            if isinstance(key, ed25519.Ed25519PublicKey):
                key.verify(raw, data)
            else:
                key.verify(raw, data, ec.ECDSA(SHA256()))
        except (InvalidSignature, binascii.Error):
            raise SignatureError(
                f"version {version} of {name} is not what key {signature.key} signed: its files were changed, or"
                " its signature was made for another version"
            ) from None


def signer(settings: Settings) -> Signer | None:
    """Who signs what this process publishes, or None where nobody does."""
    return Signer.read(settings.model_signing_key) if settings.model_signing_key else None


def trust(settings: Settings) -> Trust | None:
    """Whose signatures are asked for, or None where none are."""
    return Trust.read(settings.model_public_keys) if settings.model_public_keys else None


def signature_key(prefix: str, manifest: Manifest) -> str:
    """Where the signature of what is published at a prefix lies."""
    return f"{prefix}/signature-{manifest.digest}.json"


def read_signature(store: Store, prefix: str, manifest: Manifest) -> Signature:
    """The signature of what is published at a prefix; SignatureError where it is not signed."""
    key = signature_key(prefix, manifest)
    try:
        return Signature.parse(store.read(key).data, key)
    except NotFoundError:
        raise SignatureError(
            f"{prefix} is not signed, as {variable('model_public_keys')} asks: sign it with `binocular sign`"
        ) from None


def key_id(key: PublicKey) -> str:
    """What a public key is called: the beginning of its SHA-256."""
    data = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(data).hexdigest()[:KEY_CHARACTERS]


def _statement(name: str, version: int, manifest: Manifest) -> bytes:
    """The bytes that are signed: the same in every release."""
    files = [[file.path, file.size, file.sha256] for file in manifest.files]
    said = {"purpose": PURPOSE, "model": name, "version": version, "files": files}
    return json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
