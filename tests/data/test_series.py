"""CSV files of vectors and series: what they hold, and what is wrong with them."""

import numpy as np
import pytest

from tatami.data.inspect_series import inspect_series
from tatami.data.open import kind_of, open_series, series_splits
from tatami.data.series_given import read_given
from tatami.errors import TatamiError
from tatami.types.series import plain

VECTORS = "long,wide,class\n5.1,3.5,a\n4.9,3,b\n"
CHANNELS = ("long", "wide")


def put(path, text, encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


def numbers(data):
    return [one.tolist() for one in data.series]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (VECTORS, "utf-8"),
        (VECTORS, "utf-8-sig"),
        (VECTORS, "utf-16"),
        (VECTORS.replace("\n", "\r\n"), "utf-8"),
        (VECTORS.replace(",", ";"), "utf-8"),
        (VECTORS.replace(",", "\t"), "utf-8"),
        (VECTORS.replace("5.1", '"5.1"').replace("long", '"long"'), "utf-8"),
        ("\nclass,wide,long\n\na,3.5,5.1\n b , 3 ,49e-1\n\n", "utf-8"),
        ("LABEL,long,wide\na,5.1,3.5\nb,4.9,3\n", "utf-8"),
    ],
)
def test_a_table_of_vectors(tmp_path, text, encoding):
    file = put(tmp_path / "iris.csv", text, encoding)
    assert kind_of(file) == kind_of(tmp_path) == "series"
    found = open_series(file).series
    assert (found.classes, found.split, found.labels.tolist()) == (("a", "b"), "all", [0, 1])
    by_name = dict(zip(found.channels, np.concatenate(found.series).T.tolist(), strict=True))
    expected = {"long": [5.1, 4.9], "wide": [3.5, 3.0]}
    assert by_name == {name: np.float32(one).tolist() for name, one in expected.items()}
    lines = [line for _, line in found.places]
    assert found.ids == tuple(f"iris.csv:{line}" for line in lines)
    texts = text.splitlines()
    assert [texts[line - 1].strip(" ")[0] in '54"ab' for line in lines] == [True, True]


def test_splits_classes_and_columns_in_another_order(tmp_path):
    put(tmp_path / "train.csv", VECTORS)
    put(tmp_path / "test.csv", "wide,class,long\n1,c,2\n")
    assert series_splits(tmp_path) == ("train", "test")
    found = open_series(tmp_path, split="test").series
    assert (found.classes, found.channels) == (("a", "b", "c"), CHANNELS)
    assert (numbers(found), found.labels.tolist()) == ([[[2.0, 1.0]]], [2])
    put(tmp_path / "test.csv", "wide,class,tall\n1,c,2\n")
    with pytest.raises(TatamiError, match="its columns are not those of the other split: 'long'"):
        open_series(tmp_path, split="test")


def test_rows_of_one_id_are_the_steps_of_a_series(tmp_path):
    file = put(tmp_path / "a.csv", "id,x,y,class\n7,1,2,up\n8,0,0,down\n7,3,4,up\n")
    found = open_series(file).series
    assert (found.ids, found.channels) == (("7", "8"), ("x", "y"))
    assert numbers(found) == [[[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.0]]]
    assert [line for _, line in found.places] == [2, 3]


def test_rows_as_in_the_ucr_archive(tmp_path):
    put(tmp_path / "Gun_TRAIN.tsv", "1\t0.5\t-1\t2e-1\n2\t1\t2\t3\n")
    put(tmp_path / "Gun_TEST.tsv", "2\t0\t0\t0\n")
    put(tmp_path / "README.md", "about it\n")
    assert series_splits(tmp_path) == ("train", "test")
    found = open_series(tmp_path, split="train").series
    assert (found.channels, found.classes) == (("value",), ("1", "2"))
    assert numbers(found)[1] == [[1.0], [2.0], [3.0]]


def test_a_folder_a_class(tmp_path):
    put(tmp_path / "train" / "walk" / "a.csv", "x;y\n1;2\n3;4\n")
    put(tmp_path / "train" / "run" / "b.csv", "y;x\n5;6\n")
    put(tmp_path / "test" / "run" / "c.csv", "y;x\n7;8\n")
    assert kind_of(tmp_path) == "series"
    found = open_series(tmp_path, split="train").series
    assert (found.ids, found.classes) == (("run/b.csv", "walk/a.csv"), ("run", "walk"))
    by_name = [dict(zip(found.channels, one.T.tolist(), strict=True)) for one in found.series]
    assert by_name == [{"x": [6.0], "y": [5.0]}, {"x": [1.0, 3.0], "y": [2.0, 4.0]}]
    other = open_series(tmp_path, split="test").series
    assert other.channels == found.channels
    put(tmp_path / "train" / "run" / "d.csv", "1,2,3\n")
    with pytest.raises(TatamiError, match=r"other-channels: 3 channels, where most .* has 2"):
        open_series(tmp_path, split="train")
    opened = open_series(tmp_path, split="train", skip=("other-channels",))
    assert (opened.series.ids, opened.skipped) == (found.ids, {"other-channels": 1})


