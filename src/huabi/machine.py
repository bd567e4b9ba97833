"""What this machine offers: device, precision, threads, memory."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path

import torch

from .cores import cores
from .errors import RequestError

_CGROUP = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def pick_device(name: str = "auto") -> torch.device:
    """`auto` takes a GPU where there is one; a device that is not there raises `RequestError`."""
    if name == "auto":
        local = int(os.environ.get("LOCAL_RANK", 0))
        if torch.cuda.is_available():
            return torch.device("cuda", local % torch.cuda.device_count())
        return torch.device("cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise RequestError(f"no device {name!r} on this machine; leave --device out, or say --device cpu") from None
    return device


def pick_precision(device: torch.device) -> str:
    """bf16 where the processor computes in it, else fp32; never fp16."""
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if device.type == "cpu":
        return "bf16" if _cpu_has_bf16() else "fp32"
    return "fp32"


def _cpu_has_bf16() -> bool:
    # only native instructions: emulated, bf16 is slower than fp32
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, name, bool)()) for name in checks)


def pick_threads() -> int:
    """The cores that this process may use, by affinity and by the cgroup's quota, shared among local processes."""
    return max(1, cores() // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))


def free_memory(device: torch.device) -> int:
    """Bytes that can still be taken on `device`, the cgroup's limit included."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    free = 4 << 30
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        if hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names:
            free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit, used in _CGROUP:
        try:
            free = min(free, int(Path(limit).read_text()) - int(Path(used).read_text()))
        except (OSError, ValueError):
            continue  # no such limit here
    return max(free, 0)


def processor() -> str:
    """The processor's name, for people."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def matrix_ceiling(device: torch.device, precision: str, seconds: float = 1.0) -> float:
    """FLOP/s of a large matrix product: what training steps are held against."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    n = 8192 if device.type == "cuda" else 2048
    a = torch.randn(n, n, device=device).to(dtype)
    best, end = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < end or best == 0.0:
        start = time.perf_counter()
        a @ a
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = max(best, 2 * n**3 / (time.perf_counter() - start))
    return best
