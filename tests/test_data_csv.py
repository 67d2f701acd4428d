"""CSV files: where the header is, which column is whose, and a fault with line and column for every bad cell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from netc.runtime import Examples, Fault, Metadata, read
from stand_in import LABELS, field, metadata_json

X = field("x", shape=[2])
Y = field("y")
KIND = field("kind", "class", [], ["R", "M"])
SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


def net(inputs: Sequence[Any] = (X,), targets: Sequence[Any] = (Y,), **data: Any) -> Metadata:
    return Metadata.from_json(metadata_json(inputs=inputs, targets=targets, data=data or None))


@pytest.fixture
def table(tmp_path: Path) -> Any:
    def write(content: str | bytes, name: str = "t.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def check(examples: Examples, **arrays: Any) -> None:
    assert set(examples.arrays) == set(arrays)
    for name, values in arrays.items():
        np.testing.assert_array_equal(examples.arrays[name], np.asarray(values))


def test_last_column_is_the_target_and_the_rest_the_input(table: Any) -> None:
    examples = read(net(), [table("1,2,3\n4,5,6\n")])
    check(examples, x=[[1, 2], [4, 5]], y=[[3], [6]])
    assert examples.count == 2
    assert examples.arrays["x"].dtype == np.float32


@pytest.mark.parametrize(
    "content",
    [
        "a,b,y\n1,2,3\n4,5,6\n",
        "y,a,b\n3,1,2\n6,4,5\n",
        "a,b,other\n1,2,3\n4,5,6\n",
        "\ufeffa,b,y\r\n1,2,3\r\n\r\n4,5,6\r\n",
        "\n\na,b,y\n\n1,2,3\n   \n4,5,6",
        'a;"b, too";y\n1;2;3\n"4";5;6\n',
        "a\tb\ty\n1\t2\t3\n4\t5\t6\n",
        ' a , b , y \n 1 , 2 , 3 \n "4", 5 , 6 \n',
        "1,2,3\n4,5,6\n",
        "1e0,+2.,3.0\n4,.5e1,6\n",
        '"a ""quoted"" name","two\nlines",y\n1,2,3\n4,5,6\n',
    ],
)
def test_one_table_in_many_writings(table: Any, content: str) -> None:
    check(read(net(), [table(content)]), x=[[1, 2], [4, 5]], y=[[3], [6]])


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("0.02,0.03,R\n0.1,0.2,M\n", 2),  # labels are no header
        ("a,b,kind\n0.1,0.2,M\n", 1),
        ("a,b,label\n0.1,0.2,M\n", 1),
    ],
)
def test_header_or_labels(table: Any, content: str, rows: int) -> None:
    assert read(net(targets=[KIND]), [table(content)]).count == rows


def test_a_line_of_labels_is_data_and_an_option_settles_it(table: Any) -> None:
    only = net(inputs=[], targets=[KIND])
    path = table("R\nM\n")
    assert read(only, [path]).count == 2
    assert read(only, [path], header=True).count == 1
    numbers = net()
    assert read(numbers, [table("1,2,3\n4,5,6\n")], header=True).count == 1
    with pytest.raises(Fault, match="'a' is not a number"):
        read(numbers, [table("a,b,c\n4,5,6\n")], header=False)


def test_a_missing_value_in_the_first_line_is_told_and_not_taken_for_a_name(table: Any) -> None:
    with pytest.raises(Fault) as caught:
        read(net(targets=[KIND]), [table("?,?,R\n1,2,M\n")])
    assert caught.value.code == "data-missing-value"


def test_labels_become_ids(table: Any) -> None:
    examples = read(net(targets=[KIND]), [table("1,2,M\n3,4,R\n5,6,M\n")])
    check(examples, x=[[1, 2], [3, 4], [5, 6]], kind=[1, 0, 1])
    assert examples.arrays["kind"].dtype == np.int64


def test_ids_are_taken_for_labels_only_where_no_label_looks_like_a_number(table: Any) -> None:
    check(read(net(targets=[KIND]), [table("1,2,1\n3,4,0\n")]), x=[[1, 2], [3, 4]], kind=[1, 0])
    numeric = field("kind", "class", [], ["2", "1", "0"])
    check(read(net(targets=[numeric]), [table("1,2,2\n3,4,0\n")]), x=[[1, 2], [3, 4]], kind=[0, 2])
    with pytest.raises(Fault, match="'1' is no label of kind"):
        read(net(targets=[KIND]), [table("1,2,1\n3,4,R\n")])


def test_ids_without_labels(table: Any) -> None:
    count = field("kind", "class", [], None, 3)
    check(read(net(targets=[count]), [table("1,2,2\n3,4,0.0\n")]), x=[[1, 2], [3, 4]], kind=[2, 0])


BINDINGS = [
    ({"y": {"column": "p"}}, "p,q,r\n3,1,2\n"),
    ({"y": {"column": 1}}, "3,1,2\n"),
    ({"x": {"span": ["q", "r"]}, "y": {"column": "p"}}, "p,q,r\n3,1,2\n"),
    ({"x": {"span": [2, 3]}}, "3,1,2\n"),
    ({"x": {"columns": ["r", "p"]}, "y": {"column": "q"}}, "p,q,r\n2,3,1\n"),
    ({"x": {"columns": [3, 1]}}, "2,3,1\n"),
    ({"x": {"columns": ["r", 1]}, "y": {"column": 2}}, "p,q,r,unused\n2,3,1,9\n"),
]


@pytest.mark.parametrize(("bind", "content"), BINDINGS)
def test_binding_by_hand(table: Any, bind: dict[str, Any], content: str) -> None:
    check(read(net(file="t.csv", bind=bind), base=table(content).parent), x=[[1, 2]], y=[[3]])


def test_columns_by_name_leave_others_and_say_so(table: Any) -> None:
    fields = net([field("a"), field("b")], [Y])
    examples = read(fields, [table("id,a,b,y\n9,1,2,3\n")])
    check(examples, a=[[1]], b=[[2]], y=[[3]])
    assert any("not used: column id" in note for note in examples.notes)


def test_without_targets(table: Any) -> None:
    for content in ("1,2\n3,4\n", "1,2,9\n3,4,9\n", "a,b\n1,2\n3,4\n", "y,a,b\nbad,1,2\nbad,3,4\n"):
        check(read(net(), [table(content)], need_targets=False), x=[[1, 2], [3, 4]])


def test_shapes_are_filled_in_order(table: Any) -> None:
    image = field("image", shape=[1, 2, 2])
    check(read(net([image]), [table("1,2,3,4,5\n")]), image=[[[[1, 2], [3, 4]]]], y=[[5]])


# content, code, the place, a part of the message, a part of the help
FAULTS = [
    ("1,2,3\n4,,6\n", "data-missing-value", "t.csv:2, column 2", "the cell is empty", "fill"),
    ("a,b,y\n1,2,3\n\n4,NaN,6\n", "data-missing-value", "t.csv:4, column 2 (b)", "'NaN'", "fill"),
    ("1,2,3\n4,?,6\n", "data-missing-value", "t.csv:2, column 2", "'?'", "fill"),
    ("1,2,3\n4,x,6\n", "data-not-a-number", "t.csv:2, column 2", "'x' is not a number", None),
    ("1,2,3\n4,1_0,6\n", "data-not-a-number", "t.csv:2, column 2", "'1_0'", None),
    ("1,2,3\n4,\u0661,6\n", "data-not-a-number", "t.csv:2, column 2", "\u0661", None),
    ('1,2,3\n4,"1,5",6\n', "data-not-a-number", "t.csv:2, column 2", "'1,5'", "decimal point"),
    ("1,2,3\n4,inf,6\n", "data-value", "t.csv:2, column 2", "not finite", None),
    ("1,2,3\n4,1e999,6\n", "data-not-a-number", "t.csv:2, column 2", "'1e999'", None),
    ("1,2,3\n4,1e39,6\n", "data-value", "t.csv:2, column 2", "too large for float32", None),
    ("1,2,3\n4,5\n", "data-ragged", "t.csv:2", "2 cells, but the first has 3", None),
    ("a,b,y\n1,2,3\n4,5,6,7\n", "data-ragged", "t.csv:3", "4 cells", "quotes"),
    ('1,2,3\n4,"5,6\n', "data-format", "t.csv:2", "quotes", None),
    ("", "data-empty", "t.csv", "no example", None),
    ("a,b,y\n", "data-empty", "t.csv", "no example", None),
    ("\n \n", "data-empty", "t.csv", "no example", None),
    ("1;5,2;5,3\n", "data-delimiter", "t.csv", "comma and semicolon", "delimiter"),
    ("1,2,3,4\n", "data-binding", "t.csv", "x: f32[2] takes 2 columns, but gets 3", "numbered from 1"),
    ("a,b\n1,2\n", "data-binding", "t.csv", "x: f32[2] takes 2 columns, but gets 1: a", "the columns are a and b"),
    ("x,b,y\n1,2,3\n", "data-binding", "t.csv", "x: f32[2] takes 2 columns, but gets 1: x", "the columns are"),
    ("a,y,y\n1,2,3\n", "data-binding", "t.csv", "2 columns are called y", "number"),
    (b"1,2,3\n4,5,\xff\n", "data-encoding", "t.csv:2", "not UTF-8", "UTF-8"),
    ("1,2,3\n".encode("utf-16"), "data-encoding", "t.csv", "UTF-16", "UTF-8"),
    (b"1,2\0,3\n", "data-format", "t.csv", "neither", None),
]


@pytest.mark.parametrize(("content", "code", "where", "message", "help"), FAULTS)
def test_fault(table: Any, content: str, code: str, where: str, message: str, help: str | None) -> None:
    path = table(content)
    with pytest.raises(Fault) as caught:
        read(net(), [path])
    fault = caught.value
    assert (fault.code, fault.where) == (code, str(path.parent / where))
    assert message in fault.message
    assert help is None or help in (fault.help or "")


LABEL_FAULTS = [
    ("1,2,R\n3,4,Q\n", "data-label", "t.csv:2, column 3", "'Q' is no label of kind", "the labels are R and M"),
    ("1,2,R\n3,4,\n", "data-missing-value", "t.csv:2, column 3", "the cell is empty", None),
    ("a,b,kind\n3,4,0\n3,4,2\n", "data-label", "t.csv:3, column 3 (kind)", "'2' is no class id", None),
]


@pytest.mark.parametrize(("content", "code", "where", "message", "help"), LABEL_FAULTS)
def test_label_fault(table: Any, content: str, code: str, where: str, message: str, help: str | None) -> None:
    path = table(content)
    with pytest.raises(Fault) as caught:
        read(net(targets=[KIND]), [path])
    fault = caught.value
    assert (fault.code, fault.where) == (code, str(path.parent / where))
    assert message in fault.message
    assert help is None or help in (fault.help or "")


def test_a_near_label_is_offered(table: Any) -> None:
    with pytest.raises(Fault) as caught:
        read(net(targets=[field("kind", "class", [], LABELS)]), [table("1,2,setosa\n1,2,virginca\n")])
    assert caught.value.help == "did you mean virginica?"


RANGES = [("unit", "1.5", "lies outside 0..1"), ("positive", "0", "is not above 0"), ("binary", "2", "neither 0 nor 1")]


@pytest.mark.parametrize(("kind", "value", "message"), RANGES)
def test_ranges(table: Any, kind: str, value: str, message: str) -> None:
    path = table(f"a,b,y\n1,2,1\n\n1,2,{value}\n")
    with pytest.raises(Fault) as caught:
        read(net(targets=[field("y", kind)]), [path])
    assert caught.value.code == "data-value"
    assert caught.value.where == f"{path}:4, column 3 (y)"
    assert message in caught.value.message


def test_a_positive_that_float32_makes_zero_is_refused(table: Any) -> None:
    with pytest.raises(Fault, match="is not above 0 in float32"):
        read(net(targets=[field("y", "positive")]), [table("1,2,1e-60\n")])


def test_the_first_five_are_told_in_the_order_of_the_file_and_all_are_counted(table: Any) -> None:
    rows = [f"{i},{'x' if i % 2 else i},{'z' if i == 1 else i}" for i in range(40)]
    with pytest.raises(Fault) as caught:
        read(net(), [table("\n".join(rows))])
    fault = caught.value
    places = re.findall(r"t\.csv:(\d+), column (\d)", str(fault))
    assert places == [("2", "2"), ("2", "3"), ("4", "2"), ("6", "2"), ("8", "2")]
    assert fault.message.endswith("; and 16 more")


@pytest.mark.parametrize(
    ("bind", "message", "help"),
    [
        ({"y": {"column": "prce"}}, "y: there is no column prce", "did you mean price?"),
        ({"y": {"column": 4}}, "y: there is no column 4; they go from 1 to 3", None),
        ({"y": {"column": 0}}, "there is no column 0", None),
        ({"y": {"column": True}}, "there is no column True", None),
        ({"x": {"span": ["b", "a"]}}, "the span ends at a before it begins at b", None),
        ({"x": {"span": ["a", "b"]}, "y": {"column": "b"}}, "column b is given twice, to x and y", None),
        ({"x": {"columns": ["a", "a"]}}, "column a is given twice, to x", None),
        ({"y": {}}, "names no column", None),
    ],
)
def test_binding_faults(table: Any, bind: dict[str, Any], message: str, help: str | None) -> None:
    path = table("a,b,price\n1,2,3\n")
    with pytest.raises(Fault) as caught:
        read(net(file="t.csv", bind=bind), base=path.parent)
    assert caught.value.code == "data-binding"
    assert message in caught.value.message
    assert help is None or caught.value.help == help


def test_names_are_not_looked_for_without_a_header(table: Any) -> None:
    with pytest.raises(Fault, match="the columns have no names"):
        read(net(file="t.csv", bind={"y": {"column": "c"}}), base=table("1,2,3\n").parent)


def test_nothing_is_guessed_with_several_inputs(table: Any) -> None:
    with pytest.raises(Fault) as caught:
        read(net([field("a"), field("b")], [Y]), [table("1,2,3\n")])
    assert caught.value.code == "data-binding"
    assert caught.value.help == 'deal them by hand, as in `data "t.csv" a=1 b=2`'


def test_a_column_with_blanks_in_its_name_stands_in_brackets(table: Any) -> None:
    base = table("a,b,the label\n1,3,0\n2,4,1\n").parent
    with pytest.raises(Fault) as caught:
        read(net(file="t.csv", bind={"y": {"file": "the label"}}), base=base)
    assert caught.value.code == "file-missing" and caught.value.help == 'a column of this name is y=["the label"]'
    assert read(net(file="t.csv", bind={"y": {"columns": ["the label"]}}), base=base)


def test_a_delimiter_can_be_named(table: Any) -> None:
    path = table("a,b;c;y\n1;2;3\n")
    check(read(net(), [path], delimiter=";"), x=[[1, 2]], y=[[3]])


def test_a_giant_cell_is_refused(table: Any) -> None:
    with pytest.raises(Fault) as caught:
        read(net(), [table("1,2,3\n4,5," + "9" * 200_000 + "\n")])
    assert caught.value.code == "data-format"


def test_rows_beyond_one_chunk_keep_their_lines(table: Any) -> None:
    rows = ["1,2,3"] * 90_000
    rows[89_990] = "1,oops,3"
    with pytest.raises(Fault) as caught:
        read(net(), [table("\n".join(rows))])
    assert caught.value.where is not None
    assert caught.value.where.endswith(":89991, column 2")


REAL = [
    ("sonar.csv", 60, field("y", "class", [], ["R", "M"]), 208),
    ("banknote_authentication.csv", 4, field("y", "binary"), 1372),
    ("winequality-red.csv", 11, field("y"), 1599),
    ("mammography.csv", 6, field("y", "class", [], ["'-1'", "'1'"]), 11183),
]


@pytest.mark.parametrize(("name", "width", "target", "count"), REAL)
def test_real_tables(name: str, width: int, target: dict[str, Any], count: int) -> None:
    if not (SHARED / name).exists():
        pytest.skip(f"{SHARED / name} is not on this machine")
    examples = read(net([field("x", shape=[width])], [target]), [SHARED / name])
    assert examples.count == count
    reference = np.genfromtxt(SHARED / name, delimiter=",", usecols=range(width), dtype=np.float64)
    np.testing.assert_array_equal(examples.arrays["x"], reference.astype(np.float32))
