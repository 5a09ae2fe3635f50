"""Where files lie: paths and URLs of any ``fsspec`` file system, folders with links, and what lies below what."""

from __future__ import annotations

import glob as python_glob
import os
import posixpath
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes

import fsspec
from fsspec.core import has_magic
from fsspec.implementations.local import LocalFileSystem, make_path_posix
from fsspec.utils import glob_translate

from facestats_bulk.errors import BulkError

_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://")
_FILE_URL = re.compile(r"(?:file|local):(?://(?P<host>[^/]*))?(?P<path>/.*)", re.IGNORECASE | re.DOTALL)


def open_url(url: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """The file system of a path or URL, and the path inside it.

    A path is taken as it is written, whatever letters it has; a ``file:`` URL is percent-decoded (RFC 8089). Chains of
    file systems (``zip://...::s3://...``) are none: ``::`` is part of a name.

    Raises:
        BulkError: There is no such file system, or its package is not installed.
    """
    if (local := _FILE_URL.fullmatch(url)) is not None:
        if (local["host"] or "localhost") != "localhost":
            raise BulkError(f"'{url}' names a file of the machine '{local['host']}'; write file:/// before a path.")
        return LocalFileSystem(), _without_end(os.fsdecode(unquote_to_bytes(os.fsencode(local["path"]))))
    match = _SCHEME.match(url)
    if match is None:
        return LocalFileSystem(), _without_end(make_path_posix(url))
    protocol = match["scheme"].lower()
    whole = protocol + url[match.end("scheme") :]
    try:
        kind = fsspec.get_filesystem_class(protocol)
        fs = fsspec.filesystem(protocol, **kind._get_kwargs_from_urls(whole))
    except (ImportError, ValueError, TypeError) as error:
        raise BulkError(f"'{url}' cannot be opened: {error}.") from error
    return fs, str(kind._strip_protocol(whole))


def is_whole(path: str) -> bool:
    """Whether a path says all of where its file is: absolute, or a URL."""
    return path.startswith("/") or _SCHEME.match(path) is not None or _FILE_URL.fullmatch(path) is not None


def full_path(fs: fsspec.AbstractFileSystem, path: str) -> str:
    """A path that ``open_url`` understands anywhere: absolute, or a URL."""
    return path if isinstance(fs, LocalFileSystem) else str(fs.unstrip_protocol(path))


def printable(path: str) -> str:
    """The path as valid Unicode: a file name's stray bytes are written as escapes."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def whole_path(path: str) -> str:
    """``full_path`` of a path or URL that is whole, without looking for the file system of a URL."""
    return path if _SCHEME.match(path) and not _FILE_URL.fullmatch(path) else full_path(*open_url(path))


def lies_below(path: str, roots: Iterable[str]) -> bool:
    """Whether a whole path is one of the roots (whole paths too) or lies below it, by its name.

    ``..`` is followed in local paths and refused in URLs, also where it is percent-encoded: what a server makes of it
    is its own affair.
    """
    if path.startswith("/"):
        path = "/" + posixpath.normpath(path).lstrip("/")
    elif ".." in re.split(r"[/\\]", unquote(path)):
        return False
    return any(f"{path.rstrip('/')}/".startswith(f"{root.rstrip('/')}/") for root in roots)


def glob(fs: fsspec.AbstractFileSystem, pattern: str) -> list[str]:
    """The files that match, sorted; names that begin with a dot only where the pattern's last part does."""
    if not isinstance(fs, LocalFileSystem):
        matches = fs.glob(pattern)
    elif "**" not in pattern:
        # fsspec's own does not go into linked folders, and pathlib's takes hidden ones.
        matches = python_glob.glob(pattern)  # noqa: PTH207
    else:
        folder, matching = pattern, re.compile(glob_translate(pattern))
        while has_magic(folder):
            folder = posixpath.dirname(folder)
        matches = filter(matching.match, walk(fs, folder)) if fs.isdir(folder) else []
    hidden = pattern.rpartition("/")[2].startswith(".")
    return [
        match
        for match in sorted(map(str, matches))
        if match.rpartition("/")[2].startswith(".") == hidden and not fs.isdir(match)
    ]


def walk(fs: fsspec.AbstractFileSystem, path: str) -> Iterator[str]:
    """The files in a folder at any depth, in a stable order; names that begin with a dot are left out.

    Links to folders are followed; each real folder is gone through once, so that links in a circle end.
    """
    if isinstance(fs, LocalFileSystem):
        yield from _walk_local(path, set())
        return
    for folder, folders, files in fs.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (f"{folder.rstrip('/')}/{name}" for name in sorted(files) if not name.startswith("."))


def _walk_local(folder: str, seen: set[tuple[int, int]]) -> Iterator[str]:
    status = Path(folder).stat()
    if (status.st_dev, status.st_ino) in seen:
        return
    seen.add((status.st_dev, status.st_ino))
    with os.scandir(folder) as entries:
        shown = sorted((entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith("."))
    yield from (f"{folder.rstrip('/')}/{name}" for name, is_folder in shown if not is_folder)
    for name, is_folder in shown:
        if is_folder:
            yield from _walk_local(f"{folder.rstrip('/')}/{name}", seen)


def _without_end(path: str) -> str:
    return path.rstrip("/") or "/"
