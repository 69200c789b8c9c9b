"""Several collections of faces -> one data set in one form, so that no source can be told by its files.

Detectors trained on collections as they are learn what tells the collections apart: resolution, JPEG
tables, file names. Here every picture becomes its centre square at one size, after one JPEG pass whose
quality is drawn from the same range for both classes.
"""

from __future__ import annotations

import hashlib
import shutil
import tomllib
from collections.abc import Callable, Container, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deepfake.data.families import read_metadata, read_names, whole_families
from deepfake.data.inventory import read_header
from deepfake.errors import UserError
from deepfake.faces.finder import crop, find_faces
from deepfake.images.hashing import LIKE_BITS, perceptual_hash
from deepfake.images.load import ImageRefused, load_image
from deepfake.images.pixels import centre_part, centre_square, resize
from deepfake.images.walk import list_image_files
from deepfake.perturbations.primitives import jpeg
from deepfake.types import Pixels
from deepfake.util.files import replacing

_BLACK = 10  # what a JPEG pass leaves of black is darker
_FILLED = 0.75  # share of a line that is brighter: more in a picture, less in a caption
_OFF = 4  # pixels by which a picture may differ from the side given


def cut_tiles(pixels: Pixels, side: int) -> list[Pixels]:
    """The square pictures of one size that lie on black, without what is written between them.

    A picture with a black edge is not found.

    Args:
        pixels: (H, W, 3) uint8: the sheet.
        side: of a picture, in pixels, to within 4.

    Returns:
        (about side, about side, 3) uint8 each, from left to right, each column from the top.
    """
    bright = pixels.max(axis=2) > _BLACK
    tiles = []
    for left, right in _runs(bright.mean(axis=0) > bright.mean(axis=0).max() / 3, side):
        for top, bottom in _runs(bright[:, left:right].mean(axis=1) > _FILLED, side):
            tiles.append(np.ascontiguousarray(pixels[top:bottom, left:right]))
    return tiles


def _runs(inside: NDArray[np.bool_], length: int) -> list[tuple[int, int]]:
    """Where ``inside`` holds on end for about ``length``."""
    edges = np.flatnonzero(np.diff(np.r_[False, inside, False].astype(np.int8)))
    pairs = edges.reshape(-1, 2)
    return [(int(start), int(end)) for start, end in pairs if abs(end - start - length) <= _OFF]


IMAGE_SIDE = 256
QUALITIES = (70, 95)  # of the one JPEG pass, lowest and highest
STORED_QUALITY = 95


class GatheringError(UserError):
    """A plan cannot be followed."""


@dataclass(frozen=True)
class SourceFolder:
    """One folder of a plan.

    Attributes:
        path: the folder, relative to where the collections lie.
        source: the name under which its images are balanced and reported.
        generator: what made the fakes, or which camera source the photographs are from.
        label: ``Fake`` or ``Real``.
        split: ``Train`` or ``Validation``, or "" to split by a hash of the file's name.
        validation: share of the names that goes to Validation where ``split`` is "".
        part: which part of the names is taken, from and to in [0, 1]: lets two sources share a folder.
        group: names up to this sign belong together (frames of one video) and share a split and the quality
            of the JPEG pass; "" for none.
        skip: file names that hold one of these are left out.
        only: file names that begin with one of these are taken; () takes all.
        files: exactly these are taken, named by their place in the folder, with slashes; () takes all.
        coarseness: only JPEG files of this coarseness (``header_facts``) are taken: where the classes were
            saved at different qualities, the one that both have. None takes every file.
        tile: the files are sheets of square pictures of this side in pixels, on black (``tiles``); 0: one
            picture a file.
        middle: the share of either side that is kept around the centre; less than 1 cuts off a watermark.
        faces: take the faces, framed as they are judged, in place of the whole picture.
        most_faces: so many of a picture's faces, the largest first; 0 takes all. In the frames of a swapped
            video the other faces are nobody's.
        as_it_is: keep the file's bytes; for sources whose two classes already share one form.
        metadata: the collection's table, relative to where the collections lie, that tells each file's label
            and which original a fake was made of (``families.read_metadata``). Taken are files of this
            ``label`` whose family has both sides; a family shares ``part``, split and JPEG quality.
        left_out: a list of names, relative to where the collections lie, that are not taken, nor any fake of
            an original that stands in it; "" for none.
        min_side: least pixels of the shorter side, as the table tells it or, without one, of the file.
        per_family: most files of either label that a family gives; 0 takes all.
    """

    path: str
    source: str
    generator: str
    label: str
    split: str = ""
    validation: float = 0.1
    part: tuple[float, float] = (0.0, 1.0)
    group: str = ""
    skip: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    coarseness: float | None = None
    tile: int = 0
    middle: float = 1.0
    faces: bool = False
    most_faces: int = 0
    as_it_is: bool = False
    metadata: str = ""
    left_out: str = ""
    min_side: int = 0
    per_family: int = 0


