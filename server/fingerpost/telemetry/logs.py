"""Logs: one line an event, JSON unless a person reads along. No prompt ever stands in one."""

import logging
import sys

import structlog


def configure_logs(log_format: str, *, quiet: bool = False) -> None:
    """Send events to standard error as JSON or, on a terminal, as coloured text; quiet ones only from errors up."""
    readable = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    renderer = structlog.dev.ConsoleRenderer() if readable else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR if quiet else logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
