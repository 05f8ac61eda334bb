"""Folders with more in them than images: nothing is left out without a note."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from builders.files import write_image, write_text

from auditor.datasets.folder import Folder
from auditor.errors import DataError, UnreadableImageError
from auditor.records import DataNote, Dataset


def _note(data: Dataset, start: str) -> DataNote:
    (note,) = [one for one in data.notes if one.text.startswith(start)]
    return note


def _heic(root: Path) -> None:
    write_text(root / "cat" / "2.HEIC", "ftypheic")


def _documents(root: Path) -> None:
    write_text(root / "cat" / "labels.csv", "a")
    write_text(root / "dog" / "readme", "a")


def _hidden(root: Path) -> None:
    for name in (".DS_Store", "cat/._1.png", "dog/Thumbs.db", ".cache/1.png", "cat/.git/1.png"):
        (root / name).parent.mkdir(exist_ok=True)
        write_text(root / name, "a")


def _in_the_root(root: Path) -> None:
    write_image(root / "loose.png")
    write_image(root / "loose.heic.jpg")


def _loop(root: Path) -> None:
    (root / "cat" / "again").symlink_to(root, target_is_directory=True)


def _self_loop(root: Path) -> None:
    (root / "cat" / "self").symlink_to(root / "cat", target_is_directory=True)


def _pipe(root: Path) -> None:
    os.mkfifo(root / "cat" / "pipe.png")


def _not_utf_8(root: Path) -> None:
    os.close(os.open(os.fsencode(root / "cat") + b"/\xff.png", os.O_CREAT))


def _own_link(root: Path) -> None:
    (root / "cat" / "own").symlink_to(root / "cat" / "own")
    (root / "own").symlink_to(root / "own")


def _nested(root: Path) -> None:
    write_image(root / "cat" / "deep" / "2.png")


@pytest.mark.parametrize(
    ("add", "n_left_out", "start", "words"),
    [
        (_heic, 0, "1 image in a format", ".heic: 1), such as cat/2.HEIC"),
        (
            _documents,
            2,
            "2 files are no images",
            "(.csv: 1 and no suffix: 1), such as cat/labels.csv",
        ),
        (_hidden, 5, "5 hidden files and folders were left out", "such as .DS_Store"),
        (_in_the_root, 2, "2 images lie directly in the folder", "have no class"),
        (_self_loop, 1, "1 link leads to a folder that contains it", "such as cat/self"),
        (_loop, 1, "1 link leads to a folder that contains it", "such as cat/again"),
        (_pipe, 1, "1 entry is neither a file nor a folder", "such as cat/pipe.png"),
        (_not_utf_8, 1, "1 file or folder was left out, because", "such as cat/\\xff.png"),
        (_own_link, 2, "2 files are no images", "(no suffix: 2)"),
        (_nested, 0, "1 image in sub-folders", "such as cat/deep/2.png"),
    ],
)
def test_entry_that_is_no_image_of_a_class_is_counted(
    add: Callable[[Path], None], n_left_out: int, start: str, words: str, tmp_path: Path
) -> None:
    root = tmp_path / "data"
    for name in ("cat/1.png", "dog/1.png"):
        write_image(root / name)
    add(root)
    data = Folder(path=root).open()
    note = _note(data, start)
    assert note.n_left_out == n_left_out
    assert words in note.text
    assert sum(one.n_left_out for one in data.notes) == n_left_out


def test_undecodable_format_is_a_sample_that_is_not_evaluated(tmp_path: Path) -> None:
    write_image(tmp_path / "cat/1.png")
    write_text(tmp_path / "cat/2.heic", "ftypheic")
    assert Folder(path=tmp_path).open().samples.index.tolist() == ["cat/1.png", "cat/2.heic"]


def test_image_that_is_a_link_to_itself_is_missing(tmp_path: Path) -> None:
    for name in ("cat/1.png", "dog/1.png"):
        write_image(tmp_path / name)
    (tmp_path / "cat" / "2.png").symlink_to(tmp_path / "cat" / "2.png")
    (tmp_path / "dog" / "2.png").symlink_to("nowhere.png")
    data = Folder(path=tmp_path).open()
    assert data.samples.index.tolist() == ["cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png"]
    assert [one.text for one in data.notes] == [
        "1 of 4 image files is a circular link, such as cat/2.png; these samples are not evaluated",
        "1 of 4 image files is a link to nothing, such as dog/2.png; these samples are not evaluated",
    ]
    with pytest.raises(UnreadableImageError) as caught:
        data.images[1].image  # noqa: B018 - decodes the image
    assert caught.value.reason in {"missing", "unreadable"}


def _absent(root: Path) -> None:
    root.rmdir()


def _file(root: Path) -> None:
    root.rmdir()
    root.touch()


def _circle(root: Path) -> None:
    root.rmdir()
    root.symlink_to(root)


@pytest.mark.parametrize(
    ("change", "message"),
    [(_absent, "it does not exist"), (_file, "it is no folder"), (_circle, "it is no folder")],
)
def test_path_that_is_no_folder_is_refused(
    change: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    root = tmp_path / "data"
    root.mkdir()
    change(root)
    with pytest.raises(DataError, match=f"{message}: correct the path"):
        Folder(path=root).open()


def test_linked_folders_are_followed(tmp_path: Path) -> None:
    root, other = tmp_path / "data", tmp_path / "other"
    write_image(root / "cat/1.png")
    write_image(other / "2.png")
    (root / "cat" / "linked").symlink_to(other, target_is_directory=True)
    (root / "dog").symlink_to(other, target_is_directory=True)
    data = Folder(path=root).open()
    assert data.samples.index.tolist() == ["cat/1.png", "cat/linked/2.png", "dog/2.png"]


def test_unreadable_folder_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cat/1.png", "cat/locked/2.png"):
        write_image(tmp_path / name)
    scan = os.scandir

    def denied(path: Path) -> object:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", denied)
    data = Folder(path=tmp_path).open()
    assert data.samples.index.tolist() == ["cat/1.png"]
    assert _note(data, "1 folder could not be read").n_left_out == 1


def test_folders_of_parts_are_recognised(tmp_path: Path) -> None:
    for name in ("train/cat/1.png", "train/dog/1.png", "test/cat/1.png", "test/dog/1.png"):
        write_image(tmp_path / name)
    note = _note(Folder(path=tmp_path).open(), "4 images in sub-folders")
    assert "set data.path to one of the folders, such as test" in note.text


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (("1.png", "2.png"), "no sub-folders; 2 images lie directly in it: move them"),
        (("cat/notes.txt",), "found none; 1 file is no image according to its suffix"),
        ((), "expected one sub-folder per class"),
    ],
)
def test_folder_without_images_of_classes_is_refused(
    files: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    for name in files:
        path = tmp_path / name
        if path.suffix == ".png":
            write_image(path)
        else:
            path.parent.mkdir()
            write_text(path, "a")
    with pytest.raises(DataError) as caught:
        Folder(path=tmp_path).open()
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "written",
    ["cat/1.png", "./cat/1.png", "cat\\1.png", "CAT/1.PNG", "data/cat/1.png", "{root}/cat/1.png"],
)
def test_attributes_are_matched_by_any_spelling_of_the_path(written: str, tmp_path: Path) -> None:
    root = tmp_path / "data"
    for name in ("cat/1.png", "cat/2.png", "dog/1.png"):
        write_image(root / name)
    table = tmp_path / "about.csv"
    write_text(table, f"file,site\n{written.format(root=root)},north\ncat/9.png,south\n")
    data = Folder(path=root, attributes=table).open()
    assert data.samples["site"].fillna("-").tolist() == ["north", "-", "-"]
    assert _note(data, "2 of 3 images have no row in about.csv, such as cat/2.png").n_left_out == 0
    assert (
        _note(data, "1 of 2 rows in about.csv match no image, such as 'cat/9.png'").n_left_out == 1
    )


def test_attributes_of_the_training_data_are_counted_alike(tmp_path: Path) -> None:
    root, trained = tmp_path / "data", tmp_path / "trained"
    for folder in (root, trained):
        for name in ("cat/1.png", "dog/1.png"):
            write_image(folder / name)
    write_image(trained / "loose.png")
    about = write_text(tmp_path / "about.csv", "file,site\ncat/1.png,a\ndog/1.png,b\n")
    of_trained = write_text(tmp_path / "trained.csv", "file,site\ncat/1.png,a\n")
    data = Folder(
        path=root, attributes=about, reference=trained, reference_attributes=of_trained
    ).open()
    assert _note(data, "reference: 1 image lies directly in the folder")
    assert _note(data, "reference: 1 of 2 images have no row in trained.csv")
