"""The emitted trainer as a page: clean, documented, short, the same everywhere, and true to its contract."""

from __future__ import annotations

import ast
import itertools
import os
import random
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import Array, batch, module, small, weights
from netc.codegen import to_numpy
from netc.dsl import Net, load, load_text
from netc.dsl.words import WORDS, names
from uses import nets_around, uses

ROOT = Path(__file__).resolve().parent.parent
SPECS = sorted((ROOT / "specs").glob("*.net"))
GOLDEN = ROOT / "tests" / "golden" / "iris.py"
LONG = "a_name_of_thirty_characters_at"  # and two digits: the longest that a spec may use
PLAIN = (
    "net plain\ninput x: f32[4]\ntarget y: class(3)\ndense 16 -> tanh\ndense 3 -> softmax\n"
    "loss mcxent\nupdater adam\ntrain epochs=10 batch=16\n"
)
EVERYTHING = (
    f"net {LONG}\n## What is seen.\ninput {LONG}1: f32[4]\ninput {LONG}2: unit\n"
    f'## What is said.\ntarget {LONG}3: class("{"a" * 40}", "b\\"b", "c\\\\c")\ntarget {LONG}4: f32\n'
    f"{LONG}5 = {LONG}1 -> standardize name={LONG}6 -> dropout 20% -> dense 4 l1=0.1 name={LONG}7 -> selu"
    f" -> concat {LONG}2\n"
    f"{LONG}8 = dense 3 l2=0.2 name={LONG}9 init=[{', '.join(['[0.125, -1e-9, 12345.678]'] * 5)}] -> softmax\n"
    f"{LONG}10 = {LONG}5 -> dense 1 name={LONG}11 -> elu 2\noutput {LONG}8\noutput {LONG}10\n"
    f"loss mcxent({LONG}8, {LONG}3) + 0.5 * mse({LONG}10, {LONG}4)\n"
    f"updater adamw lr=cosine(0.1, epochs=20, warmup=3)\nmetric f1({LONG}8, {LONG}3) r2({LONG}10, {LONG}4)\n"
    "train epochs=30 batch=10 seed=5 validation=20% early_stop=3 clip_norm=5\n"
)
# What metrics of decisions and probabilities look at in the net `decided`.
PAIRS = ((4, 1), (5, 2), (6, 3))
JUDGING = [m for (kind, m), word in WORDS.items() if kind == "metric" and word.targets == ("class", "binary")]
SMALL: dict[str, str] = {
    "plain": PLAIN,
    "everything": EVERYTHING,
    "deep_and_clipped": PLAIN.replace("dense 16 -> tanh\n", "dense 16 -> tanh\n" * 7).replace(
        "epochs=10", "clip_norm=1"
    ),
    "inference": "net only\ninput x: f32[2]\ndense 2 -> relu\ntargets inference\n",
    "tables": (
        f'net tables\ninput color: category("red", "green")\ninput {LONG}1: u8[1, 3, 3]\ninput {LONG}2: count\n'
        f"input {LONG}3: binary\ninput {LONG}4: count[2]\ntarget {LONG}5: simplex[2]\n"
        f"pixels = {LONG}1 -> flatten -> rescale name={LONG}6\ncolors = color -> embedding 2 name={LONG}7\n"
        f"color -> onehot -> concat pixels colors {LONG}2 {LONG}3 {LONG}4\ndense 2 -> softmax\n"
        "loss mcxent\nupdater adam\n"
    ),
    "decided": (
        f"net decided\ninput x: f32[4]\ntarget {LONG}1: binary[3]\ntarget {LONG}2: class(2)\ntarget {LONG}3: class(4)\n"
        f"h = dense 6 -> tanh\noutput {LONG}4 = h -> dense 3 -> sigmoid\noutput {LONG}5 = h -> dense 2 -> softmax\n"
        f"output {LONG}6 = h -> dense 4 -> softmax\nthreshold {LONG}4 best(mcc)\nthreshold {LONG}5 best(kappa)\n"
        f"threshold {LONG}6 [[0, 12345.678, 2, 3], [1e-9, -1e9, 1, 1], [5, 6, 0.125, 4], [1, 1, 1, 0]]\n"
        f"loss xent({LONG}4, {LONG}1) + mcxent({LONG}5, {LONG}2) + mcxent({LONG}6, {LONG}3)\nupdater adam\n"
        + "".join(f"metric {m}({LONG}{p}, {LONG}{y})\n" for m in JUDGING for p, y in PAIRS)
        + "train validation=20% early_stop=3\n"
    ),
    "one_number": "net one\ninput a: f32\ntarget b: f32\ndense 1\nloss mae\nupdater sgd\nmetric mae rmse r2\n",
}


