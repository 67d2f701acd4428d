"""Names of Keras, PyTorch, Deeplearning4j and others are never accepted unasked, and each is told what it is here."""

from __future__ import annotations

import pytest
from netc.dsl import Source, check
from netc.dsl.foreign import ABSENT, NAMES, NOTES, OPTIONS, word_here
from netc.dsl.train_sentence import TRAIN
from netc.dsl.universal import UNIVERSAL
from netc.dsl.words import ALIASES, WORDS, find

SPEC = """net small
input x: f32[1, 8, 8]
target y: class(3)
{layer} -> flatten -> dense 3 -> softmax
loss {loss}
updater {updater}
metric {metric}
"""
PLAIN = {"layer": "relu", "loss": "mcxent", "updater": "adam", "metric": "accuracy"}
# What a newcomer writes, and what the help must hold.
USES = {
    "layer": {
        "MaxPooling2D 2": "maxpool",
        "MaxPool2d 2": "maxpool",
        "AveragePooling2D 2": "avgpool",
        "GlobalAveragePooling2D": "globalavgpool",
        "Conv2D 4 3": "conv",
        "Conv2d 4 3": "conv",
        "Conv2DTranspose 4 3": "deconv",
        "ConvTranspose2d 4 3": "deconv",
        "SeparableConv2D 4 3": "separable",
        "Dense 4": "dense",
        "Linear 4": "dense",
        "BatchNormalization": "batchnorm",
        "BatchNorm2d": "batchnorm",
        "LayerNormalization": "layernorm",
        "Dropout2d 0.2": "spatial_dropout",
        "Flatten": "flatten",
        "Embedding 8": "embedding",
        "LeakyReLU": "leakyrelu",
        "SiLU": "swish",
        "Concatenate": "concat",
        "LSTM 8": "here it is called lstm",
        "GRU 8": "here it is called gru",
        "SimpleRNN 8": "here it is called rnn",
        "LSTMCell 8": "def cell makes one of your own",
        "Bidirectional": "here it is called bidirectional",
        "TimeDistributed": "here it is called time_distributed",
        "MultiHeadAttention 4": "attention heads=4",
        "GravesBidirectionalLSTM 8": "bidirectional graves_lstm 8",
        "LastTimeStep": "here it is called last_step",
        "RepeatVector 3": "here it is called repeat_vector",
        "EmbeddingBag 8": "embedding 8 bag=mean",
        "PositionalEncoding": "here it is called positions",
        "Masking": "lengths=true",
        "TransformerEncoder": "def block",
        "return_sequences": "last_step behind it the last one",
        "lstm 8 return_sequences=true": "all steps come out",
        "lstm hidden_size=8": "units=8",
        "lstm 8 num_layers=2": "lstm 8 -> lstm 8",
        "lstm 8 recurrent_dropout=0.2": "-> dropout 0.2",
        "attention num_heads=2": "heads=2",
        "embedding 8 padding_idx=0": "padding=0",
        "Activation": "-> relu",
        "Adam": "updater adam",
        "optimizer": "updater adam",
        "conv filters=4 kernel=3": "channels=4",
        "conv 4 kernel_size=3": "kernel=3",
        "maxpool kernel_size=2": "size=2",
        "conv 4 3 padding=same": "pad=same",
        "conv 4 3 strides=2": "stride=2",
        "conv units=4 kernel=3": "channels=4",
        "conv 4 3 use_bias=false": "bias=false",
        "conv 4 3 in_channels=1": "take it away",
        "dense 4 activation=softmax": "-> softmax",
        "dropout p=0.3": "rate=0.3",
        "ConvolutionLayer 4 3": "here it is called conv",
        "Convolution1DLayer 4 3": "here it is called conv",
        "SubsamplingLayer 2": "here it is called maxpool, or avgpool",
        "SpaceToDepthLayer 2": "here it is called space_to_depth",
        "ReshapeVertex": "here it is called reshape",
        "L2Vertex": "here it is called l2distance",
        "ElementWiseVertex": "here it is called add, or subtract",
        "CenterLossOutputLayer": "here it is called center_loss",
        "FrozenLayer": "frozen=true",
        "Resizing 8": "resize=true",
        "batchnorm center=false": "shift=false",
        "batchnorm affine=false": "scale=false leaves gamma out",
        "lrn n=5": "size=5",
    },
    "loss": {
        "categorical_crossentropy": "mcxent, and the chain ends with softmax",
        "sparse_categorical_crossentropy": "mcxent",
        "CrossEntropyLoss": "mcxent",
        "binary_crossentropy": "xent, and the chain ends with sigmoid",
        "BCEWithLogitsLoss": "xent",
        "MSELoss": "mse",
        "L1Loss": "mae",
    },
    "updater": {
        "Adam": "adam",
        "SGD": "sgd",
        "RMSprop": "rmsprop",
        "adam learning_rate=1e-3": "lr=1e-3",
        "sgd momentum=0.9": "nesterovs",
    },
    "metric": {"auc": "roc_auc", "acc": "accuracy", "f1_score": "f1", "AUC": "roc_auc"},
}


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, row in USES.items() for text in row])
def test_the_help_tells_the_name_that_it_has_here(kind: str, text: str):
    net, report = check(Source("spec.net", SPEC.format(**PLAIN | {kind: text})))
    assert net is None
    helps = [d.help or "" for d in report.diagnostics if d.code in ("unknown-word", "unknown-option")]
    assert any(USES[kind][text] in help for help in helps), helps


def test_an_unknown_option_of_a_word_without_weights_is_not_told_those_of_weights():
    _, report = check(Source("spec.net", SPEC.format(**PLAIN | {"layer": "maxpool 2 wrong=1"})))
    assert report.diagnostics[0].help == "it takes size, stride and pad"


def test_what_the_table_names_is_there_and_what_it_translates_is_not():
    for kind, names in NAMES.items():
        for foreign, here in names.items():
            assert find(kind, here.partition(",")[0]) and not find(kind, foreign), foreign
            assert (word_here(foreign, kind) or "") == here
    known = {name for _, name in (*WORDS, *ALIASES)}
    assert not known & ABSENT.keys()
    options = {*UNIVERSAL, *TRAIN, *(name for word in WORDS.values() for name in word.options)}
    assert {name for names in OPTIONS.values() for name in names} <= options
    assert not OPTIONS.keys() & NOTES.keys()
