"""Invalid layers over images: windows too large, groups that divide nothing, wrong ranks, told with code and place."""

from __future__ import annotations

from pathlib import Path

import pytest
from faulty import Mistake, assert_told

IMAGE = "f32[3, 4, 6]"
STEPS = "f32[2, 8]"
VOLUME = "f32[2, 3, 4, 3]"
FEATURES = "f32[6]"
WORDS = "category(5)[6]"
FOUR = "f32[1, 2, 2, 2, 2]"

# Layers, what they are given, the code of the only error with its place, and what it says.
Rows = dict[str, tuple[str, str, str]]

# Windows that find no place.
LARGER: Rows = {
    "conv 4 5x5": (IMAGE, "shape-mismatch 4:1", "conv's window 5x5 is larger than the 4x6 of x"),
    "conv 4 9x9 pad=1": (IMAGE, "shape-mismatch 4:1", "conv's window 9x9 is larger than the 4x6 of x with pad=1"),
    "conv 4 3x3 dilation=2": (IMAGE, "shape-mismatch 4:1", "conv's window 5x5 is larger than the 4x6 of x"),
    "maxpool 2x2 -> conv 4 3x3": (IMAGE, "shape-mismatch 4:16", "conv's window 3x3 is larger than the 2x3 of"),
    "conv 4 9": (STEPS, "shape-mismatch 4:1", "conv's window 9 is larger than the 8 of x | make the window smaller"),
    "conv 4 4": (VOLUME, "shape-mismatch 4:1", "conv's window 4x4x4 is larger than the 3x4x3 of x"),
    "maxpool 5x5": (IMAGE, "shape-mismatch 4:1", "maxpool's window 5x5 is larger than the 4x6 of x"),
    "avgpool 9": (STEPS, "shape-mismatch 4:1", "avgpool's window 9 is larger than the 8 of x"),
    "sumpool 4": (VOLUME, "shape-mismatch 4:1", "sumpool's window 4x4x4 is larger than the 3x4x3 of x"),
    "normpool 5x5": (IMAGE, "shape-mismatch 4:1", "normpool's window 5x5 is larger than the 4x6 of x"),
    "locally_connected 2 5x5": (IMAGE, "shape-mismatch 4:1", "locally_connected's window 5x5 is larger than the 4x6"),
    "depthwise 5x5": (IMAGE, "shape-mismatch 4:1", "depthwise's window 5x5 is larger than the 4x6 of x"),
    "separable 4 5x5": (IMAGE, "shape-mismatch 4:1", "separable's window 5x5 is larger than the 4x6 of x"),
    "conv 4 3x3 -> conv 4 3x3": (IMAGE, "shape-mismatch 4:15", "conv's window 3x3 is larger than the 2x4 of conv"),
}
# Groups that do not fit.
GROUPS: Rows = {
    "conv 4 3x3 groups=2": (IMAGE, "bad-option 4:1", "groups=2 of conv does not divide its 3 channels and 4 filters"),
    "conv 4 3x3 groups=3": (IMAGE, "bad-option 4:1", "groups=3 of conv does not divide its 3 channels and 4 filters"),
    "deconv 5 2x2 groups=3": (IMAGE, "bad-option 4:1", "groups=3 of deconv does not divide its 3 channels and 5"),
    "conv 3 2x2 groups=0": (IMAGE, "bad-option 4:19", "groups of conv is a whole number of at least 1; 0 is not"),
    "groupnorm 2": (IMAGE, "shape-mismatch 4:1", "groupnorm makes 2 groups, but x gives 3 channels"),
    "dense 4 -> groupnorm 4": (FEATURES, "shape-mismatch 4:12", "groupnorm normalises over the numbers of a group"),
}
# Values of other axes than the word takes.
RANKS: Rows = {
    "conv 4 3": (FEATURES, "shape-mismatch 4:1", "conv needs channels and one to 3 axes behind them, but x gives"),
    "flatten -> conv 4 3x3": (IMAGE, "shape-mismatch 4:12", "conv needs channels and one to 3 axes behind them, but"),
    "dense 8 -> maxpool 2": (FEATURES, "shape-mismatch 4:12", "maxpool needs channels and one to 3 axes behind"),
    "globalavgpool -> conv 4 1": (IMAGE, "shape-mismatch 4:18", "conv needs channels and one to 3 axes behind them"),
    "globalmaxpool": (FEATURES, "shape-mismatch 4:1", "globalmaxpool needs channels and one to 3 axes behind them"),
    "conv 4 2": (FOUR, "shape-mismatch 4:1", "conv takes at most 3 axes behind the channels, but x gives [1, 2, 2"),
    "maxpool 2": (FOUR, "shape-mismatch 4:1", "maxpool takes at most 3 axes behind the channels, but x gives [1, 2"),
    "locally_connected 2 2": (VOLUME, "shape-mismatch 4:1", "locally_connected takes one or two axes behind the"),
    "embedding 4 -> conv 4 3x3": (WORDS, "bad-option 4:16", "kernel of conv is given for 2 axes, but embedding"),
    "embedding 4 -> maxpool 7": (WORDS, "shape-mismatch 4:16", "maxpool's window 7 is larger than the 6 of embedding"),
    "flip": (FEATURES, "shape-mismatch 4:1", "flip needs channels and one to 3 axes behind them, but x gives [6]"),
    "embedding 4 -> cutout 1": (WORDS, "shape-mismatch 4:16", "cutout needs channels first, but embedding gives [6"),
}
# Options with too many numbers, or none.
SIZES: Rows = {
    "conv 4 3x3x3": (IMAGE, "bad-option 4:1", "kernel of conv is given for 3 axes, but x has 2 axes behind its"),
    "conv 4 3x3": (STEPS, "bad-option 4:1", "kernel of conv is given for 2 axes, but x has one axis behind its"),
    "maxpool 2x2 stride=[1, 1, 1]": (IMAGE, "bad-option 4:1", "stride of maxpool is given for 3 axes, but x has 2"),
    "conv 4 2x2 dilation=[1, 1, 1]": (IMAGE, "bad-option 4:1", "dilation of conv is given for 3 axes, but x has 2"),
    "conv 4 2x2 pad=[1, 1, 1]": (IMAGE, "bad-option 4:1", "pad of conv is given for 3 axes, but x has 2 axes behind"),
    "conv 4": (IMAGE, "missing-option 4:1", "conv needs kernel: a window such as 3x3, or one size for all axes"),
    "conv": (IMAGE, "missing-option 4:1", "conv needs channels: a whole number of at least 1 | as in"),
    "maxpool": (IMAGE, "missing-option 4:1", "maxpool needs size: a window such as 3x3, or one size for all axes"),
    "crop [1, 1, 1]": (IMAGE, "bad-option 4:1", "margin of crop is given for 3 axes, but x has 2 axes behind its"),
    "normpool 2x2x2": (IMAGE, "bad-option 4:1", "size of normpool is given for 3 axes, but x has 2 axes behind its"),
    "normpool 2 stride=[1, 2]": (STEPS, "bad-option 4:1", "stride of normpool is given for 2 axes, but x has one"),
    "random_shift 1x1x1": (IMAGE, "bad-option 4:1", "pixels of random_shift is given for 3 axes, but x has 2 axes"),
    "random_shift": (IMAGE, "missing-option 4:1", "random_shift needs pixels: a whole number of at least 0, or one"),
}
# Margins that are too large, or no margins.
MARGINS: Rows = {
    "conv 4 3x3 pad=3": (IMAGE, "bad-option 4:1", "pad of conv adds 3, and a window 3x3 could see nothing else"),
    "conv 4 3x3 pad=[[0, 3], [0, 0]]": (IMAGE, "bad-option 4:1", "pad of conv adds [[0, 3], [0, 0]], and a window"),
    "maxpool 2x2 pad=2": (IMAGE, "bad-option 4:1", "pad of maxpool adds 2, and a window 2x2 could see nothing else"),
    "conv 4 3x3 pad=-1": (IMAGE, "bad-option 4:16", "pad of conv is valid, same, causal, or whole numbers of at"),
    "conv 4 3x3 pad=[[1, 2, 3]]": (IMAGE, "bad-option 4:16", "pad of conv is valid, same, causal, or whole numbers"),
    "conv 4 3x3 pad=full": (IMAGE, "bad-option 4:16", "pad of conv is valid, same, causal, or whole numbers of at"),
    "conv 4 3x3 pad=causal": (IMAGE, "bad-option 4:1", "pad=causal of conv is for one axis of steps, and x gives 2"),
    "maxpool 2 pad=causal": (STEPS, "bad-option 4:15", "pad of maxpool is valid, same, or whole numbers of at least"),
    "deconv 4 1x1 pad=2": (IMAGE, "shape-mismatch 4:1", "deconv makes 4x6 pixels of x, and pad=2 leaves none of"),
    "deconv 4 2x2 output_pad=1": (IMAGE, "bad-option 4:1", "output_pad of deconv is below its stride [1, 1], but"),
    "deconv 4 2x2 stride=2 output_pad=2": (IMAGE, "bad-option 4:1", "output_pad of deconv is below its stride [2"),
    "deconv 4 2x2 stride=2 pad=same output_pad=1": (IMAGE, "bad-option 4:1", "pad=same of deconv gives n * stride"),
    "crop 2": (IMAGE, "shape-mismatch 4:1", "crop takes 2 off each side, but x gives [3, 4, 6]"),
    "crop [[3, 3], [0, 0]]": (IMAGE, "shape-mismatch 4:1", "crop takes [3, 0] off each side, but x gives [3, 4, 6]"),
    "crop 4": (STEPS, "shape-mismatch 4:1", "crop takes 4 off each side, but x gives [2, 8]"),
    "crop -1": (IMAGE, "bad-option 4:6", "margin of crop is whole numbers of at least 0, as 1, [1, 2] or [[0, 1]"),
    "zeropad -1": (IMAGE, "bad-option 4:9", "margin of zeropad is whole numbers of at least 0, as 1, [1, 2] or [[0"),
    "zeropad same": (IMAGE, "bad-option 4:9", "margin of zeropad is whole numbers of at least 0, as 1, [1, 2] or"),
    "separable 4 3x3 pad=causal": (IMAGE, "bad-option 4:21", "pad of separable is valid, same, or whole numbers of"),
    "random_crop 5x5": (IMAGE, "shape-mismatch 4:1", "random_crop cuts out 5x5, but x gives [3, 4, 6]"),
    "random_crop 2 pad=2": (IMAGE, "bad-option 4:1", "pad of random_crop adds 2x2, and a window 2x2 could see"),
    "random_crop 0": (IMAGE, "bad-option 4:13", "size of random_crop is a window such as 3x3, or one size for all"),
}
# Numbers that are none of the word's.
NUMBERS: Rows = {
    "conv 4 3x3 stride=0": (IMAGE, "bad-option 4:19", "stride of conv is a whole number of at least 1, or one for"),
    "maxpool 2x2 stride=0": (IMAGE, "bad-option 4:20", "stride of maxpool is a whole number of at least 1, or one"),
    "conv 4 3x3 stride=[1, 0]": (IMAGE, "bad-option 4:19", "stride of conv is a whole number of at least 1, or one"),
    "conv 4 3x3 stride=-1": (IMAGE, "bad-option 4:19", "stride of conv is a whole number of at least 1, or one for"),
    "conv 4 3x3 stride=1.5": (IMAGE, "bad-option 4:19", "stride of conv is a whole number of at least 1, or one for"),
    "conv 4 3x3 dilation=0": (IMAGE, "bad-option 4:21", "dilation of conv is a whole number of at least 1, or one"),
    "conv 4 0x3": (IMAGE, "bad-option 4:8", "kernel of conv is a window such as 3x3, or one size for all axes; each"),
    "maxpool 0": (IMAGE, "bad-option 4:9", "size of maxpool is a window such as 3x3, or one size for all axes; each"),
    "conv 0 3x3": (IMAGE, "bad-option 4:6", "channels of conv is a whole number of at least 1; 0 is not | as in"),
    "conv -3 3x3": (IMAGE, "bad-option 4:6", "channels of conv is a whole number of at least 1; -3 is not | as in"),
    "conv 2.5 3x3": (IMAGE, "bad-option 4:6", "channels of conv is a whole number of at least 1; 2.5 is not | as in"),
    "depthwise 3x3 multiplier=0": (IMAGE, "bad-option 4:26", "multiplier of depthwise is a whole number of at least"),
    "space_to_depth 0": (IMAGE, "bad-option 4:16", "block of space_to_depth is a whole number of at least 1; 0 is"),
    "upsample 0": (IMAGE, "bad-option 4:10", "factor of upsample is a window such as 3x3, or one size for all axes"),
    "upsample 2 mode=cubic": (IMAGE, "bad-option 4:17", "mode of upsample is nearest or bilinear; this is the name"),
    "adaptive_avgpool 0": (IMAGE, "bad-option 4:18", "size of adaptive_avgpool is a window such as 3x3, or one size"),
    "normpool 2x2 p=0.5": (IMAGE, "bad-option 4:16", "p of normpool is a number of at least 1; 0.5 is not"),
    "lrn 4": (IMAGE, "bad-option 4:1", "lrn looks at as many channels on either side, so its size is odd, and not 4"),
    "conv 4 3x3 stride=[]": (IMAGE, "bad-option 4:19", "stride of conv is a whole number of at least 1, or one for"),
    "flip axis=0": (IMAGE, "bad-option 4:1", "flip axis=0 is no axis of pixels of [3, 4, 6], whose channels are"),
    "flip axis=3": (IMAGE, "bad-option 4:1", "flip axis=3 is no axis of pixels of [3, 4, 6], whose channels are"),
    "flip axis=2": (STEPS, "bad-option 4:1", "flip axis=2 is no axis of pixels of [2, 8], whose channels are axis 0"),
    "random_shift 4": (IMAGE, "bad-option 4:1", "random_shift moves by up to 4x4 pixels, but the image has 4x6"),
    "random_shift -1": (IMAGE, "bad-option 4:14", "pixels of random_shift is a whole number of at least 0, or one"),
    "cutout 5": (IMAGE, "bad-option 4:1", "cutout blanks 5x5, but x gives [3, 4, 6]"),
    "cutout 0": (IMAGE, "bad-option 4:8", "size of cutout is a window such as 3x3, or one size for all axes; each"),
}
# Shapes and options that do not go together.
OTHERS: Rows = {
    "a = conv 2 3x3 pad=same\nx -> add a": (IMAGE, "shape-mismatch 5:6", "add needs values of one shape, but has"),
    "conv 4 3x3 padding=1": (IMAGE, "unknown-option 4:12", "conv has no option padding | here it is called pad"),
    "zeropad 100000": (IMAGE, "too-large 4:1", "zeropad gives 120,006,000,072 numbers an example; the limit is"),
    "conv 4 2x2 dilation=1000000 pad=same": (IMAGE, "too-large 4:1", "conv looks at more than 268,435,456 numbers"),
    "space_to_depth 3": (IMAGE, "shape-mismatch 4:1", "space_to_depth makes blocks of 3, but x gives [3, 4, 6]"),
    "depth_to_space 2": (IMAGE, "shape-mismatch 4:1", "depth_to_space makes blocks of 4 channels, but x gives [3"),
    "space_to_batch 3": (IMAGE, "shape-mismatch 4:1", "space_to_batch cuts by 3, but x gives [3, 4, 6]"),
    "maxpool 4x6 -> instancenorm": (IMAGE, "shape-mismatch 4:16", "instancenorm normalises over the places of a"),
    "a = conv 2 2x2\nx -> concat a": (IMAGE, "shape-mismatch 5:6", "concat needs values that differ in their"),
    "conv 1 1x1 init=[1, 2]": (IMAGE, "shape-mismatch 4:17", "W1 has shape [1, 3, 1, 1], but its list has [2]"),
    "conv 4 3x3 activation=relu": (IMAGE, "unknown-option 4:12", "conv has no option activation"),
    "conv2D 4 3x3": (IMAGE, "unknown-word 4:1", "conv2D is not the name of a layer, an activation or a value"),
    "conv 4 3x3 kernel=2": (IMAGE, "duplicate-option 4:12", "kernel is given twice, first as the window 3x3 without"),
    "batch_to_space 2": (IMAGE, "shape-mismatch 4:1", "batch_to_space 2 puts 4 pieces together, but each example is"),
}
MISTAKES = LARGER | GROUPS | RANKS | SIZES | MARGINS | NUMBERS | OTHERS


@pytest.mark.parametrize("chains", MISTAKES)
def test_refused(chains: str, tmp_path: Path):
    given, at, said = MISTAKES[chains]
    assert_told(Mistake(f"{chains} -> flatten -> dense 2", at, said, {"given": given}), tmp_path)
