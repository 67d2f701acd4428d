"""From text to tree: every sentence, the lexical rules, all errors of a file at once, and limits that hold."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from netc.dsl import syntax as s
from netc.dsl.diagnostics import CODES, Diagnostic, SpecError, render
from netc.dsl.parse import COUNT_LIMIT, DEPTH_LIMIT, ERROR_LIMIT, SIZE_LIMIT, parse
from netc.dsl.source import Source
from netc.dsl.unparse import unparse
from trees import bare

SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.net"))


def tree(text: str) -> s.Tree:
    return parse(Source("spec.net", text))


def only(text: str) -> Any:
    (sentence,) = tree(text).sentences
    return sentence


def errors(text: str) -> list[Diagnostic]:
    with pytest.raises(SpecError) as caught:
        tree(text)
    return list(caught.value.diagnostics)


def codes(text: str) -> list[tuple[str, int]]:
    """The codes of a text's errors and the lines where they are."""
    return [(error.code, error.place.line if error.place else 0) for error in errors(text)]


def source_of(node: s.Node) -> str:
    return node.place.source.text[node.place.start : node.place.end]


@pytest.mark.parametrize("sample", SAMPLES, ids=[sample.stem for sample in SAMPLES])
def test_samples_parse(sample: Path) -> None:
    assert tree(sample.read_text()).sentences


SENTENCES = [
    ("net iris", s.Header),
    ("let width = 2 * 64", s.Let),
    ("input flower: f32[4]", s.Declaration),
    ("input text: f32[T, 8] lengths=true", s.Declaration),
    ('target species: class("setosa", "versicolor")', s.Declaration),
    ("target text: class(65)[T]", s.Declaration),
    ("noise z: normal[64]", s.Declaration),
    ("dense 16", s.Chain),
    ("dense 16 -> tanh", s.Chain),
    ("skip = in -> conv channels 1x1 stride=stride bias=false -> batchnorm", s.Chain),
    ("a -> concat b", s.Chain),
    ("bidirectional lstm 64", s.Chain),
    ("output fake", s.Output),
    ("output p = h -> dense 1", s.Output),
    ("threshold spam 0.4", s.Threshold),
    ("threshold spam best(f1)", s.Threshold),
    ("threshold spam [[0, 1], [5, 0]]", s.Threshold),
    ("loss mcxent", s.Loss),
    ("loss huber delta=2", s.Loss),
    ("loss mse(price, y) + 0.3 * mcxent(kind, k)", s.Loss),
    ("loss critic = xent(a, 1) + xent(b, 0) trains discriminator with adam(2e-4, beta1=0.5)", s.Loss),
    ("loss mse trains a, b with adam", s.Loss),
    ("updater adam lr=cosine(1e-3, epochs=20, warmup=1)", s.Updater),
    ("metric accuracy f1 top_k(5)", s.Metric),
    ("metric f1(kind, k)", s.Metric),
    ("train epochs=100 batch=16 seed=7 validation=20% class_weight=[1, 2.5]", s.Train),
    ('data "iris.csv"', s.Data),
    ('data "f.csv" x=age..income y=label z=1..4 w="a column" v=[a, b] next=shift(text)', s.Data),
    ("targets numpy inference", s.Targets),
    ("part generator { dense 256 -> leakyrelu 0.2 }", s.Part),
    ("def block residual(channels, stride=1) { in -> dense channels\nadd in }", s.Definition),
    ("def activation mish(x) = x * tanh(softplus(x))", s.Definition),
    ("def loss huber(p, y, delta=1.0) = mean(abs(p - y))", s.Definition),
    ("def metric close(p, y) = mean(p == y)", s.Definition),
    ("def init tiny() = 1e-3", s.Definition),
    ("def schedule halve(lr) = lr * 0.5^epoch", s.Definition),
    ("def layer scale() { weight g: [in.features] init=ones\nreturn in * g }", s.Definition),
    ("def cell step(n) { if n > 1 { return in } else { return -in } }", s.Definition),
    ("def updater plain(lr=0.1) { state m = zeros\nw = w - lr * g }", s.Definition),
    ("repeat 3 { dense 16 -> relu }", s.Repeat),
    ("if deep and not (wide or n >= 3) { relu } else { tanh }", s.If),
    ('import "common.net"', s.Import),
]


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


