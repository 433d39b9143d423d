"""Log lines for people or, one JSON object each, for Loki; every line names the run it belongs to."""

from __future__ import annotations

import json
import logging
import time
from datetime import UTC, datetime

from rich.console import Console
from rich.logging import RichHandler

from services.settings import LogSettings
from services.tracing import RunIdFilter

# Libraries that tell every request at the level info, with its URL: addresses of letters stand in some.
TALKATIVE = ("httpx", "httpx2", "httpcore", "botocore", "uvicorn.access")
# These tell a broken connection with its URL as a warning; our own errors say the same without.
REPEATING = ("urllib3", "clickhouse_connect")


class JsonLines(logging.Formatter):
    """One JSON object per record: at (UTC), level, logger, run_id, message and, after an exception, trace."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "run_id": getattr(record, "run_id", "-"),
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def start_logging(settings: LogSettings, console: Console, *, verbose: bool = False) -> None:
    """Send all log lines to this console: in colours to a terminal, plain or as JSON to whatever collects them."""
    handler: logging.Handler
    if settings.format == "json":
        handler = logging.StreamHandler(console.file)
        handler.setFormatter(JsonLines())
    elif console.is_terminal:
        handler = RichHandler(console=console, show_path=False)
        handler.setFormatter(logging.Formatter("[%(run_id)s] %(message)s"))
    else:
        handler = logging.StreamHandler(console.file)
        formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s [%(run_id)s] %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
        formatter.converter = time.gmtime
        handler.setFormatter(formatter)
    handler.addFilter(RunIdFilter())
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    logging.basicConfig(level=min(level, logging.INFO) if verbose else level, handlers=[handler], force=True)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in REPEATING:
        logging.getLogger(name).setLevel(logging.ERROR)
