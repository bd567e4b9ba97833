"""The server's log: what was called and what failed, never what was asked for."""

from __future__ import annotations

import logging

log = logging.getLogger("huabi.serve")
