"""Tables of images with odd paths, boxes and masks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from builders.files import write_image, write_text
from PIL import Image

from auditor.config import Preprocess
from auditor.datasets.manifest import Manifest
from auditor.datasets.object_cells import BoxFormat, read_boxes
from auditor.datasets.object_regions import object_mask, usable_regions
from auditor.errors import DataError
from auditor.imaging import open_mask
from auditor.records import Dataset

AS_IT_IS = Preprocess(mean=(0,), std=(1,))


def _open(folder: Path, text: str, **options: Any) -> Dataset:
    write_image(folder / "images" / "a.png")  # 4 × 3
    write_image(folder / "images" / "b.png")
    return Manifest(path=write_text(folder / "t.csv", text), **options).open()


def _texts(data: Dataset) -> str:
    return "\n".join(one.text for one in data.notes)


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("images/a.png", "images/a.png"),
        ("images\\a.png", "images/a.png"),
        ("./images/a.png", "images/a.png"),
        ("{folder}/images/a.png", "images/a.png"),
    ],
)
def test_image_path_in_any_spelling_is_found(written: str, path: str, tmp_path: Path) -> None:
    data = _open(tmp_path, f"file,label\n{written.format(folder=tmp_path)},x\n")
    assert data.samples.index.tolist() == [path]
    assert data.images[0].image.size == (4, 3)
    assert not data.notes


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (
            "images/A.png,x\nimages/b.png,y",
            "1 of 2 image files does not exist, such as images/A.png (there",
        ),
        ("images/a.png,x\nimages/c.png,y", "such as images/c.png; these samples are not evaluated"),
        ("images/a.png,x\nimages/a.png,x", "1 row names a file that an earlier row names"),
        (f"images/a.png,x\n{'n' * 300}.png,y", "1 of 2 image files does not exist"),
    ],
)
def test_row_without_an_image_of_its_own_is_counted(rows: str, words: str, tmp_path: Path) -> None:
    data = _open(tmp_path, f"file,label\n{rows}\n")
    assert len(data) == 2
    assert words in _texts(data)


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (
            ["https://x.org/a.png"],
            "URLs are not downloaded, and no path holds a NUL; got 1 of 1 rows",
        ),
        ([b"\x89PNG"], "write them to files"),
        ([{"bytes": b"\x89PNG", "path": None}], "write them to files"),
        ([" "], "expected a path in every cell"),
    ],
)
def test_cell_that_is_no_path_is_refused(cells: list[Any], words: str, tmp_path: Path) -> None:
    table = pd.DataFrame({"file": cells, "label": ["x"]})
    table.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError) as caught:
        Manifest(path=tmp_path / "t.parquet").open()
    assert words in str(caught.value)
    assert "PNG" not in str(caught.value)


ONE, TWO = (1.0, 2.0, 3.0, 4.0), (5.0, 6.0, 7.0, 8.0)


@pytest.mark.parametrize(
    ("cell", "box_format", "boxes"),
    [
        ("1,2,3,4", "xyxy", ONE),
        ("[1, 2, 3, 4]", "xyxy", ONE),
        ("1 2 3 4", "xyxy", ONE),
        ("1;2;3;4", "xyxy", ONE),
        ("[[1,2,3,4],[5,6,7,8]]", "xyxy", (ONE, TWO)),
        ("1,2,3,4;5,6,7,8", "xyxy", (ONE, TWO)),
        ([[1, 2, 3, 4], [5, 6, 7, 8]], "xyxy", (ONE, TWO)),
        (np.array([1, 2, 3, 4]), "xyxy", ONE),
        ("1,2,2,2", "xywh", ONE),
        ("2,3,2,2", "cxcywh", ONE),
        ("", "xyxy", None),
        ("[]", "xyxy", None),
        (None, "xyxy", None),
    ],
)
def test_boxes_of_a_spelling(cell: Any, box_format: BoxFormat, boxes: Any) -> None:
    read, relative, _ = read_boxes(pd.Series([cell], dtype=object), box_format, Path("t.csv"))
    assert read.tolist() == [boxes]
    assert not relative


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("10,10,5,5", "if the numbers are x,y,width,height, set `data: {box_format: xywh}`"),
        ("1,2,3", "or use masks (data.mask) for other shapes"),
        ("a,b,c,d", "or use masks"),
        ("1,2,nan,4", "or use masks"),
        ("POLYGON((1 2))", "or use masks"),
        (True, "expected x0,y0,x1,y1"),
    ],
)
def test_cell_that_is_no_box_is_refused_with_the_fix(cell: Any, words: str) -> None:
    with pytest.raises(DataError) as caught:
        read_boxes(pd.Series([cell, "1,2,3,4"], dtype=object), "xyxy", Path("t.csv"))
    assert words in str(caught.value)
    assert "1 of 2 rows: row 1" in str(caught.value)


def test_boxes_between_0_and_1_are_shares_of_the_image(tmp_path: Path) -> None:
    data = _open(
        tmp_path,
        'file,label,box\nimages/a.png,x,"0.5,0,1,1"\nimages/b.png,y,\n',
        box="box",
    )
    assert "all boxes lie in 0…1: they were read as shares" in _texts(data)
    expected = np.zeros((3, 4), dtype=bool)
    expected[:, 2:] = True
    assert (object_mask(data, 0, AS_IT_IS) == expected).all()
    assert not object_mask(data, 1, AS_IT_IS).any()


def test_rows_of_one_image_are_joined_to_the_union_of_their_boxes(tmp_path: Path) -> None:
    text = (
        'file,label,box\nimages/a.png,x,"0,0,1,1"\nimages/b.png,y,\nimages/a.png,x,"3,2,4,3"\n'
        'images/b.png,x,"0,0,1,1"\n'
    )
    data = _open(tmp_path, text, box="box")
    # The rows of b.png have different labels and stay apart.
    assert data.samples.index.tolist() == ["images/a.png", "images/b.png", "images/b.png#2"]
    expected = np.zeros((3, 4), dtype=bool)
    expected[0, 0] = expected[2, 3] = True
    assert (object_mask(data, 0, AS_IT_IS) == expected).all()
    assert "1 row is a further object of an image in another row" in _texts(data)
    assert sum(one.n_left_out for one in data.notes) == 1


@pytest.mark.parametrize("cell", ["m/1.png;m/2.png", '["m/1.png", "m/2.png"]'])
def test_several_masks_are_joined(cell: str, tmp_path: Path) -> None:
    for k, name in enumerate(("1.png", "2.png")):
        pixels = np.zeros((3, 4), np.uint8)
        pixels[k, k] = 7
        (tmp_path / "m").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "m" / name)
    quoted = cell.replace('"', '""')
    data = _open(tmp_path, f'file,label,mask\nimages/a.png,x,"{quoted}"\n', mask="mask")
    expected = np.zeros((3, 4), dtype=bool)
    expected[0, 0] = expected[1, 1] = True
    assert (object_mask(data, 0, AS_IT_IS) == expected).all()


@pytest.mark.parametrize(
    ("values", "mode"),
    [
        ([[0, 1], [0, 0]], "L"),
        ([[0, 255], [0, 0]], "L"),
        ([[0, 3], [0, 0]], "I;16"),
        ([[False, True], [False, False]], "1"),
        ([[0, 2], [0, 0]], "P"),
        ([[(0, 0, 0), (0, 9, 0)], [(0, 0, 0), (0, 0, 0)]], "RGB"),
        ([[(255, 255, 255, 0), (255, 255, 255, 255)], [(9, 9, 9, 0), (0, 0, 0, 0)]], "RGBA"),
        ([[(0, 0, 0, 0), (0, 0, 0, 255)], [(0, 0, 0, 0), (0, 0, 0, 0)]], "RGBA"),
    ],
)
def test_mask_pixels_that_are_not_black_are_inside(values: Any, mode: str, tmp_path: Path) -> None:
    types = {"I;16": np.uint16, "1": bool}
    array = np.array(values, dtype=types.get(mode, np.uint8))
    image = Image.fromarray(array)
    if mode == "P":
        image = Image.frombytes("P", (2, 2), array.tobytes())
        image.putpalette([0, 0, 0, 0, 0, 200, 200, 0, 0])
    image.save(tmp_path / "m.png")
    assert open_mask(tmp_path / "m.png").tolist() == [[False, True], [False, False]]


def test_mask_in_a_jpeg_file_has_no_halo(tmp_path: Path) -> None:
    pixels = np.zeros((32, 32), np.uint8)
    pixels[:, 16:] = 255
    Image.fromarray(pixels).save(tmp_path / "m.jpg", quality=30)
    assert (open_mask(tmp_path / "m.jpg") == (pixels > 0)).all()


def test_unusable_regions_are_removed_and_counted(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    Image.fromarray(np.full((3, 4), 1, np.uint8)).save(tmp_path / "m/good.png")
    Image.fromarray(np.full((5, 5), 1, np.uint8)).save(tmp_path / "m/size.png")
    Image.fromarray(np.zeros((3, 4), np.uint8)).save(tmp_path / "m/black.png")
    write_text(tmp_path / "m/broken.png", "no image")
    names = ("good", "size", "black", "broken", "missing")
    rows = "\n".join(f"images/a.png,{name},m/{name}.png" for name in names)
    data = _open(tmp_path, f"file,label,mask\n{rows}\n", mask="mask")
    usable, notes = usable_regions(data, np.arange(len(data)))
    assert [object_mask(usable, k, AS_IT_IS).any() for k in range(5)] == [True, *[False] * 4]
    texts = [note.text for note in notes]
    assert all(text.startswith("1 of 5 samples has a mask ") for text in texts)
    for words in ("whose size is not", "black everywhere", "(not-an-image)", "(missing)"):
        assert sum(words in text for text in texts) == 1


def test_boxes_outside_of_the_image_are_counted(tmp_path: Path) -> None:
    text = 'file,label,box\nimages/a.png,x,"9,9,20,20"\nimages/b.png,y,"2,1,9,9"\n'
    data = _open(tmp_path, text, box="box")
    usable, notes = usable_regions(data, np.arange(2))
    assert not object_mask(usable, 0, AS_IT_IS).any()
    assert object_mask(usable, 1, AS_IT_IS).any()
    assert "1 of 2 samples has a box outside of the image, such as images/a.png" in notes[0].text
    assert "1 of 2 samples has boxes that reach beyond the image" in notes[1].text


def test_images_that_can_not_be_opened_are_named_with_the_reason(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "one.png").symlink_to("other.png")
    (folder / "other.png").symlink_to("one.png")
    (folder / "dangling.png").symlink_to("nowhere.png")
    (folder / "linked.png").symlink_to("a.png")
    (folder / "folder.png").mkdir()
    os.mkfifo(folder / "pipe.png")
    names = ["a", "linked", "gone", "loop", "one", "dangling", "pipe", "folder"]
    rows = "".join(f"images/{name}.png,x\n" for name in names)
    data = _open(tmp_path, f"file,label\n{rows}")
    end = "; these samples are not evaluated"
    assert [one.text for one in data.notes] == [
        f"1 of 8 image files does not exist, such as images/gone.png{end}",
        f"2 of 8 image files are circular links, such as images/loop.png{end}",
        f"1 of 8 image files is a link to nothing, such as images/dangling.png{end}",
        f"2 of 8 image files are no regular files, such as images/pipe.png (a named pipe){end}",
    ]
