"""A deep net's page prints its blocks once and stays short."""

from __future__ import annotations

from netc.codegen import to_numpy
from netc.dsl import load_text

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


def test_twenty_layers_print_each_block_once():
    page = to_numpy(load_text(RESNET20))
    assert page.count("def residual(") == page.count("def residual_grad(") == page.count("def halving_grad(") == 1
    # As many as the parts add up to; three blocks more of a kind take a line each in four functions and a table.
    assert page.count("\n") < 700
