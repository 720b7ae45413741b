"""The files behind photos and documents, encrypted as phones encrypt them.

Facts: whatsmeow `download.go`, `upload.go`: 112 bytes are derived from the media key (iv 16, key
32, MAC key 32, the rest unused), the file is AES-256-CBC and the first 10 bytes of the MAC, and a
direct path needs a "?" because the client appends its parameters with "&".
"""

import hmac
import zlib
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.padding import PKCS7

HOST = "web.whatsapp.com"
"""Where files are downloaded from: the one host the simulator is."""

_MAC_BYTES = 10


@dataclass(frozen=True, slots=True)
class File:
    """An encrypted file; `key` opens it, the hashes are of the plain and the encrypted bytes."""

    mimetype: str
    key: bytes
    encrypted: bytes
    length: int
    plain_hash: bytes

    @property
    def encrypted_hash(self) -> bytes:
        """SHA-256 of what is downloaded."""
        return sha256(self.encrypted).digest()

    @property
    def name(self) -> str:
        """What the file is called on the server."""
        return name_of(self.encrypted_hash)

    @property
    def path(self) -> str:
        """The direct path."""
        return direct_path(self.name)

    @property
    def url(self) -> str:
        """The whole address."""
        return f"https://{HOST}{self.path}"


def name_of(encrypted_hash: bytes) -> str:
    """What a file is called on the server."""
    return urlsafe_b64encode(encrypted_hash).decode().rstrip("=")


def direct_path(name: str) -> str:
    """Where a file of that name is on the host."""
    return f"/v/{name}.enc?ccb=1"


def encrypted_file(plain: bytes, kind: str, mimetype: str) -> File:
    """Encrypt as a phone does; `kind` is Image, Video, Audio, Document or History.

    The key follows from the content, so that a restarted simulator serves the same file.
    """
    key = sha256(b"Twinbridge simulator media" + plain).digest()
    derived = HKDF(SHA256(), 112, bytes(32), f"WhatsApp {kind} Keys".encode()).derive(key)
    iv, cipher_key, mac_key = derived[:16], derived[16:48], derived[48:80]
    padding = PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(cipher_key), modes.CBC(iv)).encryptor()
    body = encryptor.update(padding.update(plain) + padding.finalize()) + encryptor.finalize()
    seal = hmac.new(mac_key, iv + body, sha256).digest()[:_MAC_BYTES]
    return File(mimetype, key, body + seal, len(plain), sha256(plain).digest())


def _one_pixel() -> bytes:
    """A PNG of one green pixel."""

    def chunk(name: bytes, data: bytes) -> bytes:
        check = zlib.crc32(name + data).to_bytes(4, "big")
        return len(data).to_bytes(4, "big") + name + data + check

    header = bytes([0, 0, 0, 1, 0, 0, 0, 1, 8, 2, 0, 0, 0])
    pixels = zlib.compress(b"\0\x0b\x7a\x5b")
    body = chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


PHOTO = encrypted_file(_one_pixel(), "Image", "image/png")
REPORT = encrypted_file(b"%PDF-1.4\n% as-built report\n%%EOF\n", "Document", "application/pdf")