@pytest.mark.parametrize(
    ("text", "kind", "line", "said"),
    [
        ("a,class\n1,x\n2,3,x\n", "ragged-row", 3, "the row has 3 cells, the first one 2"),
        ("a,class\n1,x\nten,x\n", "bad-number", 3, "column a: 'ten' is not a number"),
        ("a,class\n1,x\n1_0,x\n", "bad-number", 3, "column a: '1_0' is not a number"),
        ("a;class\n1;x\n1,5;x\n", "bad-number", 3, "column a: '1,5' is not a number"),
        ("a,class\n1,x\nNaN,x\n", "bad-number", 3, "'NaN' is not a finite number"),
        ("a,class\n1,x\n-inf,x\n", "bad-number", 3, "'-inf' is not a finite number"),
        ("a,class\n1,x\n2e30,x\n", "bad-number", 3, "'2e30' is larger than 1e\\+30"),
        ("a,class\n1,x\n,x\n", "bad-number", 3, "column a: the cell is empty"),
        ("a,class\n1,x\n2,\n", "missing-class", 3, "the row has no class"),
        ("a,id,class\n1,7,x\n2,,x\n", "missing-class", 3, "the row has no id"),
        ("a,id,class\n1,7,x\n2,7,y\n1,8,x\n", "bad-label", 3, "'7' was of class 'x', now of 'y'"),
        ("x,1,2\ny,1\n", "ragged-row", 2, "the row has 2 cells, the first one 3"),
        ("x,1,2\ny,1,nan\n", "bad-number", 2, "column 3: 'nan' is not a finite number"),
    ],
)
def test_a_row_that_is_not_in_order_is_named_and_left_out(tmp_path, text, kind, line, said):
    file = put(tmp_path / "a.csv", text)
    with pytest.raises(TatamiError, match=f"{kind}: .*{said}") as error:
        open_series(file)
    assert (error.value.file, error.value.line) == (file, line)
    assert error.value.hint
    opened = open_series(file, skip=(kind,))
    assert (len(opened.series), opened.skipped) == (1, {kind: 1})
    assert [one.line for one in inspect_series(file).problems] == [line]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("\n \n", "the file is empty"),
        ("a,b\n1,2\n", "no column is named class, label or target"),
        ("class,label,b\n1,2,3\n", "2 columns are named class, label or target"),
        ("a,a,class\n1,2,x\n", "column 2 is named 'a', as another is"),
        ("a,,class\n1,2,x\n", "column 2 has no printable name"),
        ("class\nx\n", "the table has no column of numbers"),
        ('a,class\n"1,x\n', "not a CSV file: unexpected end of data"),
        ("a,class\n", "no class names"),
        ("sepal,petal,setosa\n1,2,3\n", "no column is named class"),
    ],
)
def test_a_file_that_is_no_table(tmp_path, text, said):
    file = put(tmp_path / "a.csv", text)
    with pytest.raises(TatamiError, match=said) as error:
        open_series(file)
    assert error.value.file == file


def test_not_text(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"a,class\n\xff\xfa\x00,x\n")
    with pytest.raises(TatamiError, match="not UTF-8 text"):
        open_series(tmp_path / "a.csv")


def test_classes_that_are_declared(tmp_path):
    put(tmp_path / "all.csv", VECTORS)
    put(tmp_path / "classes.txt", "b\n")
    with pytest.raises(
        TatamiError, match=r"unknown-class: classes\.txt does not name 'a'"
    ) as error:
        open_series(tmp_path)
    assert error.value.line == 2
    put(tmp_path / "classes.txt", "b\nc\na\n")
    found = open_series(tmp_path).series
    assert (found.classes, found.labels.tolist()) == (("b", "c", "a"), [2, 0])


def test_a_series_that_lacks_a_step_is_left_out_whole(tmp_path):
    file = put(tmp_path / "a.csv", "id,x,class\n1,5,u\n1,5\n2,6,d\n")
    opened = open_series(file, skip=("ragged-row",))
    assert opened.series.ids == ("2",)