# Limits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    ["let a = {0}x", "let a = x{1}", "let a = x{2}", "let a = x{3}", "let a = {4}x{5}", "dense x{6}"],
    ids=["minus", "plus", "power", "and", "call", "field"],
)
def test_depth_is_limited(form: str) -> None:
    def written(n: int) -> str:
        return form.format("-" * n, "+x" * n, "^x" * n, " and x" * n, "f(" * (n // 2), ")" * (n // 2), ".x" * n)

    assert only(written(DEPTH_LIMIT - 4))
    assert [code for code, _ in codes(written(DEPTH_LIMIT + 1))] == ["too-deep"]
    assert [code for code, _ in codes(written(10_000))] == ["too-deep"]


def test_brackets_are_limited() -> None:
    assert only("let a = " + "(" * 50 + "x" + ")" * 50)
    assert codes("let a = " + "(" * 51 + "x" + ")" * 51) == [("too-deep", 1)]
    assert only("repeat 2 { " * 48 + "relu" + " }" * 48)
    assert codes("repeat 2 { " * 51 + "relu" + " }" * 51) == [("too-deep", 1)]


def test_sizes_are_limited() -> None:
    assert tree("#" * SIZE_LIMIT)
    assert codes("#" * (SIZE_LIMIT + 1)) == [("too-long", 1)]
    assert codes("relu\n" * COUNT_LIMIT) == [("too-long", COUNT_LIMIT // 2 + 1)]


N = 100_000
HOSTILE = {
    "newlines": "\n" * N,
    "parentheses": "dense " + "(" * N,
    "closers": "dense " + ")" * N,
    "braces": "part g {" * N,
    "comments": "# -> x\n" * N,
    "docs": "## x\n" * N,
    "blanks": "dense" + " " * N + "3",
    "keyword and blanks": "input" + " " * N + "x: f32",
    "many blanks": "input         " * (N // 2),
    "arrow lines": "relu\n" + "\n# ->\n" * N,
    "quotes": 'data "' * N,
    "backslashes": 'data "' + "\\" * N,
    "digits": "dense " + "1" * N,
    "exponents": "dense " + "1e" * N,
    "window": "dense " + "1x" * N,
    "minus": "let a = " + "-" * N + "1",
    "plus": "let a = 1" + "+1" * N,
    "name": "a" * N,
    "names": "a " * N,
    "faulty lines": "dense n-1\n" * N,
    "bad lines": "d\u00e9 \u2212\n" * N,
    "zeros": "\0" * N,
    "returns": "\r" * N,
    "semicolons": ";" * N,
    "list": "let a = [" + "1, " * N + "1]",
    "largest list": "let a = [" + "1, " * (COUNT_LIMIT // 2 - 4) + "1]",
    "most chains": "a\n" * (COUNT_LIMIT // 2),
    "longest chain": "a" + " -> a" * (COUNT_LIMIT // 2 - 1),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_are_read_in_no_time(text: str) -> None:
    tree("net warm")
    start = time.process_time()
    try:
        tree(text)
    except SpecError as error:
        assert "\n".join(map(render, error.diagnostics))
    assert time.process_time() - start < 1


def test_a_chain_of_a_thousand_layers() -> None:
    start = time.process_time()
    assert len(only("dense 8" + "\n-> dense 8" * 1000).links) == 1001
    assert time.process_time() - start < 0.3


def answer(text: str) -> None:
    """Whatever a text is, it has a tree that prints, or diagnostics with known codes, in order and inside the text."""
    try:
        unparse(tree(text))
    except SpecError as error:
        found = error.diagnostics
        assert 0 < len(found) <= ERROR_LIMIT
        for diagnostic in found:
            assert diagnostic.code in CODES
            assert diagnostic.place is not None
            assert 0 <= diagnostic.place.start <= diagnostic.place.end <= len(text)
            assert render(diagnostic)
        starts = [diagnostic.place.start for diagnostic in found if diagnostic.place]
        assert starts == sorted(starts)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text() | st.text(st.sampled_from('adn1 .,:;=-><+*()[]{}"\\#\n\r%x^@!\t')))
def test_random_texts_have_answers(text: str) -> None:
    answer(text)


def test_mutated_texts_have_answers() -> None:
    rng = random.Random(1)
    texts = [text for text, _ in SENTENCES] + [sample.read_text() for sample in SAMPLES]
    pieces = [*' \n()[]{}=,:.-+*#"%', " -> ", "3", "x", "##", "else", "with", " trains ", "true", "\u2212"]
    for _ in range(1500):
        text = rng.choice(texts)
        for _ in range(rng.randint(1, 3)):
            at, end = sorted(rng.randint(0, len(text)) for _ in range(2))
            insert = rng.choice(pieces) if rng.random() < 0.7 else rng.choice(texts)[at:end]
            text = text[:at] + insert + text[at if rng.random() < 0.5 else min(end, at + 5) :]
        answer(text)
