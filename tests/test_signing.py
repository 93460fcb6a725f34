"""C2PA: what is written is signed with the operator's key, read back, and tampering is seen."""

from __future__ import annotations

import datetime
import json
import logging
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
import torch
from torch import nn

from workbench.coloring.colorize import Settings, make_marks
from workbench.images import encode, signing
from workbench.jobs.clip import sample_clip
from workbench.video import colorize_video

MARKS = make_marks("vanilla_cnn", "0123456789ab", Settings(chroma=1.5), "Vanilla CNN")
RGB = torch.randint(0, 255, (3, 40, 60), dtype=torch.uint8)


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    signing.load_signer.cache_clear()
    yield
    signing.load_signer.cache_clear()


def make_key(folder: Path) -> tuple[Path, Path]:
    """A key and its certificate below an authority of the test's own."""
    x509 = pytest.importorskip("cryptography.x509", reason="needs c2pa-python")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def name(text: str):
        kinds = (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)
        return x509.Name([x509.NameAttribute(kind, text) for kind in kinds])

    now = datetime.datetime.now(datetime.UTC)
    authority, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    chain = b""
    for whose, title, is_authority in ((key, "Test", False), (authority, "Authority", True)):
        usage = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "encipher_only", "decipher_only"), False,
        )  # fmt: skip
        usage |= {"digital_signature": not is_authority}
        usage |= {"key_cert_sign": is_authority, "crl_sign": is_authority}
        built = (
            x509.CertificateBuilder()
            .subject_name(name(title))
            .issuer_name(name("Authority"))
            .public_key(whose.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=30))
            .add_extension(x509.BasicConstraints(is_authority, None), True)
            .add_extension(x509.KeyUsage(**usage), True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(whose.public_key()), False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), False
            )
        )
        if not is_authority:
            mail = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
            built = built.add_extension(mail, False)
        chain += built.sign(authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    (folder / "chain.pem").write_bytes(chain)
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )  # fmt: skip
    return folder / "key.pem", folder / "chain.pem"


@pytest.fixture
def signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("c2pa", reason="needs c2pa-python")
    key, chain = make_key(tmp_path)
    monkeypatch.setenv("WORKBENCH_C2PA_KEY", str(key))
    monkeypatch.setenv("WORKBENCH_C2PA_CERTIFICATE", str(chain))


class Grey(nn.Module):
    def forward(self, L: torch.Tensor) -> torch.Tensor:
        """L (N, 1, H, W) -> ab (N, 2, H, W)."""
        return torch.zeros(len(L), 2, *L.shape[-2:])


def read(data: bytes, kind: str) -> tuple[dict, list[str]]:
    """The action of the manifest, and the codes of what failed; trust in the authority apart."""
    from c2pa import Reader

    with Reader(signing.TYPES[kind], BytesIO(data)) as reader:
        store = json.loads(reader.json())
    manifest = store["manifests"][store["active_manifest"]]
    actions = next(
        each["data"] for each in manifest["assertions"] if each["label"].startswith("c2pa.actions")
    )
    failed = {each["code"] for each in store.get("validation_status", ())}
    return actions["actions"][0], sorted(failed - {"signingCredential.untrusted"})


@pytest.mark.parametrize("kind", ["png", "jpeg", "png16", "mp4"])
def test_a_signed_file_says_who_coloured_it_and_tampering_is_seen(signed, tmp_path, kind) -> None:
    if kind == "mp4":
        source, out = sample_clip(tmp_path / "clip.mp4", 0.1), tmp_path / "out" / "clip.mp4"
        colorize_video(source, out, Grey(), size=32, marks=MARKS)
        data = out.read_bytes()
        assert list(out.parent.iterdir()) == [out]
    else:
        rgb = RGB.to(torch.uint16) if kind == "png16" else RGB
        data = encode(rgb, form=kind.removesuffix("16"), marks=MARKS)
    kind = kind.removesuffix("16")
    action, failed = read(data, kind)
    assert failed == []
    assert action["digitalSourceType"] == signing.SOURCE_TYPE
    assert action["parameters"]["workbench.model"] == "vanilla_cnn"
    assert action["parameters"]["workbench.revision"] == "0123456789ab"
    assert action["parameters"]["workbench.settings"] == "chroma=1.5"
    start = {"png": b"IDAT", "jpeg": b"\xff\xda", "mp4": b"mdat"}[kind]
    place = data.rindex(start) + 30
    changed = bytearray(data)
    changed[place] ^= 1
    assert any("mismatch" in code for code in read(bytes(changed), kind)[1])


def test_without_a_key_a_file_is_what_it_was(monkeypatch) -> None:
    monkeypatch.delenv("WORKBENCH_C2PA_KEY", raising=False)
    monkeypatch.delenv("WORKBENCH_C2PA_CERTIFICATE", raising=False)
    assert signing.load_signer() is None
    assert b"c2pa" not in encode(RGB, marks=MARKS)


def test_a_bad_key_is_said_once_and_stops_no_picture(monkeypatch, tmp_path, caplog) -> None:
    pytest.importorskip("c2pa", reason="needs c2pa-python")
    key, chain = make_key(tmp_path)
    (tmp_path / "other").mkdir()
    other, _ = make_key(tmp_path / "other")
    (tmp_path / "words.pem").write_text("no key")
    for first, second, sentence in (
        (tmp_path / "missing.pem", chain, "missing.pem cannot be read"),
        (tmp_path / "words.pem", chain, "cannot sign"),
        (other, chain, "not the one of the first certificate"),
        (key, None, "one is missing"),
    ):
        signing.load_signer.cache_clear()
        caplog.clear()
        monkeypatch.setenv("WORKBENCH_C2PA_KEY", str(first))
        monkeypatch.setenv("WORKBENCH_C2PA_CERTIFICATE", str(second or ""))
        with caplog.at_level(logging.WARNING):
            pictures = [encode(RGB, marks=MARKS) for _ in range(2)]
        assert b"c2pa" not in pictures[0]
        assert len(caplog.messages) == 1
        assert sentence in caplog.messages[0]
        assert "without a C2PA signature" in caplog.messages[0]
