"""Third-party plugins for tests: a package with entry points, as pip would leave it."""

from __future__ import annotations

from pathlib import Path


def install(folder: Path, source: str, entry_points: str) -> None:
    """Put a module `acme_plugins` and its `dist-info` into a folder that is on the path."""
    (folder / "acme_plugins.py").write_text(source)
    info = folder / "acme_plugins-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-plugins\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry_points)
