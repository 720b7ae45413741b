"""Captures in one thread and interprets in another until it is killed; a program of its own.

Arguments: the volume, and the number of this life. Prints the id of each message it stored.
"""

import itertools
import os
import sys
import threading
import time
from pathlib import Path

from tests.bridge.events import info, message, phone
from tests.bridge.filled import feed, open_store, rules


def main() -> None:
    """Until killed."""
    volume, life = Path(sys.argv[1]), int(sys.argv[2])
    store = open_store(volume)
    store.apply_rules(rules())

    def interpret() -> None:
        while True:
            if not store.interpret_pending():
                time.sleep(0.001)
            store.checkpoint()
            store.mark_published("db", store.pending_mentions("db", 50))

    threading.Thread(target=interpret, daemon=True).start()
    for number in itertools.count(1_000_000 + life * 100_000):
        feed(store, [("message", message(info(f"M{number}", phone("2782")), f"DR{number} done"))])
        os.write(1, f"M{number}\n".encode())


if __name__ == "__main__":
    main()
