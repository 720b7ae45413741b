"""Asks the bridge in this container for an 8-character code, for whoever is to type it."""

import http.client
import sys

from bridge.settings import Settings

ANSWER_S = 90  # WhatsApp may take 75 s


def ask_code(settings: Settings) -> int:
    """Print the bridge's answer; 0 if it holds a code."""
    bridge = http.client.HTTPConnection("127.0.0.1", settings.port, timeout=ANSWER_S)
    shown = {"Authorization": f"Bearer {settings.api_token}"}
    bridge.request("POST", "/pairing/code", headers=shown)
    answer = bridge.getresponse()
    sys.stdout.write(f"{answer.read().decode()}\n")
    return 0 if answer.status == http.client.CREATED else 1
