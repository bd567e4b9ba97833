"""How many processor cores this process may use; it needs no torch, so that decoding can ask as well."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def cores() -> int:
    """The cores that affinity and the cgroup's quota leave, at least 1."""
    number = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    share = _quota()
    return max(1, number if share is None else min(number, round(share)))


def _quota() -> float | None:
    """The cgroup's limit in cores (version 2, then version 1), or None where there is none."""
    try:
        quota, period = (_CGROUP / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota, period = ((_CGROUP / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        except OSError:
            return None
    return int(quota) / int(period) if quota.strip() not in ("max", "-1") else None
