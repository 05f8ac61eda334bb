"""The commented configuration that ``auditor init`` writes."""

from __future__ import annotations

from pathlib import Path

from auditor import resources
from auditor.errors import OutputExistsError
from auditor.file_system import require_writable


def write_starter(folder: Path) -> Path:
    """Writes a commented configuration to start from.

    Args:
        folder: where to write it; created if necessary.

    Returns:
        The path of the file.

    Raises:
        OutputExistsError: the folder already contains a configuration of that name.
        FileSystemError: the folder can't be created or written.
    """
    path = folder / "audit.yaml"
    if path.exists():
        raise OutputExistsError(
            f"{path}: already exists and is not overwritten: choose another folder, or remove it"
        )
    require_writable(folder)
    folder.mkdir(parents=True, exist_ok=True)
    text = (resources.folder("configs") / "starter.yaml").read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    return path
