"""Local paths and addresses such as ``s3://bucket/folder``, read and written by the same few functions.

Addresses are opened by fsspec, which is optional: ``pip install 'deepfake[remote]'``, and the package of the
protocol beside it (``s3fs`` for ``s3://``).
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from deepfake.errors import UserError
from deepfake.images.formats import IMAGE_EXTENSIONS
from deepfake.util.files import write_whole

_ADDRESS = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")


class LocationError(UserError):
    """A folder or file that cannot be opened or written.

    Codes: ``no_fsspec``, ``no_protocol``, ``not_found``, ``unreadable``, ``not_written``.
    """


def is_address(text: str) -> bool:
    """Whether a text names something that fsspec opens; ``file://`` stands for a local path."""
    return bool(_ADDRESS.match(text)) and not text.startswith("file://")


def local_path(text: str) -> str:
    """A local path as it was given, without ``file://``."""
    return text.removeprefix("file://")


def open_address(address: str) -> tuple[Any, str]:
    """fsspec's file system for an address, and the path in it.

    Raises:
        LocationError: ``no_fsspec``, or ``no_protocol``: nothing here opens such an address.
    """
    try:
        core: Any = importlib.import_module("fsspec.core")  # optional, so not among the requirements
    except ImportError as error:
        raise LocationError(
            "no_fsspec",
            f"{address} is opened by fsspec, which is not installed. Run: pip install fsspec, and s3fs for s3://.",
        ) from error
    try:
        return core.url_to_fs(address)
    except (ImportError, ValueError) as error:
        raise LocationError(
            "no_protocol",
            f"{address} cannot be opened: {str(error).rstrip('.')}. Install what is missing, or use another "
            "address.",
        ) from error
    except Exception as error:  # a package of the protocol raises what it likes
        raise _closed(address, error) from error


def read_address(address: str, most: int) -> bytes:
    """The bytes of a file at an address, at most one more than ``most``.

    Raises:
        LocationError: ``not_found``, ``unreadable``, or as ``open_address``.
    """
    system, path = open_address(address)
    try:
        with system.open(path, "rb") as file:
            return file.read(most + 1)
    except FileNotFoundError as error:
        raise LocationError("not_found", "There is no such file. Check the address.") from error
    except Exception as error:
        raise _closed(address, error) from error


def images_below(address: str) -> Iterator[str]:
    """The addresses of all images below a folder, by extension, hidden ones left out; or the one file.

    Raises:
        LocationError: ``not_found``, ``unreadable``, or as ``open_address``; also in the middle, where a
            folder may not be listed.
    """
    system, path = open_address(address)
    try:
        if system.info(path)["type"] == "file":
            yield address
            return
        for folder, _, names in system.walk(path, on_error="raise"):
            if any(part.startswith(".") for part in folder[len(path) :].split("/")):
                continue
            for name in sorted(names):
                if not name.startswith(".") and name.lower().endswith(tuple(IMAGE_EXTENSIONS)):
                    yield system.unstrip_protocol(f"{folder}/{name}")
    except FileNotFoundError as error:
        raise LocationError("not_found", "There is no such file or folder. Check the address.") from error
    except Exception as error:
        raise _closed(address, error) from error


def _closed(address: str, error: Exception) -> LocationError:
    return LocationError(
        "unreadable",
        f"{address} cannot be read ({type(error).__name__}: {error}). Check address, rights and network.",
    )


class Folder(Protocol):
    """Where a run keeps its files: few, flat, each written whole or not at all."""

    @property
    def name(self) -> str:
        """For a person."""
        ...

    def names(self) -> list[str]:
        """Of its files; empty where it is not there yet."""
        ...

    def read(self, name: str) -> bytes:
        """A file's bytes."""
        ...

    def write(self, name: str, content: bytes) -> None:
        """Writes a file, making the folder where it is missing."""
        ...

    def remove(self, name: str) -> None:
        """Removes a file, where it is there."""
        ...


class LocalFolder:
    """A folder of this machine, or one that is mounted here."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def name(self) -> str:
        """Its path."""
        return str(self.path)

    def names(self) -> list[str]:
        """Of its files, sorted."""
        try:
            return sorted(entry.name for entry in self.path.iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise LocationError("unreadable", f"{self.path} cannot be listed: {error.strerror}.") from error

    def read(self, name: str) -> bytes:
        """A file's bytes."""
        try:
            return (self.path / name).read_bytes()
        except OSError as error:
            raise LocationError(
                "unreadable", f"{self.path / name} cannot be read: {error.strerror}."
            ) from error

    def write(self, name: str, content: bytes) -> None:
        """Writes a file so that no reader ever sees half of it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            write_whole(self.path / name, content)
        except OSError as error:
            raise not_written(str(self.path / name), error) from error

    def remove(self, name: str) -> None:
        """Removes a file."""
        try:
            (self.path / name).unlink(missing_ok=True)
        except OSError as error:
            raise not_written(str(self.path / name), error) from error


class RemoteFolder:
    """A folder at an address. Object stores show a file when all of it has arrived."""

    def __init__(self, address: str) -> None:
        self._address = address.rstrip("/")
        self._system, self._path = open_address(self._address)

    @property
    def name(self) -> str:
        """Its address."""
        return self._address

    def names(self) -> list[str]:
        """Of its files, sorted."""
        try:
            self._system.invalidate_cache()
            return sorted(path.rsplit("/", 1)[-1] for path in self._system.ls(self._path, detail=False))
        except FileNotFoundError:
            return []
        except Exception as error:
            raise _closed(self._address, error) from error

    def read(self, name: str) -> bytes:
        """A file's bytes."""
        try:
            return self._system.cat_file(f"{self._path}/{name}")
        except Exception as error:
            raise _closed(f"{self._address}/{name}", error) from error

    def write(self, name: str, content: bytes) -> None:
        """Writes a file."""
        try:
            self._system.makedirs(self._path, exist_ok=True)
            self._system.pipe_file(f"{self._path}/{name}", content)
        except Exception as error:
            raise not_written(f"{self._address}/{name}", error) from error

    def remove(self, name: str) -> None:
        """Removes a file."""
        try:
            self._system.rm_file(f"{self._path}/{name}")
        except FileNotFoundError:
            return
        except Exception as error:
            raise not_written(f"{self._address}/{name}", error) from error


def open_folder(text: str) -> Folder:
    """A folder to fill, by its path or address; nothing is made yet.

    Raises:
        LocationError: as ``open_address``.
    """
    return RemoteFolder(text) if is_address(text) else LocalFolder(Path(local_path(text)))


def not_written(name: str, error: Exception) -> LocationError:
    """``not_written``: what the system, or the package of a protocol, says of a file."""
    why = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
    return LocationError(
        "not_written",
        f"{name} cannot be written: {why}. Check free space and rights, or give another folder.",
    )