def test_files_of_a_folder_that_are_not_in_order(tmp_path):
    put(tmp_path / "up" / "a.csv", "x,y\n1,2\n")
    put(tmp_path / "up" / "b.csv", "x,y\n")
    put(tmp_path / "up" / "c.csv", "")
    put(tmp_path / "down" / "d.csv", "x,y\n1,2\n1,\n")
    put(tmp_path / "down" / "e.csv", "x,y\n1,2\n1\n")
    found = inspect_series(tmp_path)
    told = {(one.file.name, one.kind, one.line, one.reason) for one in found.problems}
    assert told == {
        ("b.csv", "unreadable-series", None, "the file has a header alone"),
        ("c.csv", "unreadable-series", None, "the file is empty"),
        ("d.csv", "bad-number", 3, "column y: the cell is empty"),
        ("e.csv", "ragged-row", 3, "the row has 1 cells, the first one 2"),
    }
    assert found.splits["all"].ids == ("up/a.csv",)


def test_what_is_there_twice_and_what_is_constant(tmp_path):
    put(tmp_path / "train.csv", "a,b,class\n1,5,x\n2,5,x\n1,5,y\n")
    put(tmp_path / "test.csv", "a,b,class\n2,5,x\n3,5,x\n")
    found = inspect_series(tmp_path)
    told = [(one.kind, one.file.name, one.line) for one in found.problems]
    assert told == [("duplicate-series", "train.csv", 4), ("duplicate-series", "test.csv", 2)]
    assert "is also 'train.csv:3' of split 'train'" in found.problems[1].reason
    assert found.notes == ("1 column is the same everywhere: b (5)",)
    assert found.channels.low.tolist() == [1, 5]
    assert found.channels.high.tolist() == [3, 5]
    assert found.channels.mean[0] == pytest.approx(9 / 5)


def test_a_table_beside_pictures_and_tables_of_boxes_are_no_series(tmp_path):
    from PIL import Image

    (tmp_path / "cat").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "cat" / "a.png")
    put(tmp_path / "sizes.csv", "class,width,height\ncat,4,4\n")
    assert kind_of(tmp_path) == "classes"
    boxes = put(
        tmp_path / "b" / "boxes.csv", "filename,class,xmin,ymin,xmax,ymax\na.png,c,1,1,2,2\n"
    )
    assert kind_of(boxes) == kind_of(boxes.parent) == "boxes"
    put(tmp_path / "n" / "names.csv", "file,class\na,b\n")
    with pytest.raises(TatamiError, match="not a labeled set that is recognized"):
        kind_of(tmp_path / "n")


def test_what_a_network_is_given(tmp_path):
    vectors, series, line = plain(CHANNELS, 1), plain(CHANNELS, 3), plain(("value",), 3)

    def given(text, rule):
        return read_given(put(tmp_path / "a.csv", text), rule).tolist()

    assert given(VECTORS.replace("5.1", "5").replace("4.9", "4"), vectors) == [
        [[5.0, 3.5]],
        [[4.0, 3.0]],
    ]
    assert given("1,2\n3,4\n", vectors) == [[[1.0, 2.0]], [[3.0, 4.0]]]
    assert given("x,1,2\n", vectors) == [[[1.0, 2.0]]]
    assert given("wide,long\n1,2\n3,4\n5,6\n", series) == [[[2.0, 1.0], [4.0, 3.0], [6.0, 5.0]]]
    assert given("1,2\n", series) == [[[0.0, 0.0], [1.0, 2.0], [0.0, 0.0]]]
    assert given("id,long,wide\n1,1,2\n2,3,4\n1,5,6\n2,0,0\n", plain(CHANNELS, 2)) == [
        [[1.0, 2.0], [5.0, 6.0]],
        [[3.0, 4.0], [0.0, 0.0]],
    ]
    assert given("1,2,3\n4,5,6\n", line) == [[[1], [2], [3]], [[4], [5], [6]]]
    assert given("b,1,2,3\n", line) == [[[1], [2], [3]]]
    assert given("1\n2\n3\n", line) == [[[1], [2], [3]]]
    for text, rule, said in (
        ("long,tall\n1,2\n", vectors, "no column is named 'wide'"),
        ("1,2,3,4\n", vectors, "the row has 4 cells, a step of the network 2"),
        ("1,2\n3\n", vectors, "the row has 1 cells, the first one 2"),
        ("long,wide\n", vectors, "the file has a header alone"),
        ("1,x\n", series, "column 1: 'x' is not a number|column 2: 'x' is not a number"),
    ):
        with pytest.raises(TatamiError, match=said):
            given(text, rule)
