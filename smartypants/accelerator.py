"""Whether this machine has an NVIDIA GPU, asked without importing torch."""

from __future__ import annotations

import shutil
import subprocess

from smartypants.settings import Settings


def has_gpu(settings: Settings) -> bool:
    """True if the settings say so, or say `auto` and `nvidia-smi` lists a GPU."""
    if settings.accelerator != "auto":
        return settings.accelerator == "gpu"
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return False
    listing = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=20, check=False)
    return listing.returncode == 0 and "GPU" in listing.stdout