def long_names(seed: int) -> str:
    """A net whose names are of any length, so that lines break in many places."""
    rng = random.Random(seed)
    numbers = itertools.count()

    def name() -> str:
        return f"n{next(numbers)}_{'abcdefghijklmnopqrstuvwxyzabcd'[: rng.choice([2, 8, 14, 18, 22, 26, 27])]}"

    def dense() -> str:
        own = f" name={name()}" if rng.random() < 0.8 else ""
        # Those after which a layer with weights may stand, and before which one may learn.
        fit = [n for n in names("activation") if n not in ("softmax", "step")]
        return f"dense 6{own}{rng.choice(['', ' l1=0.1', ' l2=0.2'])} -> {rng.choice(fit)}"

    x, u, k, t, a, b, c = (name() for _ in range(7))
    first = rng.choice(["", "standardize -> ", f"standardize name={name()} -> ", f"dropout 20% name={name()} -> "])
    middle = "".join(f"{dense()}{rng.choice(['', ' -> dropout 10%'])}\n" for _ in range(rng.randint(0, 4)))
    kind, loss, head = rng.choice(
        [("f32", "mse", "tanh"), ("binary", "xent", "sigmoid"), ("positive", "mae", "softplus")]
    )
    return (
        f"net {name()}\ninput {x}: f32[4]\ninput {u}: {rng.choice(['f32', 'unit[2]'])}\ntarget {k}: class(3)\n"
        f"target {t}: {kind}\n{a} = {x} -> {first}{dense()} -> concat {u}\n{middle}"
        f"{b} = dense 3 name={name()} -> softmax\n{c} = {a} -> dense 1 name={name()} -> {head}\n"
        f"output {b}\noutput {c}\nloss mcxent({b}, {k}) + 0.5 * {loss}({c}, {t})\nupdater adam\n"
        f"metric accuracy({b}, {k}) {'f1' if kind == 'binary' else 'r2'}({c}, {t})\n"
        f"train {rng.choice(['seed=1', 'clip_norm=5', 'validation=20% early_stop=3 clip_norm=1'])}\n"
    )


@cache
def nets() -> dict[str, Net]:
    """Every spec of the project, a matrix of small ones, and a net around every use of every word."""
    found = {path.stem: load(path) for path in SPECS} | {name: load_text(text) for name, text in SMALL.items()}
    kinds = ("layer", "activation", "loss", "updater", "solver", "schedule", "init", "metric")
    around = [net for use in uses(*kinds) for net in nets_around(use)]
    found |= {f"long{seed}": load_text(long_names(seed)) for seed in range(12)}
    return found | {f"use{i}": net for i, net in enumerate(around)}


@cache
def pages() -> dict[str, str]:
    return {name: to_numpy(net) for name, net in nets().items()}


