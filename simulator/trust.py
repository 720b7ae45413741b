"""What makes a real client trust this server: the root key, the Noise certificates, the TLS one.

The root key pair is derived from a constant, so that a launcher can know its public half without
asking, and a restarted simulator is trusted by clients that run already. Facts: whatsmeow
`handshake.go`, verifyServerCert.
"""

import datetime as dt
import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from neonize.proto.waCert.WACert_pb2 import CertChain
from xeddsa import bindings

HOST = "web.whatsapp.com"
CERTIFICATE_NAME = "web.whatsapp.com.pem"
"""The file in the trust directory that the launcher waits for."""

_DAY = 86_400
_YEARS_VALID = 10


def private_key(name: str) -> bytes:
    """One of the simulator's own X25519 keys, the same in every run."""
    return hashlib.sha256(f"Twinbridge simulator: {name}".encode()).digest()


def public_key(private: bytes) -> bytes:
    """The X25519 public key, 32 bytes."""
    return bytes(bindings.priv_to_curve25519_pub(private))


def sign(private: bytes, message: bytes) -> bytes:
    """XEdDSA signature (64 bytes) of an X25519 key, as Signal and WhatsApp use it."""
    return bytes(bindings.ed25519_priv_sign(bindings.priv_force_sign(private, False), message))


ROOT = private_key("trust root")
STATIC = private_key("noise static")
_INTERMEDIATE = private_key("noise intermediate")


def certificate_chain() -> bytes:
    """The Noise certificate chain that vouches for STATIC, valid from yesterday for ten years."""
    intermediate = _noise_details(1, 0, public_key(_INTERMEDIATE))
    leaf = _noise_details(2, 1, public_key(STATIC))
    chain = CertChain()
    chain.intermediate.details = intermediate
    chain.intermediate.signature = sign(ROOT, intermediate)
    chain.leaf.details = leaf
    chain.leaf.signature = sign(_INTERMEDIATE, leaf)
    serialized: bytes = chain.SerializeToString()
    return serialized


def _noise_details(serial: int, issuer: int, key: bytes) -> bytes:
    now = int(time.time())
    details: bytes = CertChain.NoiseCertificate.Details(
        serial=serial,
        issuerSerial=issuer,
        key=key,
        notBefore=now - _DAY,
        notAfter=now + 365 * _YEARS_VALID * _DAY,
    ).SerializeToString()
    return details


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where the server's certificate and its private key lie."""

    certificate: Path
    key: Path


def tls_files(state: Path, trust: Path) -> TlsFiles:
    """The TLS certificate of `web.whatsapp.com`, made at the first start and kept.

    A client reads its bundle once per process, so a new certificate at each start would lock out
    every client that runs. The copy in `trust` appears whole or not at all.
    """
    files = TlsFiles(state / CERTIFICATE_NAME, state / "web.whatsapp.com.key")
    if not (files.certificate.exists() and files.key.exists()):
        certificate, key = _self_signed()
        _write_whole(files.key, key, 0o600)
        _write_whole(files.certificate, certificate, 0o644)
    _write_whole(trust / CERTIFICATE_NAME, files.certificate.read_bytes(), 0o644)
    return files


def _self_signed() -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"simulated {HOST}")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=365 * _YEARS_VALID))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM), key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write_whole(path: Path, content: bytes, mode: int) -> None:
    partial = path.with_suffix(path.suffix + ".partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    partial.replace(path)
