"""Nothing leaks: secrets and buyers carry marks, which may stand only where they have to."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.system.simulation.accounts import SECRET
from tests.system.simulation.rows import BUYER

if TYPE_CHECKING:
    from tests.system.simulation.history import History

_LOGGERS = ("functions", "orchestrator")
#: Log lines that only a defect writes.
_CRASHES = {"message_crashed", "request_crashed", "message_invalid"}
_STANDARD = frozenset(vars(logging.makeLogRecord({})))
_SECRET, _BUYER = SECRET.encode(), BUYER.encode()


class Leaks(logging.Handler):
    """Searches everything that leaves the product, its log included."""

    def __init__(self, history: History) -> None:
        super().__init__(logging.INFO)
        self._history = history

    @contextmanager
    def listening(self) -> Iterator[None]:
        """The product's log goes here, and nowhere else."""
        loggers = [logging.getLogger(name) for name in _LOGGERS]
        before = [(logger.level, logger.propagate) for logger in loggers]
        for logger in loggers:
            logger.addHandler(self)
            logger.setLevel(logging.INFO)
            logger.propagate = False
        try:
            yield
        finally:
            for logger, (level, propagate) in zip(loggers, before, strict=True):
                logger.removeHandler(self)
                logger.setLevel(level)
                logger.propagate = propagate

    def search(self, where: str, content: bytes, *, buyer: bool = True) -> None:
        """Note a violation where a mark stands; `buyer` says whether a buyer's counts."""
        if _SECRET in content or (buyer and _BUYER in content):
            self._history.violated(f"{where} holds what it must not hold: {content!r}")

    def emit(self, record: logging.LogRecord) -> None:
        """Search a log line; a line that tells of a crash is a violation itself."""
        text = record.getMessage()
        fields = [str(value) for name, value in vars(record).items() if name not in _STANDARD]
        if record.exc_info:
            fields.append(self.formatException(record.exc_info))
        whole = f"{text} {' '.join(fields)}"
        self._history.say(f"logs {text}")
        self.search("a log line", whole.encode())
        defect = "defect: " in text and " at market.py" not in text and " at rows.py" not in text
        action = getattr(record, "action", "")
        if action in _CRASHES or defect:
            self._history.violated(f"the product crashed: {whole}")

    @staticmethod
    def formatException(info: object) -> str:  # noqa: N802 - logging's own name
        """The traceback's text."""
        return logging.Formatter().formatException(info)  # type: ignore[arg-type]
