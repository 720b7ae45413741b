"""Run a client unchanged against the simulator: `python launch.py [module]`, default `bridge`.

One self-contained file, mounted into the production image. It makes this one process trust the
simulator instead of WhatsApp: the TLS certificate by environment, the Noise root key in the memory
of the loaded client library. Nothing on disk is changed. Facts: whatsmeow `handshake.go`.
"""

import ctypes
import ipaddress
import os
import runpy
import socket
import sys
import time
from pathlib import Path

HOST = "web.whatsapp.com"
PATIENCE_SECONDS = 180
WHATSAPP_ROOT = bytes.fromhex("142375574d0a587166aae71ebe516437c4a28b73e3695c6ce1f7f9545da8ee6b")
SIMULATOR_ROOT = bytes.fromhex("3bc4029b853a4fb44d0faed5a5f31047666dfdba9d082dca872631c86a5aa94c")
_READY = "TWINBRIDGE_TRUST_ROOT"


class LaunchError(Exception):
    """The client cannot be made to trust the simulator, or there is none."""


def main() -> None:
    """First in this process: wait and set the environment; then, in its image again, run."""
    # As with `python -m`: this file's folder must not hide modules of the standard library.
    sys.path[0] = str(Path.cwd())
    module = sys.argv[1] if len(sys.argv) > 1 else "bridge"
    if os.environ.get(_READY) != "simulator":
        trust = Path(os.environ.get("SIMULATOR_TRUST", "/trust"))
        _await_simulator(trust / f"{HOST}.pem")
        # Go reads its environment from the process image, so a change needs a new image.
        os.environ["SSL_CERT_FILE"] = str(trust / f"{HOST}.pem")
        os.environ["SSL_CERT_DIR"] = str(trust)
        os.environ[_READY] = "simulator"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606
    _replace_root_key()
    # The client library has read them; Python's own TLS (Postgres) keeps the system's trust.
    del os.environ["SSL_CERT_FILE"], os.environ["SSL_CERT_DIR"]
    sys.argv = [module, *sys.argv[2:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _await_simulator(certificate: Path) -> None:
    """Wait until the certificate is there and the server listens."""
    patience = float(os.environ.get("SIMULATOR_PATIENCE_SECONDS", PATIENCE_SECONDS))
    deadline = time.monotonic() + patience
    while reason := _unready(certificate):
        if time.monotonic() > deadline:
            message = f"the simulator did not appear within {patience:.0f} s: {reason}"
            raise LaunchError(message)
        time.sleep(0.2)


def _unready(certificate: Path) -> str:
    """Why it is too early, or nothing. A public address is never connected to.

    A container's name server answers for the simulator only while that runs; before, it passes the
    question on and learns the address of the real WhatsApp.
    """
    if not certificate.exists():
        return f"no {certificate}"
    try:
        found = socket.getaddrinfo(HOST, 443, type=socket.SOCK_STREAM)
        addresses = [ipaddress.ip_address(entry[4][0]) for entry in found]
        public = [str(address) for address in addresses if address.is_global]
        if public:
            return f"{HOST} is {public[0]}, which is not the simulator"
        socket.create_connection((HOST, 443), timeout=5).close()
    except OSError as error:
        return f"{HOST}:443: {error}"
    return ""


def _replace_root_key() -> None:
    """Overwrite WhatsApp's root key in the library's writable data, where it is exactly once."""
    import neonize  # noqa: F401, PLC0415 - loads the library, after the environment is right

    places = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, mode, *_ = line.split()
        if "neonize" not in line or not mode.startswith("rw"):
            continue
        start, end = (int(side, 16) for side in span.split("-"))
        at = ctypes.string_at(start, end - start).find(WHATSAPP_ROOT)
        if at >= 0:
            places.append(start + at)
    if len(places) != 1:
        message = f"the root key is {len(places)} times in the client library, once expected"
        raise LaunchError(message)
    ctypes.memmove(places[0], SIMULATOR_ROOT, len(SIMULATOR_ROOT))


if __name__ == "__main__":
    try:
        main()
    except LaunchError as error:
        sys.exit(f"launch: {error}")