@cache
def trees() -> dict[str, ast.Module]:
    return {name: ast.parse(page) for name, page in pages().items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("pages")
    for name, page in pages().items():
        (home / f"{name}.py").write_text(page, encoding="utf-8")
    return home


# Style ----------------------------------------------------------------------------------------------------------------


STYLE = ["check --isolated --output-format=concise", "format --isolated --check --diff"]


@pytest.mark.parametrize("command", STYLE)
def test_ruff(folder: Path, command: str):
    ruff = [sys.executable, "-m", "ruff", *command.split(), "--no-cache", "--quiet", str(folder)]
    done = subprocess.run(ruff, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[:4000]


# Two numbers of steps that a draw asks for, and long names in what reads a value twice.
STEPS = {
    "two_letters": "net two\ninput x: f32[S, T, 4]\ntarget y: class(3)[S, T]\ndropout 0.2 -> dense 3 -> softmax\n",
    "two_inputs": (
        "net two\ninput x: f32[T, 4]\ninput z: f32[U, 4]\ninput r: f32[V, 4]\ntarget y: class(3)[T]\n"
        "b = z -> dropout 0.2\nc = r -> dropout 0.2\nx -> attention b -> attention c -> dense 3 -> softmax\n"
    ),
    "long_names": (
        f"net long\ninput x: f32[S, T, 3] lengths=true\ntarget y: class(4)[S]\n{LONG}1 = time_distributed conv 4 3\n"
        f"{LONG}2 = {LONG}1 -> time_distributed maxpool 2\n"
        f"{LONG}3 = {LONG}2 -> time_distributed bidirectional lstm 4\n"
        f"{LONG}4 = {LONG}3 -> time_distributed last_step\n{LONG}4 -> dense 4 -> softmax\n"
    ),
}


def test_ruff_on_steps(tmp_path: Path):
    for name, text in STEPS.items():
        page = to_numpy(load_text(f"{text}loss mcxent\nupdater adam lr=cosine(1e-2, epochs=3)\ntrain clip_norm=1\n"))
        assert max(map(len, page[page.index('"""', 3) :].splitlines())) <= 88, name
        (tmp_path / f"{name}.py").write_text(page, encoding="utf-8")
    for command in STYLE:
        test_ruff(tmp_path, command)


def test_ruff_where_an_index_stands_behind_a_call_that_just_fits(tmp_path: Path):
    page = to_numpy(load(ROOT / "specs" / "sequences" / "shakespeare_transformer.net"))
    (tmp_path / "transformer.py").write_text(page, encoding="utf-8")
    test_ruff(tmp_path, STYLE[1])


def test_lines_of_every_word_fit():
    """Those of kernels too, with what they say of themselves."""
    for page in [page for name, page in pages().items() if name.startswith("use")]:
        assert max(map(len, page[page.index('"""', 3) :].splitlines())) <= 88


@pytest.mark.exhaustive
def test_ruff_on_many_long_names(tmp_path: Path):
    for seed in range(1000, 1200):
        (tmp_path / f"long{seed}.py").write_text(to_numpy(load_text(long_names(seed))), encoding="utf-8")
    for command in STYLE:
        test_ruff(tmp_path, command)


@pytest.mark.parametrize("name", [*(p.stem for p in SPECS), *SMALL])
def test_every_function_says_what_it_does(name: str):
    tree = trees()[name]
    assert ast.get_docstring(tree)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert len(functions) >= 3 and not any(isinstance(n, ast.ClassDef | ast.Lambda) for n in ast.walk(tree))
    for function in functions:
        said = ast.get_docstring(function)
        assert said and said.endswith(".") and "\n" not in said, function.name


def test_imports():
    for tree in trees().values():
        imports = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
        assert all(isinstance(n, ast.Import) for n in imports)
        modules = {alias.name for n in imports for alias in n.names}
        assert "numpy" in modules and modules - {"numpy"} <= {"argparse", "hashlib", "math", "os", "sys"}
        assert all(n in tree.body for n in imports)


# Two heads are six layers, two outputs, and most of the features that cost a dozen lines each; a GAN has two gradients;
# the patients are a plain page and ten features.
LINES = {"plain": 200, **{path.stem: 300 for path in SPECS}, "two_heads": 370, "gan": 330, "patients": 310}


@pytest.mark.parametrize("name", LINES)
def test_length(name: str):
    page = pages()[name]
    assert len(page.splitlines()) <= LINES[name]
    code = [line for line in page[page.index('"""', 3) :].splitlines() if '"""' not in line]
    assert max(map(len, code)) <= 88


def test_straight_line():
    """No loop, class or branch in the mathematics."""
    for tree in trees().values():
        found = [n for n in tree.body if isinstance(n, ast.FunctionDef)]
        for function in [f for f in found if f.name in ("predict", "loss_and_grads", "compared", "penalty", "metrics")]:
            loops = ast.For | ast.While | ast.If | ast.Try | ast.With | ast.FunctionDef
            assert not any(isinstance(n, loops) for s in function.body for n in ast.walk(s)), function.name


def test_backward_sections_mirror_the_forward_ones():
    page = to_numpy(small("dense 4 -> tanh\ndense 3 name=mid -> relu\ndense 2"))
    heads = [line.strip() for line in page.splitlines() if line.startswith("    # ")]
    assert [h for h in heads if "back" in h] == [
        "# back through the loss",
        "# back through 3",
        "# back through mid",
        "# back through 1",
    ]


def test_nothing_is_computed_that_nobody_asked_for():
    """Every value that a function assigns is read."""
    for tree in trees().values():
        for function in [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]:
            names = [n for n in ast.walk(function) if isinstance(n, ast.Name)]
            stored = {n.id for n in names if isinstance(n.ctx, ast.Store)}
            read = {n.id for n in names if isinstance(n.ctx, ast.Load)}
            assert stored - read <= {"k", "probs", "digest", "_"}, (function.name, stored - read)


# The same bytes -------------------------------------------------------------------------------------------------------

HASHES = """
import hashlib, sys
from netc.codegen import serialized, to_numpy, to_onnx, to_step
from netc.dsl import load
for path in sys.argv[1:]:
    net = load(path)
    space = {"__name__": "emitted"}
    page = to_numpy(net)
    exec(page, space)
    parts = page.encode(), serialized(to_onnx(net, space["init"](1))), serialized(to_step(net))
    print([hashlib.sha256(part).hexdigest() for part in parts])
"""


def test_two_builds_are_byte_identical(tmp_path: Path):
    names = ("iris", "two_heads", "digits")
    places = [(tmp_path, str(ROOT / "specs")), (ROOT / "specs", "."), (ROOT, "specs")]
    settings = [
        {"PYTHONHASHSEED": "0", "LC_ALL": "C", "TZ": "UTC"},
        {"PYTHONHASHSEED": "1", "LC_ALL": "tr_TR.UTF-8", "TZ": "Asia/Kathmandu", "COLUMNS": "40"},
        {"PYTHONHASHSEED": "12345", "LC_ALL": "de_DE.UTF-8", "PYTHONUTF8": "0"},
    ]
    running: list[subprocess.Popen[str]] = []
    for (where, specs), setting in zip(places, settings, strict=True):
        paths = [str(Path(specs) / f"{name}.net") for name in names]
        command = [sys.executable, "-c", HASHES, *paths]
        kwargs: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        running.append(subprocess.Popen(command, cwd=where, env={**os.environ, **setting}, **kwargs))
    said = [process.communicate() for process in running]
    assert said[0][0].count("[") == len(names), said[0][1]
    assert len({out for out, _ in said}) == 1, said


def test_nothing_of_the_machine_is_in_it():
    for name, page in pages().items():
        for foreign in (str(ROOT), str(Path.home()), "/tmp", os.environ.get("HOSTNAME", "/tmp")):
            assert foreign not in page, (name, foreign)


def test_golden(update_golden: bool):
    """The whole page of iris.net, to be read by a person whenever it changes: pytest --update-golden."""
    page = to_numpy(load(ROOT / "specs" / "iris.net"))
    if update_golden:
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(page, encoding="utf-8")
    assert page == GOLDEN.read_text(encoding="utf-8"), "read the difference; pytest --update-golden accepts it"


# The contract of its functions ----------------------------------------------------------------------------------------

ONE_COLUMN = (
    "net one\ninput a: f32\ninput b: f32[2]\ntarget t: f32\ntarget u: binary\nh = b -> concat a -> dense 4 -> tanh\n"
)
ONE_COLUMN += "p = h -> dense 1\nq = h -> dense 1 -> sigmoid\noutput p\noutput q\nloss mse(p, t) + xent(q, u)\n"
ONE_COLUMN += "updater sgd\nmetric mae(p, t) accuracy(q, u)\n"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_column_may_come_without_its_axis(dtype: Any):
    """(N,) is taken for (N, 1), never broadcast to (N, N); the precision is that of what is given."""
    net = load_text(ONE_COLUMN)
    made, rng = module(net), np.random.default_rng(0)
    p = {k: v.astype(dtype) for k, v in made.init(0).items()}
    columns: list[Array] = [rng.random((5, 1)).astype(dtype), rng.random((5, 2)).astype(dtype)]
    columns += [rng.random((5, 1)).astype(dtype), rng.integers(0, 2, (5, 1)).astype(dtype)]
    flat = [a[:, 0] if a.shape[1] == 1 else a for a in columns]
    loss, grads = made.loss_and_grads(p, *columns)
    again, others = made.loss_and_grads(p, *flat)
    assert loss == again and all(np.array_equal(grads[k], others[k]) for k in grads)
    wide, thin = made.predict(p, *columns[:2]), made.predict(p, *flat[:2])
    assert all(np.array_equal(a, b) and a.shape == (5, 1) and a.dtype == dtype for a, b in zip(wide, thin, strict=True))
    assert made.metrics(*wide, *columns[2:]) == made.metrics(*wide, *flat[2:])
    assert loss.dtype == dtype and {g.dtype for g in grads.values()} == {np.dtype(dtype)}
    moments = made.init_updater(p)
    made.update(p, moments, grads, 1, 0.0)
    assert {v.dtype for v in (*p.values(), *moments.values())} == {np.dtype(dtype)}


PRECISE = [use for use in uses("layer", "activation", "loss", "updater") if use.text == use.word.example]


@pytest.mark.parametrize("use", PRECISE, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_computes_in_the_precision_it_is_given(use: Any, dtype: Any):
    for net in nets_around(use):
        made, rng = module(net), np.random.default_rng(2)
        inputs, targets = batch(net, rng)
        p = {k: v.astype(dtype) for k, v in weights(made, net, rng, inputs).items()}
        given = [a if a.dtype == np.int64 else a.astype(dtype) for a in (*inputs, *targets)]
        draws = {"draws": made.draw(0, 1, 5)} if hasattr(made, "draw") else {}
        # A word on ids alone is given no precision: its zeros and ones are float32.
        if any(a.dtype == dtype for a in given[: len(inputs)]):
            assert made.predict(p, *given[: len(inputs)]).dtype == dtype
        loss, grads, *_ = made.loss_and_grads(p, *given, **draws)
        assert loss.dtype == dtype and all(g.dtype == dtype for g in grads.values())
        moments = made.init_updater(p)
        made.update(p, moments, grads, 2, 0.25)
        # What an updater keeps as one number is float64 in either.
        assert all(v.dtype == (dtype if v.ndim else np.float64) for v in (*p.values(), *moments.values()))


@pytest.mark.parametrize("count", [1, 2, 17])
def test_batches_of_any_size(count: int):
    net = load_text(PLAIN)
    made = module(net)
    x, y = np.ones((count, 4), np.float32), np.zeros(count, np.int64)
    assert made.predict(made.init(0), x).shape == (count, 3)
    assert np.isfinite(made.loss_and_grads(made.init(0), x, y)[0])


def test_arguments_are_left_alone():
    """What is given is not written to, except weights and moments, whose entries `update` rebinds."""
    for use in PRECISE:
        net = nets_around(use)[0]
        made, rng = module(net), np.random.default_rng(3)
        inputs, targets = batch(net, rng)
        p = weights(made, net, rng, inputs)
        moments = made.init_updater(p)
        arrays = [*inputs, *targets, *p.values(), *moments.values()]
        for array in arrays:
            array.flags.writeable = False
        draws = {"draws": made.draw(0, 1, 5)} if hasattr(made, "draw") else {}
        _, grads, *_ = made.loss_and_grads(p, *inputs, *targets, **draws)
        made.update(p, moments, grads, 1, 0.0)


def test_math_is_there_where_a_penalty_alone_needs_it() -> None:
    """Also behind a comment of the same function."""
    text = "def schedule own(rate) = rate * tanh(log1p(t))\ndense 3 l2=own(0.1) -> tanh -> dropout 10%\ndense 2"
    page = to_numpy(small(text))
    assert "math.tanh" in page and "\nimport math\n" in page


def test_what_the_loss_looks_at_is_predicted_once() -> None:
    """Where it is an output and an input, `compared` says no mathematics of its own."""
    assert "    picture, _ = predict(p, pixels)\n    return picture, pixels\n" in to_numpy(
        load(ROOT / "specs" / "digits_autoencoder.net")
    )


def test_names_that_a_reader_expects() -> None:
    """What a block gives is named by its use, and a part that nothing names by what makes it."""
    text = to_numpy(load(ROOT / "specs" / "sequences" / "reversal.net"))
    assert "return predict(p, given, given_lengths, before, before_lengths), before_lengths" in text
    assert 'encoder2_h, saved2 = encoder(p, "encoder2", encoder1_h, counted)' in text
    assert 'dencoder1_h, grads2 = encoder_grad(p, "encoder2", dencoder2_h, saved2)' in text and "* drawn\n" in text
    text = to_numpy(small("conv 2 2 -> globalavgpool", given="f32[2, 4, 4]"))
    assert "np.broadcast_to((derror / 9)[:, :, None, None], z1.shape)" in text