def read_plan(plan: Path) -> list[SourceFolder]:
    """The ``[[folder]]`` tables of a TOML file.

    Raises:
        GatheringError: code ``bad_plan``: it is missing, not TOML or names an unknown setting.
    """
    try:
        entries = tomllib.loads(plan.read_text(encoding="utf-8"))["folder"]
        return [_folder(entry) for entry in entries]
    except (OSError, KeyError, TypeError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise GatheringError(
            "bad_plan", f"{plan} cannot be read as a plan ({error}). Expected [[folder]] tables in TOML."
        ) from error


def settings_of(entry: dict[str, Any]) -> dict[str, Any]:
    """A table of a plan, with tuples for its lists."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}


def _folder(entry: dict[str, Any]) -> SourceFolder:
    folder = SourceFolder(**settings_of(entry))
    if folder.per_family and not folder.metadata:
        raise GatheringError(
            "bad_plan",
            f"The folder {folder.path} has per_family and no metadata: no table tells its families. Name the "
            "collection's table as metadata, or leave per_family out.",
        )
    return folder


def gather(
    folders: Iterable[SourceFolder],
    collections: Path,
    out: Path,
    *,
    unlike: Iterable[Path] = (),
    each: int | None = None,
    whole: Container[str] = (),
    say: Callable[[str], None] = print,
) -> pd.DataFrame:
    """Writes the data set: ``out/SOURCE/SPLIT/LABEL/NAME.jpg`` and ``manifest.csv``.

    Args:
        folders: what to take.
        collections: where the collections lie.
        out: an empty or new folder.
        unlike: folders of images that must not be learnt from: what looks like one of them, or has its
            name (what follows ``__``), is left out.
        each: at most so many files of each folder, drawn by a hash of their names, or of their families'
            names, so that both sides of a family are drawn; None takes all.
        whole: sources that are taken whole all the same.
        say: takes lines for the person who waits.

    Returns:
        The manifest: path, split, label, source, generator, group (what belongs together: the family's
        original, what a name holds before ``SourceFolder.group``, or the file's own name).

    Raises:
        GatheringError: ``no_folder``: a folder of the plan, or a file that it names, is missing;
            ``not_empty``: ``out`` holds files.
        FamilyError: a collection's table, or a list of names to leave out, is missing or cannot be used.
    """
    folders = list(folders)
    _refuse_missing(folders, collections)
    if out.exists() and any(out.iterdir()):
        raise GatheringError("not_empty", f"{out} is not empty. Give a new folder.")
    wanted = [_wanted(folder, collections, say) for folder in folders]  # refuses before the long work
    names, hashes = _kept_out(unlike)
    rows: list[dict[str, str]] = []
    cv2.setNumThreads(0)
    for folder, families in zip(folders, wanted, strict=True):
        most = None if folder.source in whole else each
        taken = _take(_Choice(folder, names, hashes, families), collections, out, most)
        rows += taken
        say(f"{folder.source} {folder.label} ({folder.generator}): {len(taken):,} from {folder.path}")
    table = pd.DataFrame(rows).sort_values("path").reset_index(drop=True)
    with replacing(out / "manifest.csv") as partial:
        table.to_csv(partial, index=False)
    return table


def _refuse_missing(folders: list[SourceFolder], collections: Path) -> None:
    missing = [
        str(collections / folder.path) for folder in folders if not (collections / folder.path).is_dir()
    ]
    if missing:
        raise GatheringError("no_folder", f"Folders of the plan are missing: {', '.join(missing)}.")
    files = [collections / folder.path / file for folder in folders for file in folder.files]
    absent = [str(file) for file in files if not file.is_file()]
    if absent:
        more = f" and {len(absent) - 3:,} more" if len(absent) > 3 else ""
        raise GatheringError(
            "no_folder",
            f"Files that the plan names are missing: {', '.join(absent[:3])}{more}. Fetch the collection as "
            "it stood at the commit that the plan names.",
        )


def _wanted(folder: SourceFolder, collections: Path, say: Callable[[str], None]) -> dict[str, str] | None:
    """The family of each file that the folder's table and list leave, by name; None where all are taken."""
    left_out = read_names(collections / folder.left_out) if folder.left_out else frozenset()
    if not folder.left_out and not folder.metadata:
        return None
    there = [file.stem for file in list_image_files(collections / folder.path)]
    if not folder.metadata:
        return {name: "" for name in there if name not in left_out}
    taken = whole_families(
        read_metadata(collections / folder.metadata, sizes=folder.min_side > 0),
        there,
        left_out=left_out,
        min_side=folder.min_side,
        per_family=folder.per_family,
        say=lambda line: say(f"{folder.path}: {line}"),
    )
    return {member.name: member.family for member in taken if member.label == folder.label}


@dataclass(frozen=True)
class _Choice:
    """What of a folder is taken.

    Attributes:
        names, hashes: of the images that must not be learnt from.
        families: the family of each file that table and list leave, by name; None where all are left.
    """

    folder: SourceFolder
    names: set[str]
    hashes: NDArray[np.uint8]
    families: dict[str, str] | None

    def family(self, file: Path) -> str:
        return (self.families or {}).get(file.stem, "")

    def by_name(self, file: Path) -> bool:
        folder = self.folder
        if not takes_name(file, folder.only, folder.skip):
            return False
        if file.stem in self.names and not folder.as_it_is:
            return False
        if self.families is not None and file.stem not in self.families:
            return False
        return in_part(self.family(file) or file.stem, folder.part)

    def by_file(self, file: Path) -> bool:
        coarseness = self.folder.coarseness
        return self.by_name(file) and (coarseness is None or read_header(str(file)).coarseness == coarseness)

    def by_pixels(self, pixels: Pixels) -> bool:
        if not self.folder.metadata and min(pixels.shape[:2]) < self.folder.min_side:
            return False
        return not _is_like(pixels, self.hashes)


def _take(choice: _Choice, collections: Path, out: Path, each: int | None = None) -> list[dict[str, str]]:
    folder, root = choice.folder, collections / choice.folder.path

    def some(file: Path) -> list[dict[str, str]]:
        if not choice.by_file(file):
            return []
        try:
            pixels = load_image(file).pixels
        except ImageRefused:
            return []
        return _write(choice, root, file, pixels, out) if choice.by_pixels(pixels) else []

    files = [root / name for name in sorted(folder.files)] or list_image_files(root)
    # Of x.jpg and x.png one: both would be written to the same place.
    named = {file.with_suffix(""): file for file in reversed(files)}
    chosen = sorted(named.values())
    if each is not None:  # a part that does not depend on what else lies there
        fitting = (file for file in chosen if choice.by_file(file))
        drawn = sorted(fitting, key=lambda file: name_draw(f"each {choice.family(file) or file.stem}"))
        chosen = sorted(drawn[:each])
    with ThreadPoolExecutor() as pool:
        return [row for rows in pool.map(some, chosen) for row in rows]


def _write(choice: _Choice, root: Path, file: Path, pixels: Pixels, out: Path) -> list[dict[str, str]]:
    """Writes what is taken of one picture; its rows of the manifest."""
    folder = choice.folder
    group = choice.family(file) or (file.stem.split(folder.group)[0] if folder.group else file.stem)
    draw = name_draw(group)
    split = folder.split or ("Validation" if draw < folder.validation else "Train")
    inside = "-".join(file.relative_to(root).with_suffix("").parts).replace(" ", "_")
    split_folder = Path(folder.source) / split / folder.label
    (out / split_folder).mkdir(parents=True, exist_ok=True)
    if folder.as_it_is:
        targets = [split_folder / f"{inside}{file.suffix.lower()}"]
        shutil.copyfile(file, out / targets[0])
    else:
        parts = _parts(folder, pixels)
        targets = [split_folder / f"{folder.generator}-{inside}{suffix}.jpg" for suffix in parts]
        for target, part in zip(targets, parts.values(), strict=True):
            write_picture(out / target, in_one_form(part, draw))
    known = {"split": split, "label": folder.label, "source": folder.source, "generator": folder.generator}
    known["group"] = group
    return [{"path": target.as_posix(), **known} for target in targets]


def _parts(folder: SourceFolder, pixels: Pixels) -> dict[str, Pixels]:
    """What is taken of one file, by what its name ends in."""
    parts = {"": pixels}
    if folder.tile:
        parts = {f"-tile{index}": tile for index, tile in enumerate(cut_tiles(pixels, folder.tile))}
    for name, whole in parts.items():
        height, width = (round(folder.middle * side) for side in whole.shape[:2])
        parts[name] = centre_part(whole, height, width)
    if not folder.faces:
        return parts
    found = {name: find_faces(part, turned=False).faces for name, part in parts.items()}
    return {
        f"{name}-face{index}": crop(parts[name], face.crop)
        for name, faces in found.items()
        for index, face in enumerate(faces[: folder.most_faces or None])
    }


def write_picture(file: Path, pixels: Pixels) -> None:
    """Stores a training picture, uint8 (H, W, 3), as JPEG of ``STORED_QUALITY``; its folder is there."""
    cv2.imwrite(str(file), pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, STORED_QUALITY])


def in_one_form(pixels: Pixels, draw: float) -> Pixels:
    """Centre square, 256 px, one JPEG pass.

    Args:
        pixels: (H, W, 3) uint8.
        draw: in [0, 1): where in ``QUALITIES`` the pass lies.

    Returns:
        (256, 256, 3) uint8.
    """
    low, high = QUALITIES
    return jpeg(resize(centre_square(pixels), IMAGE_SIDE), low + int(draw * (high - low + 1)))


def takes_name(file: Path, only: tuple[str, ...], skip: tuple[str, ...]) -> bool:
    """Whether a file's name begins with one of ``only``, where there are any, and holds none of ``skip``."""
    return not any(word in file.name for word in skip) and (not only or file.name.startswith(only))


def in_part(name: str, part: tuple[float, float]) -> bool:
    """Whether a name falls into a part of all names, from and to in [0, 1]."""
    return part[0] <= name_draw(f"part {name}") < part[1]


def name_draw(name: str) -> float:
    """A number in [0, 1) that follows from a name."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:12], 16) / 16**12


def _kept_out(unlike: Iterable[Path]) -> tuple[set[str], NDArray[np.uint8]]:
    files = [file for folder in unlike for file in list_image_files(folder)]
    names = {file.stem.split("__", 1)[-1] for file in files}

    def hashed(file: Path) -> NDArray[np.uint8]:
        pixels = load_image(file).pixels
        return perceptual_hash(pixels)

    with ThreadPoolExecutor() as pool:
        hashes = list(pool.map(hashed, files))
    return names, np.array(hashes, np.uint8).reshape(-1, 8)


def _is_like(pixels: Pixels, hashes: NDArray[np.uint8]) -> bool:
    """Whether the picture, or its centre square, is one of those to be kept out."""
    mine = perceptual_hash(centre_square(pixels))
    apart = np.unpackbits(hashes ^ mine, axis=1).sum(axis=1)
    return bool(apart.size) and int(apart.min()) <= LIKE_BITS
