"""What Keras, TensorFlow, PyTorch and Deeplearning4j call a word or an option, and what stands for it here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from .syntax import Argument
from .words import ALIASES, WORDS, Option

# By kind: names in lower case, without underscores and without 1d, 2d and 3d where these say nothing, and the word that
# stands for them. What is said of the word follows a comma.
NAMES: dict[str, dict[str, str]] = {
    "layer": {
        "linear": "dense",
        "fc": "dense",
        "fullyconnected": "dense",
        "convolution": "conv",
        "convtransposed": "deconv",
        "deconvolution": "deconv",
        "depthwiseconvolution": "depthwise",
        "separableconvolution": "separable",
        "pointwise": "conv, as in conv 16 1",
        "locallyconnected": "locally_connected",
        "maxpooling": "maxpool",
        "subsampling": "maxpool, or avgpool, sumpool or normpool",
        "globalpooling": "globalavgpool, or globalmaxpool, globalsumpool or globalnormpool",
        "averagepooling": "avgpool",
        "averagepool": "avgpool",
        "meanpool": "avgpool",
        "globalmaxpooling": "globalmaxpool",
        "globalaveragepooling": "globalavgpool",
        "gap": "globalavgpool",
        "adaptiveaveragepooling": "adaptive_avgpool",
        "layernormalization": "layernorm",
        "groupnormalization": "groupnorm",
        "instancenormalization": "instancenorm",
        "rmsnormalization": "rmsnorm",
        "localresponsenorm": "lrn",
        "normalization": "standardize",
        "normalize": "standardize",
        "rescaling": "scale, as in scale (1 / 255)",
        "dropout2d": "spatial_dropout",
        "dropout3d": "spatial_dropout",
        "concatenate": "concat",
        "cat": "concat",
        "merge": "concat",
        "elementwisevertex": "add, or subtract, multiply, average or maximum",
        "dotproduct": "dot",
        "l2vertex": "l2distance",
        "mul": "multiply",
        "sub": "subtract",
        "upsampling": "upsample",
        "zeropadding": "zeropad",
        "pad": "zeropad",
        "centercrop": "crop",
        "narrow": "subset",
        "slice": "subset",
        "chunk": "split",
        "select": "unstack",
        "unflatten": "reshape",
        "view": "reshape",
        "squeeze": "reshape",
        "unsqueeze": "reshape",
        "transpose": "permute",
        "randomtranslation": "random_shift",
        "randomhorizontalflip": "flip",
        "randomverticalflip": "flip, as in flip axis=1",
        "randomerasing": "cutout",
        "onehotencoding": "onehot",
        "simplernn": "rnn",
        "elmanrnn": "rnn",
        "gravesbidirectionallstm": "bidirectional, as in bidirectional graves_lstm 8",
        "bilstm": "bidirectional, as in bidirectional lstm 8",
        "bigru": "bidirectional, as in bidirectional gru 8",
        "timedistributeddense": "dense, which acts at each step",
        "lasttimestep": "last_step",
        "reverse": "reverse_time",
        "multiheadattention": "attention, as in attention heads=4",
        "selfattention": "attention, as in attention heads=4",
        "selfattentionlayer": "attention, as in attention heads=4",
        "learnedselfattention": "learned_attention",
        "recurrentattention": "attention, as in attention heads=4",
        "scaleddotproductattention": "dot_attention",
        "bahdanauattention": "additive_attention",
        "luongattention": "dot_attention",
        "positionalencoding": "positions",
        "sinepositionencoding": "positions",
        "positionembedding": "learned_positions",
        "positionalembedding": "learned_positions",
        "embeddingbag": "embedding, as in embedding 8 bag=mean",
    },
    "activation": {"logisticsigmoid": "sigmoid"},
    "loss": {
        "categoricalcrossentropy": "mcxent, and the chain ends with softmax",
        "sparsecategoricalcrossentropy": "mcxent, and the chain ends with softmax",
        "crossentropyloss": "mcxent, and the chain ends with softmax",
        "softmaxcrossentropy": "mcxent, and the chain ends with softmax",
        "nllloss": "mcxent, and the chain ends with softmax",
        "binarycrossentropy": "xent, and the chain ends with sigmoid",
        "bceloss": "xent, and the chain ends with sigmoid",
        "bcewithlogitsloss": "xent, and the chain ends with sigmoid",
        "bcewithlogits": "xent, and the chain ends with sigmoid",
        "mseloss": "mse",
        "l1loss": "mae",
        "smoothl1loss": "huber",
        "huberloss": "huber",
        "hingeloss": "hinge",
        "kldivloss": "kl_divergence",
        "kldivergence": "kl_divergence",
        "poissonnllloss": "poisson",
        "centerlossoutput": "center_loss",
    },
    "updater": {"gradientdescent": "sgd", "stochasticgradientdescent": "sgd", "nag": "nesterovs"},
    "metric": {
        "acc": "accuracy",
        "binaryaccuracy": "accuracy",
        "categoricalaccuracy": "accuracy",
        "sparsecategoricalaccuracy": "accuracy",
        "topkcategoricalaccuracy": "top_k",
        "topkaccuracy": "top_k",
        "auc": "roc_auc",
        "auroc": "roc_auc",
        "rocaucscore": "roc_auc",
        "averageprecision": "pr_auc",
        "f1score": "f1",
        "r2score": "r2",
        "rootmeansquarederror": "rmse",
        "confusionmatrix": "confusion",
        "matthewscorrcoef": "mcc",
        "cohenkappa": "kappa",
        "crossentropy": "log_loss",
    },
    "schedule": {
        "steplr": "step",
        "multisteplr": "map",
        "piecewiseconstantdecay": "map",
        "exponentiallr": "exponential",
        "exponentialdecay": "exponential",
        "cosinedecay": "cosine",
        "cosineannealing": "cosine",
        "cosineannealinglr": "cosine",
        "polynomialdecay": "poly",
        "onecyclelr": "cycle",
        "reducelronplateau": "plateau",
    },
    "init": {
        "randomnormal": "normal",
        "randomuniform": "uniform",
        "truncnormal": "truncated_normal",
    },
}
# Sentences by what begins a similar one elsewhere.
SENTENCES = {"optimizer": "updater adam", "metrics": "metric accuracy", "const": "let n = 3", "model": "net NAME"}
# Types by what similar ones are called elsewhere.
TYPES = {
    **dict.fromkeys(("float", "float16", "float32", "float64", "double", "real", "number", "tensor"), "f32"),
    **dict.fromkeys(("uint8", "byte", "pixels", "image"), "u8, as in u8[1, 28, 28]"),
    **dict.fromkeys(("bool", "boolean"), "binary"),
    **dict.fromkeys(("int", "int32", "int64", "long", "integer"), "count, or class(10) where it is one of ten"),
    **dict.fromkeys(("label", "labels", "classes", "categorical", "onehot"), "class, as in class(10)"),
    **dict.fromkeys(("string", "str", "text"), 'category, as in category("a", "b")'),
    "probability": "unit",
}
# Words without a counterpart, and what to do instead.
ABSENT = {
    **dict.fromkeys(
        ("transformer", "transformerencoder", "transformerencoderlayer", "transformerdecoderlayer"),
        "it is a def block of attention, layernorm and dense, in a library of the spec",
    ),
    "returnsequences": "a recurrent layer gives all steps, and last_step behind it the last one",
    **dict.fromkeys(
        ("lstmcell", "grucell", "rnncell"),
        "lstm, gru and rnn go over all steps; def cell makes one of your own",
    ),
    "masking": "say lengths=true of the input: what follows the steps that count is padding everywhere",
    "sequential": "chains are sequential by themselves: words are joined by ->",
    "activation": "an activation is a word of its own: -> relu",
    "frozen": "weights are kept by an option of their layer: frozen=true",
    **dict.fromkeys(
        ("resize", "resizing", "interpolate"),
        'images are brought to a size as they are read: data "photos" resize=true; upsample repeats pixels',
    ),
}
# The options that stand for an option of another name, of which a word has one.
OPTIONS: dict[str, tuple[str, ...]] = {
    "learningrate": ("lr",),
    "rate": ("lr",),
    "alpha": ("slope",),
    "epsilon": ("eps",),
    "filters": ("channels",),
    "outchannels": ("channels",),
    "units": ("channels",),
    "outfeatures": ("units",),
    "nout": ("units", "channels"),
    "neurons": ("units",),
    "outputdim": ("units",),
    "embeddingdim": ("units",),
    "hiddensize": ("units",),
    "embeddim": ("units",),
    "numheads": ("heads",),
    "nheads": ("heads",),
    "nhead": ("heads",),
    "iscausal": ("causal",),
    "usecausalmask": ("causal",),
    "paddingidx": ("padding",),
    "recurrentinitializer": ("recurrent_init",),
    "mergemode": ("mode",),
    "initialstate": ("h",),
    "unitforgetbias": ("forget_bias",),
    "maxlength": ("longest",),
    "kernelsize": ("kernel", "size"),
    "poolsize": ("size",),
    "kernel": ("size",),
    "size": ("kernel", "factor", "shape"),
    "strides": ("stride",),
    "padding": ("pad", "margin"),
    "cropping": ("margin",),
    "outputpadding": ("output_pad",),
    "dilationrate": ("dilation",),
    "depthmultiplier": ("multiplier",),
    "numgroups": ("groups",),
    "scalefactor": ("factor",),
    "interpolation": ("mode",),
    "targetshape": ("shape",),
    "dims": ("axes",),
    "usebias": ("bias",),
    "kernelinitializer": ("init",),
    "weightinit": ("init",),
    "biasinitializer": ("bias_init",),
    "p": ("rate",),
    "stddev": ("deviation",),
    "std": ("deviation",),
    "negativeslope": ("slope",),
    "rho": ("decay",),
    "countincludepad": ("count_pad",),
    "outputsize": ("size",),
    "blocksize": ("block",),
    "upscalefactor": ("block",),
    "downscalefactor": ("block",),
    "normtype": ("p",),
    "n": ("size", "times"),
    "center": ("shift",),
    "gammainitializer": ("gamma_init",),
    "betainitializer": ("beta_init",),
    "labelsmoothing": ("smoothing",),
    "posweight": ("weights",),
    "weight": ("weights",),
    "batchsize": ("batch",),
    "validationsplit": ("validation",),
    "numepochs": ("epochs",),
    "nepochs": ("epochs",),
    "maxepochs": ("epochs",),
    "patience": ("early_stop",),
    "randomstate": ("seed",),
}
# Options without a counterpart, and what to do instead; {value} is what was given.
NOTES = {
    "activation": "an activation is a word of its own behind it: -> {value}",
    **dict.fromkeys(
        ("inputshape", "inputdim", "infeatures", "inchannels", "nin", "numfeatures"),
        "take it away: what comes in is known from the value before",
    ),
    **dict.fromkeys(("kernelregularizer", "weightregularizer"), "write l2=0.01, or l1=0.01"),
    "dropout": "dropout is a word of its own behind it: -> dropout {value}",
    "momentum": "the updaters momentum and nesterovs have it",
    "nesterov": "it is an updater of its own: updater nesterovs lr=0.1",
    "trainable": "weights are trained unless frozen=true",
    "returnsequences": "take it away: all steps come out, and last_step behind gives the last one",
    "returnstate": "take it away: last_step behind gives the last state, cells -> last_step that of an lstm's memory",
    "stateful": "take it away: with window= in train a state goes on from window to window",
    "gobackwards": "take it away, and put reverse_time before",
    **dict.fromkeys(("batchfirst", "timemajor"), "take it away: steps come first in an example, then features"),
    "numlayers": "take it away, and write the layer as often: lstm 8 -> lstm 8",
    "recurrentdropout": "take it away, and put dropout behind it: -> dropout {value}",
    "maskzero": "take it away: the input says lengths=true, and padding=0 gives one id a vector of zeros",
    **dict.fromkeys(
        ("affine", "elementwiseaffine", "lockgammabeta"), "scale=false leaves gamma out, and shift=false beta"
    ),
    "trackrunningstats": "take it away: running statistics are always kept",
    "convolutionmode": "write pad=same, or pad=valid",
    "ceilmode": "take it away: pad=[[0, 1], [0, 1]] makes room for a last window",
    "dataformat": "take it away: channels come first, as in [3, 32, 32]",
    **dict.fromkeys(("axis", "dim"), "take it away: words know their axes, and permute turns them"),
    "fromlogits": "take it away: softmax or sigmoid stands in the chain, and is computed with the loss",
}
# The same of the sentence train.
NOTES_OF_TRAIN = {
    "shuffle": "take it away: rows are shuffled in each epoch",
    **dict.fromkeys(("optimizer", "updater"), "it is a sentence of its own: updater adam lr=1e-3"),
    **dict.fromkeys(("lr", "learningrate"), "it is an option of the updater: updater adam lr=1e-3"),
    "loss": "it is a sentence of its own: loss mse",
    **dict.fromkeys(("metrics", "metric"), "it is a sentence of its own: metric accuracy"),
}
# A value longer than this is not repeated in a help.
_LONGEST = 30


def word_here(name: str, *kinds: str) -> str | None:
    """The word of one of the kinds that stands for a foreign name, and after a comma what is said of it."""
    for bare in dict.fromkeys((_bare(name), _flat(name), _flat(_stem(name)))):
        for kind in kinds:
            if found := NAMES.get(kind, {}).get(bare) or _spelled(kind, bare):
                return found
    return None


def type_here(name: str) -> str | None:
    """The help for a type that is called otherwise here."""
    here = TYPES.get(_bare(name))
    return f"here it is called {here}" if here else None


def absent(name: str) -> str | None:
    """What to do instead of a foreign word that has no counterpart."""
    return ABSENT.get(_flat(name)) or ABSENT.get(_flat(_stem(name)))


def option_here(argument: Argument, subject: str, table: Mapping[str, Option]) -> str | None:
    """The help for an option that another library has: what is written here."""
    key = _bare(argument.key or "")
    text = argument.value.place.source.text[argument.value.place.start : argument.value.place.end]
    value = text if len(text) <= _LONGEST and "\n" not in text else "..."
    spelled = [name for name in table if _bare(name) == key]
    found = next((name for name in (*spelled, *OPTIONS.get(key, ())) if name in table), None)
    if found:
        return f"here it is called {found}: {found}={value}"
    note = (NOTES_OF_TRAIN if subject == "train" else NOTES).get(key)
    return note.format(value=value) if note else None


def _bare(name: str) -> str:
    return name.lower().replace("_", "")


def _stem(name: str) -> str:
    """A bare name without what says that it is a layer, as in SpaceToDepthLayer and ReshapeVertex."""
    return re.sub(r"(?<=.)(layer|vertex)$", "", _bare(name))


def _flat(name: str) -> str:
    """A bare name without the number of axes that it is for, as in conv2dtranspose."""
    return re.sub(r"(?<=.)[123]d(?=transpose|$)", "", _bare(name))


def _spelled(kind: str, bare: str) -> str | None:
    """The word that is spelled so but for capitals and underscores, by its name or an alias."""
    return _spellings(kind, len(WORDS) + len(ALIASES)).get(bare)


@cache
def _spellings(kind: str, known: int) -> Mapping[str, str]:
    """The words of a kind by their bare names and aliases, while so many words and aliases are known."""
    aliases = {_bare(alias): name for (k, alias), name in ALIASES.items() if k == kind}
    return aliases | {_bare(name): name for k, name in WORDS if k == kind}
