"""From text to tree: every sentence, the lexical rules, and all errors of a file at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from netc.dsl import syntax as s
from netc.dsl.parse import ERROR_LIMIT
from reading import SAMPLES, SENTENCES, codes, errors, only, source_of, tree
from trees import bare


@pytest.mark.parametrize("sample", SAMPLES, ids=[sample.stem for sample in SAMPLES])
def test_samples_parse(sample: Path) -> None:
    assert tree(sample.read_text()).sentences


@pytest.mark.parametrize(("text", "kind"), SENTENCES, ids=[text for text, _ in SENTENCES])
def test_every_sentence_parses(text: str, kind: type[s.Sentence]) -> None:
    sentence = only(text)
    assert type(sentence) is kind
    assert source_of(sentence) == text


def test_a_link_by_its_parts() -> None:
    (link,) = only("conv 16 (2*k+1) -0.1 pad=same init=[1, -2]").links
    assert (link.word, source_of(link)) == ("conv", "conv 16 (2*k+1) -0.1 pad=same init=[1, -2]")
    assert [argument.key for argument in link.arguments] == [None, None, None, "pad", "init"]
    assert [source_of(argument.value) for argument in link.arguments] == ["16", "(2*k+1)", "-0.1", "same", "[1, -2]"]
    assert link.arguments[2].value.value == -0.1
    pad = link.arguments[3]
    assert (pad.key_place.start, pad.key_place.end) == (21, 24)


def test_a_call_is_a_link_with_blanks() -> None:
    assert bare(only("dense(16, bias=false)")) == bare(only("dense 16 bias=false"))
    assert bare(only("a -> dense(n + 1) -> relu()")) == bare(only("a -> dense (n + 1) -> relu"))


def test_a_call_touches_its_word_and_an_argument_does_not() -> None:
    (call,) = only("updater sgd step(0.1, every=30)").link.arguments
    assert isinstance(call.value, s.Call)
    assert [argument.key for argument in call.value.arguments] == [None, "every"]
    word, group = only("updater sgd step (0.1)").link.arguments
    assert isinstance(word.value, s.Name) and isinstance(group.value, s.Number)


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ("10", 10),
        ("0.5", 0.5),
        ("1e-3", 1e-3),
        ("10%", 0.1),
        ("12.3%", 0.123),
        ("2E4", 2e4),
        ("007", 7),
        ("1e3", 1000.0),
    ],
)
def test_numbers(literal: str, value: float) -> None:
    for text, sign in ((f"let a = {literal}", 1), (f"let a = -{literal}", -1)):
        number = only(text).value
        assert (number.value, type(number.value)) == (sign * value, type(value))
        assert number.text == text.removeprefix("let a = ")


def test_windows_strings_and_booleans() -> None:
    window, volume, text, yes, no = (a.value for a in only(r'f 3x3 5x10x5 "a\"\\\n\tb" true false').links[0].arguments)
    assert (window.sizes, volume.sizes) == ((3, 3), (5, 10, 5))
    assert text.value == 'a"\\\n\tb'
    assert (yes.value, no.value) == (True, False)


@pytest.mark.parametrize(
    ("expression", "grouped"),
    [
        ("-a^2", "-(a^2)"),
        ("a^b^c", "a^(b^c)"),
        ("a^-b", "a^(-b)"),
        ("a - b - c", "(a - b) - c"),
        ("a -b", "a - b"),
        ("(a -1)", "(a - 1)"),
        ("a / b * c @ d", "((a / b) * c) @ d"),
        ("a + b * c < d - e", "(a + (b * c)) < (d - e)"),
        ("not a == b and c or d", "((not (a == b)) and c) or d"),
        ("not not a", "not (not a)"),
        ("-a * b", "(-a) * b"),
        ("a.b.c + f(x).d", "((a.b).c) + ((f(x)).d)"),
        ("f(\n  a,\n  k=b\n)", "f(a, k=b)"),
        ("[1, [2,\n3]]", "[1, [2, 3]]"),
        ("2 - -1", "2 - (-1)"),
        ("if(x)", "if (x)"),
    ],
)
def test_operators_bind(expression: str, grouped: str) -> None:
    if expression == "if(x)":
        assert bare(only("if(x) { relu }")) == bare(only("if (x) { relu }"))
    else:
        assert bare(only(f"let z = {expression}")) == bare(only(f"let z = {grouped}"))


def test_a_signed_number_is_one_literal_where_an_argument_stands() -> None:
    assert [a.value.value for a in only("f -1 a=-2").links[0].arguments] == [-1, -2]
    assert [a.value.value for a in only("f(-1, a=-2)").links[0].arguments] == [-1, -2]
    assert len(only("dense n -1").links[0].arguments) == 2
    assert isinstance(only("let a = n -1").value, s.Binary)
    assert isinstance(only("dense (n -1)").links[0].arguments[0].value, s.Binary)


def test_words_that_begin_sentences_are_names_elsewhere() -> None:
    assert [link.word for link in only("input -> target -> loss 3").links] == ["input", "target", "loss"]
    assert only("loss = dense 3").name == "loss"
    assert only("input input: f32").name == "input"
    assert only("loss loss = mse(input, target)").name == "loss"
    assert only("train  =  relu").name == "train"
    assert [type(x) for x in tree("input\n  # on\n  -> relu\ntarget target: f32").sentences] == [s.Chain, s.Declaration]
    assert [a.value.id for a in only("concat with trains").links[0].arguments] == ["with", "trains"]
    assert [name.id for name in only("targets a with trains").names] == ["a", "with", "trains"]
    assert [name.id for name in only("metric with trains f1").items] == ["with", "trains", "f1"]
    assert [a.key for a in only("train a=with with=trains trains=3").options] == ["a", "with", "trains"]
    assert [part.id for part in only("loss a trains trains, with with with").trains] == ["trains", "with"]
    assert only("loss huber with=3 with adam").value.arguments[0].key == "with"
    assert only("noise(0.1)").links[0].word == "noise"
    assert only("def layer f() { return = 3\nreturn return }").body[0].name == "return"


def test_a_loss_by_its_parts() -> None:
    loss = only("loss critic = xent(a, 1) trains p, q with adam(2e-4)")
    assert (loss.name, source_of(loss.value), [p.id for p in loss.trains]) == ("critic", "xent(a, 1)", ["p", "q"])
    assert source_of(loss.updater) == "adam(2e-4)"
    assert bare(only("loss huber delta=2").value) == bare(only("loss huber(delta=2)").value)
    assert isinstance(only("loss mcxent").value, s.Name)
    assert source_of(only("loss huber delta=-2 beta=(n) with sgd").value) == "huber delta=-2 beta=(n)"


def test_types() -> None:
    kinds = [only(f"input x: {text}").type for text in ("f32", "f32[T, 2*k]", 'class("a", "b")[T]')]
    assert [kind.kind for kind in kinds] == ["f32", "f32", "class"]
    assert [len(kind.domain) for kind in kinds] == [0, 0, 2]
    assert [kind.shape and len(kind.shape) for kind in kinds] == [None, 2, 1]


# Lines and comments ----------------------------------------------------------------------------------------------


def test_a_newline_ends_a_sentence_unless_an_arrow_or_an_open_bracket_says_otherwise() -> None:
    text = "dense 3 # one\n\n  # -> two\n\n\t-> relu\ndense (\n3\n# ->\n) init=[1,\n2]\n\n\nrelu"
    assert [source_of(sentence) for sentence in tree(text).sentences] == [
        text[: text.index("relu") + 4],
        text[text.index("dense (") : text.index("]") + 1],
        "relu",
    ]


def test_a_hash_in_a_string_begins_no_comment() -> None:
    assert only('data "a # b" # c').file.value == "a # b"


def test_other_line_ends_and_marks() -> None:
    crlf = tree("\ufeffnet a\r\n\r\ndense 3\r\n  -> relu\r\n")
    assert [type(sentence) for sentence in crlf.sentences] == [s.Header, s.Chain]
    assert crlf.sentences[1].place.line == 3
    assert bare(crlf) == bare(tree("net a\ndense 3 -> relu"))
    assert bare(tree("\tdense\t3\t->\trelu\t")) == bare(tree("dense 3 -> relu"))
    assert tree("") == tree(" \n# nothing\n\t\n") == s.Tree(())


def test_doc_comments_belong_to_the_sentence_below() -> None:
    text = "## a\n##b\n# no\n### no\n\nnet x\npart g {\n  ##   c\n  relu\n  ## d\n  tanh\n}\nrelu"
    header, part, chain = tree(text).sentences
    assert (header.doc, part.doc, chain.doc) == ("a\nb", "", "")
    assert [step.doc for step in part.body] == ["  c", "d"]
    assert only("## p\noutput p = relu").chain.doc == ""


# Errors ----------------------------------------------------------------------------------------------------------


def test_all_faulty_sentences_are_told_in_order_and_nothing_follows_from_them() -> None:
    text = (
        "net a b\ndense n-1\nrelu\ninput x f32\npart g {\n  dense 3,\n  relu\n  dense -> ->\n}\nlet a = 3 +\nloss mse\n"
    )
    assert codes(text) == [
        ("incomplete-sentence", 1),
        ("bare-arithmetic", 2),
        ("type-syntax", 4),
        ("unwanted-comma", 6),
        ("broken-chain", 8),
        ("expression-syntax", 10),
    ]


def test_a_faulty_head_takes_its_body_with_it() -> None:
    assert codes("def block f {\n  dense n-1\n}\ndense 3,") == [("incomplete-sentence", 1), ("unwanted-comma", 4)]
    assert codes("if a = b { relu } else { dense n-1 }\nrelu ->") == [("equals", 1), ("broken-chain", 2)]


def test_what_a_missing_bracket_hides_is_not_guessed() -> None:
    assert codes("dense n-1\ndense (3\nrelu ->\nlet 3") == [("bare-arithmetic", 1), ("unmatched-bracket", 2)]
    assert codes("dense n-1\npart g {\nlet a = 3\nloss mse\n") == [("bare-arithmetic", 1), ("unmatched-bracket", 2)]
    assert codes("relu ->\n}\nlet 3") == [("broken-chain", 1), ("unmatched-bracket", 2)]
    assert codes("part g { a (b }\nlet 3") == [("unmatched-bracket", 1)]


def test_characters_are_refused_once_a_sentence() -> None:
    assert codes("dense \u201cn\u201d \u2013 3\nrelu ->") == [("bad-character", 1), ("broken-chain", 2)]
    assert codes("relu # \u202e\nrelu\rtanh\n\x00") == [
        ("bad-character", 1),
        ("bad-character", 2),
        ("bad-character", 3),
    ]
    assert codes('data "\u2066x"') == [("bad-character", 1)]
    assert codes("relu\ufeff") == codes("relu\u00a0-> tanh") == codes("d\u00e9nse") == [("bad-character", 1)]
    assert only('data "d\u00e9nse \u2212"  # \u2212 \u00e9').file.value == "d\u00e9nse \u2212"


def test_at_most_some_errors_are_told() -> None:
    assert len(errors("dense n-1\n" * 30)) == len(errors("dense \u2212\n" * 30)) == ERROR_LIMIT


def test_numbers_that_are_none() -> None:
    for text in ("1e999", "-1e999", "1e-999", "1" * 41, "1x" + "1" * 40):
        assert codes(f"f {text}") == [("bad-number", 1)]
    assert only("f 0e-999").links[0].arguments[0].value.value == 0


def test_the_help_offers_the_parentheses() -> None:
    for text, help in [
        ("write n-1", "write (n-1)"),
        ("dense 2*k bias=false", "write (2*k)"),
        ("dense a=k / 2 -> relu", "write (k / 2)"),
        ("dense f(a, [b, c])+1", "write (f(a, [b, c])+1)"),
        ("dense n -k", "write (-k)"),
    ]:
        assert errors(text)[0].help == help
