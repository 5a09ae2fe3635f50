"""Structured logs: one JSON object a line, for our own events and for the libraries' alike."""

from __future__ import annotations

import logging
import sys
import warnings
from typing import Literal, TextIO

import orjson
import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import Processor


def configure_logging(level: str, log_format: Literal["auto", "json", "console"]) -> None:
    """Sends every log line of the process to standard error; call once, where a process starts.

    Args:
        level: Least level of our own events: ``debug``, ``info``, ``warning`` or ``error``; of libraries: ``warning``.
        log_format: ``json``, ``console`` (for people), or ``auto``: ``console`` on a terminal.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    people = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    handler = _StandardError()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *(_for_people() if people else _for_machines()),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries speak up when something is wrong; below that some of them quote what they parse (EXIF, form fields).
    root.setLevel(logging.WARNING)
    logging.getLogger("facestats").setLevel(level.upper())
    # What they complain of is wrong in the request, whose caller is told. Once for the process, because filters set
    # around each photo are not safe between threads.
    for name in ("PIL", "python_multipart"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module=r"PIL\.")
    logging.captureWarnings(True)


class _StandardError(logging.StreamHandler[TextIO]):
    """Writes to standard error as it is at the time of writing."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr


def _for_people() -> list[Processor]:
    return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]


def _for_machines() -> list[Processor]:
    # Local variables would carry photos and embeddings into the log; an exception's message may quote what was sent.
    exceptions = ExceptionDictTransformer(show_locals=False)
    return [
        structlog.processors.ExceptionRenderer(exceptions),
        structlog.processors.JSONRenderer(serializer=lambda event, **_: orjson.dumps(event, default=repr).decode()),
    ]
