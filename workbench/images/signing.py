"""C2PA: written pictures and clips signed with the operator's own key, where one is named.

WORKBENCH_C2PA_KEY and WORKBENCH_C2PA_CERTIFICATE name PEM files; the package c2pa-python is an
extra. Without a key nothing is signed, and a bad one is said once and stops no picture. Nothing is
asked of another machine: there is no time stamp in a signature.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image

from workbench import __version__, places
from workbench.errors import Problem, guard_decoder, reason_of

SOURCE_TYPE = (  # IPTC's; the XMP packet says it, too
    "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
)
TYPES = {"png": "image/png", "jpeg": "image/jpeg", "mp4": "video/mp4"}  # kind -> MIME type
CURVES = {"secp256r1": b"es256", "secp384r1": b"es384", "secp521r1": b"es512"}
UNSIGNED = "Files are written without a C2PA signature."


def make_manifest(marks: Mapping[str, str]) -> dict[str, Any]:
    """What a signature says: that AI took part, and the marks of `coloring.make_marks`."""
    made = {
        "action": "c2pa.created",
        "digitalSourceType": SOURCE_TYPE,
        "description": marks.get("Description", "Colourized by AI"),
        "softwareAgent": {"name": "colorization-workbench", "version": __version__},
        "parameters": {f"workbench.{name.lower()}": text for name, text in marks.items()},
    }
    return {
        "claim_generator_info": [{"name": "colorization-workbench", "version": __version__}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [made]}}],
    }


def sign(data: bytes, kind: str, marks: Mapping[str, str]) -> bytes:
    """A PNG or JPEG (`kind` of TYPES) with a signed manifest; as it was without a key."""
    out = BytesIO()
    return out.getvalue() if _sign(BytesIO(data), out, kind, marks) else data


def sign_clip(path: Path, marks: Mapping[str, str]) -> None:
    """Put a signed manifest into an MP4; without a key nothing happens."""
    if load_signer() is None:
        return
    signed = path.with_name(f"{path.name}.signed")
    try:
        with path.open("rb") as source, signed.open("w+b") as out:
            done = _sign(source, out, "mp4", marks)
        if done:
            signed.replace(path)
    finally:
        signed.unlink(missing_ok=True)


@cache
def load_signer() -> Any | None:
    """The operator's signer, tried once; None without a key. What is wrong is logged once."""
    key, certificate = places.c2pa_key(), places.c2pa_certificate()
    if key is None and certificate is None:
        return None
    try:
        return _read_signer(key, certificate)
    except Problem as problem:
        logging.getLogger(__name__).warning("%s %s", problem, UNSIGNED)
        return None


def _read_signer(key: Path | None, certificate: Path | None) -> Any:
    """A signer that has signed a small picture; raises Problem."""
    if key is None or certificate is None:
        raise Problem(
            "WORKBENCH_C2PA_KEY and WORKBENCH_C2PA_CERTIFICATE belong together: one is missing."
        )
    try:
        from c2pa import C2paSignerInfo, Signer
    except ImportError:
        raise Problem("WORKBENCH_C2PA_KEY needs a package more: pip install c2pa-python.") from None
    try:
        secret, chain = key.read_bytes(), certificate.read_bytes()
    except OSError as error:
        raise Problem(f"{error.filename} cannot be read: {reason_of(error)}.") from error
    with guard_decoder(f"{key} and {certificate} cannot sign: {{error}}."):
        algorithm = _algorithm(secret, chain)
        info = C2paSignerInfo(alg=algorithm, sign_cert=chain, private_key=secret, ta_url=None)
        signer = Signer.from_info(info)
        _try_signer(signer)
    return signer


def _algorithm(secret: bytes, chain: bytes) -> bytes:
    """The name of the signature's algorithm; raises Problem where key and certificate differ."""
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509 import load_pem_x509_certificates

    key = load_pem_private_key(secret, None)
    if load_pem_x509_certificates(chain)[0].public_key() != key.public_key():
        raise Problem("The C2PA key is not the one of the first certificate in its file.")
    if isinstance(key, EllipticCurvePrivateKey):
        return CURVES[key.curve.name]
    return b"ps256" if isinstance(key, RSAPrivateKey) else b"ed25519"


def _try_signer(signer: Any) -> None:
    """Sign a picture of a few pixels."""
    picture = BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    _embed(signer, picture, BytesIO(), "png", {})


def _embed(
    signer: Any, source: BinaryIO, out: BinaryIO, kind: str, marks: Mapping[str, str]
) -> None:
    from c2pa import Builder, Context

    plain = Context.from_dict({"builder": {"thumbnail": {"enabled": False}}})
    source.seek(0)
    with Builder(make_manifest(marks), plain) as builder:
        builder.sign(signer, TYPES[kind], source, out)


def _sign(source: BinaryIO, out: BinaryIO, kind: str, marks: Mapping[str, str]) -> bool:
    """Whether `out` holds what `source` has, signed; a file that cannot be signed is logged."""
    if (signer := load_signer()) is None:
        return False
    try:
        with guard_decoder("A result could not be signed: {error}."):
            _embed(signer, source, out, kind, marks)
    except Problem as problem:
        logging.getLogger(__name__).warning("%s %s", problem, UNSIGNED)
        return False
    return True
