"""Pages of nets over images: a deep net's prints its blocks once, and they stay short."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from netc.codegen import to_numpy
from netc.dsl import load, load_text

ARCHITECTURES = Path(__file__).resolve().parent.parent / "specs" / "architectures"

# He et al. 2015, section 4.2: 20 layers for images of 32 x 32, here with projections of 1 x 1 where the size changes.
RESNET20 = """net resnet20
input  image: f32[3, 32, 32]
target label: class(10)

def block residual(channels) {
    skip = in
    conv channels 3x3 pad=1 bias=false -> batchnorm -> relu
    conv channels 3x3 pad=1 bias=false -> batchnorm -> add skip -> relu
}
def block halving(channels) {
    skip = in -> conv channels 1x1 stride=2 bias=false -> batchnorm
    in -> conv channels 3x3 stride=2 pad=1 bias=false -> batchnorm -> relu
       -> conv channels 3x3 pad=1 bias=false -> batchnorm -> add skip -> relu
}

conv 16 3x3 pad=1 bias=false -> batchnorm -> relu
repeat 3 { residual 16 }
halving 32
repeat 2 { residual 32 }
halving 64
repeat 2 { residual 64 }
globalavgpool -> dense 10 -> softmax

loss    mcxent
updater momentum lr=step(0.1, every=80, factor=0.1) momentum=0.9
train   epochs=160 batch=128 seed=1
"""


SMALL = """net small
input  image: f32[1, 28, 28]
target digit: class(10)
conv 6 5x5 pad=same -> relu -> maxpool 2x2
conv 16 5x5         -> relu -> maxpool 2x2
flatten
dense 120 -> relu -> dense 84 -> relu -> dense 10 -> softmax
loss    mcxent
updater {}
train   epochs=5 batch=64 seed=1
"""


@pytest.mark.parametrize("more", ["", "clip_norm=1"])
def test_twenty_layers_print_each_block_once(more: str):
    page = to_numpy(load_text(f"{RESNET20.strip()} {more}\n"))
    assert page.count("def residual(") == page.count("def residual_grad(") == page.count("def halving_grad(") == 1
    # As many as the parts add up to; three blocks more of a kind take a line each in five functions and a table.
    assert page.count("\n") <= (501 if more else 490)


# LeNet-5 scales its images and reports its accuracy, of which each takes its dozen or more.
LENGTHS = {"sgd": 312, "adam": 320, "lenet5": 349}


@pytest.mark.parametrize("name", LENGTHS)
def test_small_nets_over_images_are_short(name: str):
    net = load(ARCHITECTURES / "lenet5.net") if name == "lenet5" else load_text(SMALL.format(name))
    assert to_numpy(net).count("\n") <= LENGTHS[name]


def test_two_long_calls_of_a_sum_break_within_their_brackets(tmp_path: Path):
    chains = """a = deconv 3 2x3 stride=[1, 2] dilation=2 pad=same name={0}1
b = image -> deconv 3 2x3 stride=[1, 2] dilation=2 pad=same name={0}2
a -> add b -> conv 2 1x1 name={0}3 -> globalavgpool -> dense 2 -> softmax
"""
    head, tail = "net sums\ninput image: f32[2, 5, 4]\ntarget y: class(2)\n", "loss mcxent\nupdater sgd\n"
    for length in range(1, 29, 3):
        page = to_numpy(load_text(head + chains.format("n" * length) + tail))
        (tmp_path / f"sums{length}.py").write_text(page, encoding="utf-8")
    run = [sys.executable, "-m", "ruff", "format", "--isolated", "--diff", str(tmp_path)]
    done = subprocess.run(run, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
