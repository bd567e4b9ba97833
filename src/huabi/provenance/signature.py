"""The signed manifest of C2PA (Content Credentials 2.2): who says so, and that nothing was changed since; offline."""

from __future__ import annotations

import importlib.util
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RequestError
from .label import SOURCE_TYPES

if TYPE_CHECKING:
    import c2pa

    from .settings import Settings

__all__ = ["check", "read_signature", "signed"]

MIME = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "AVIF": "image/avif", "TIFF": "image/tiff"}
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
_OFFLINE = {"remote_manifest_fetch": False, "ocsp_fetch": False}


def check(certificate: Path, private: Path) -> None:
    """Raises `RequestError` where nothing could be signed: the library is missing, or a file that it takes."""
    if importlib.util.find_spec("c2pa") is None:
        raise RequestError("a certificate is set, and signing needs one more package: pip install 'huabi[provenance]'")
    _read(certificate)
    _algorithm(_read(private))


def signed(data: bytes, kind: str, source_type: str, version: str, certificate: Path, private: Path) -> bytes:
    """A picture's file with a manifest, the last thing that is put in: any later change of a byte breaks it.

    Args:
        kind: its format, as Pillow calls it.
        source_type: IPTC's term for how it came about.
        version: of Huabi.
        certificate: PEM, the operator's first, then those that vouch for it; `private` is its key.

    Raises `RequestError` where certificate or key cannot be used.
    """
    check(certificate, private)
    import c2pa

    chain, key = _read(certificate), _read(private)
    action = {"action": "c2pa.created", "digitalSourceType": SOURCE_TYPES + source_type}
    manifest = {
        "claim_generator_info": [{"name": "Huabi", "version": version}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
    }
    out = io.BytesIO()
    try:
        with (
            c2pa.Signer.from_info(c2pa.C2paSignerInfo(_algorithm(key), chain, key, None)) as signer,
            c2pa.Context(_settings(None)) as context,
            c2pa.Builder(manifest, context) as builder,
        ):
            builder.sign(signer, MIME[kind], io.BytesIO(data), out)
    except c2pa.C2paError as error:
        raise RequestError(f"{certificate} cannot sign: {error}") from None
    return out.getvalue()


def read_signature(data: bytes, kind: str, settings: Settings) -> dict[str, Any]:
    """What a file's manifest says.

    Returns `state`: absent, trusted (its signer is vouched for by `anchors`), valid (signed and unchanged, by a signer
    that is not), invalid, or unread where the library is missing; with the `signer`, the `generator` and what failed.
    """
    if importlib.util.find_spec("c2pa") is None:
        return {"state": "unread" if b"c2pa" in data and b"jumb" in data else "absent"}
    if kind not in MIME:
        return {"state": "absent"}
    import c2pa

    try:
        with c2pa.Context(_settings(settings.anchors)) as context:
            reader = c2pa.Reader.try_create(MIME[kind], io.BytesIO(data), context=context)
            if reader is None:
                return {"state": "absent"}
            with reader:
                found = json.loads(reader.json())
    except c2pa.C2paError as error:
        return {"state": "invalid", "failed": [str(error)]}
    manifest = found["manifests"][found["active_manifest"]]
    signer, made_by = manifest.get("signature_info", {}), manifest.get("claim_generator_info") or [{}]
    results = found.get("validation_results", {}).get("activeManifest", {})
    return {
        "state": found["validation_state"].lower(),
        "signer": signer.get("issuer") or signer.get("common_name"),
        "generator": made_by[0].get("name"),
        "failed": [failure["code"] for failure in results.get("failure", [])],
    }


def _settings(anchors: Path | None) -> c2pa.Settings:
    import c2pa

    verify = {"verify_trust": True, "verify_timestamp_trust": True, **_OFFLINE}
    config: dict[str, Any] = {"verify": verify, "builder": {"thumbnail": {"enabled": False}}}
    if anchors:
        config["trust"] = {"user_anchors": _read(anchors).decode("ascii", "replace")}
    return c2pa.Settings.from_dict(config)


def _algorithm(pem: bytes) -> str:
    """The signing algorithm of C2PA that goes with a private key."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise RequestError("the key of provenance.toml is no PEM of a private key without a password") from None
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(key, rsa.RSAPrivateKey):
        return "ps256"
    raise RequestError("the key of provenance.toml is of a kind that C2PA does not know; take one of P-256")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RequestError(f"{path}: it cannot be read ({error.strerror}); see provenance.toml") from None
