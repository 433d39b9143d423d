"""The imitation with the official image's variables; what it was told outlives a restart in /opt/geoserver_data, its roles do not."""

from __future__ import annotations

import os
import pickle
import signal
import threading
from pathlib import Path

from geoserver_imitation import GeoServerImitation
from geoserver_state import State

KEPT = Path("/opt/geoserver_data/standin.pickle")
SECONDS = 2.0


def main() -> None:
    imitation = GeoServerImitation(
        8080, host="0.0.0.0", password=os.environ.get("GEOSERVER_ADMIN_PASSWORD") or "geoserver", checks_database=True
    )
    imitation.username = os.environ.get("GEOSERVER_ADMIN_USER") or "admin"
    if KEPT.exists():
        imitation.state = pickle.loads(KEPT.read_bytes())
        # The image writes users and roles anew from its template at every start.
        imitation.state.roles = State().roles
    imitation.start()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    print("imitating GeoServer on port 8080", flush=True)
    kept = b""
    while True:
        is_last = stopping.wait(SECONDS)
        with imitation._lock:
            now = pickle.dumps(imitation.state)
        if now != kept:
            partial = KEPT.with_suffix(".partial")
            partial.write_bytes(now)
            partial.replace(KEPT)
            kept = now
        if is_last:
            return


if __name__ == "__main__":
    main()
