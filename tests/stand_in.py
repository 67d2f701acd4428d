"""Hand-written artifacts that follow the same contract as emitted ones, so that the runtime is tested on its own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

LABELS = ["setosa", "versicolor", "virginica"]

TRAINER = '''
"""A hand-written trainer: 4 -> 8 tanh (dropout) -> 3 softmax, Adam."""
import hashlib
import math
import time
import numpy as np

NAME = "flowers"
INPUTS = ("flower",)
TARGETS = ("species",)
SEED = 7
EPOCHS = {epochs}
BATCH = 16
VALIDATION = 0.2
EARLY_STOP = {patience}
CLIP_NORM = 5.0
RATE = {rate}
SLEEP = {sleep}


def stream(*key):
    digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
    return np.random.Generator(np.random.Philox(int.from_bytes(digest[:8], "little")))


def init(seed):
    rng = stream(seed, "init")
    return {{
        "mean1": np.zeros(4, np.float32),
        "W1": rng.normal(0, 0.5, (4, 8)).astype(np.float32),
        "b1": np.zeros(8, np.float32),
        "W2": rng.normal(0, 0.5, (8, 3)).astype(np.float32),
        "b2": np.zeros(3, np.float32),
    }}


def fit(p, flower):
    p["mean1"] = flower.astype(np.float64).mean(axis=0).astype(np.float32)


def init_updater(p):
    return {{f"{{k}}.{{m}}": np.zeros_like(p[k]) for k in ("W1", "b1", "W2", "b2") for m in "mv"}}


def split(count):
    order = stream(SEED, "split").permutation(count)
    held = int(count * VALIDATION)
    return np.sort(order[held:]), np.sort(order[:held])


def batches(rows, epoch):
    order = stream(SEED, "shuffle", epoch).permutation(rows)
    return [order[i : i + BATCH] for i in range(0, len(order), BATCH)]


def draw(epoch, step, count):
    time.sleep(SLEEP)
    rng = stream(SEED, "dropout", epoch, step)
    return {{"keep": ((rng.random((count, 8)) >= 0.1) / 0.9).astype(np.float32)}}


def predict(p, flower):
    h = np.tanh((flower - p["mean1"]) @ p["W1"] + p["b1"])
    z = h @ p["W2"] + p["b2"]
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def loss_and_grads(p, flower, species, draws, clip_norm):
    x = flower - p["mean1"]
    h = np.tanh(x @ p["W1"] + p["b1"])
    d = h * draws["keep"]
    z = d @ p["W2"] + p["b2"]
    z = z - z.max(axis=1, keepdims=True)
    e = np.exp(z)
    probs = e / e.sum(axis=1, keepdims=True)
    rows = np.arange(len(x))
    loss = (np.log(e.sum(axis=1)) - z[rows, species]).mean()
    dz = probs.copy()
    dz[rows, species] -= 1
    dz /= np.float32(len(x))
    dh = dz @ p["W2"].T * draws["keep"] * (1 - h * h)
    grads = {{"W1": x.T @ dh, "b1": dh.sum(axis=0), "W2": d.T @ dz, "b2": dz.sum(axis=0)}}
    norm = math.sqrt(sum(float((g * g).sum()) for g in grads.values()))
    if norm > clip_norm:
        grads = {{k: g * np.float32(clip_norm / norm) for k, g in grads.items()}}
    {sabotage}
    return loss, grads


def update(p, moments, grads, step, epoch):
    rate = RATE * (0.5 if epoch >= 2.25 else 1.0)
    for k, g in grads.items():
        m, v = moments[f"{{k}}.m"], moments[f"{{k}}.v"]
        m *= np.float32(0.9)
        m += np.float32(0.1) * g
        v *= np.float32(0.999)
        v += np.float32(0.001) * g * g
        scale = np.float32(rate / (1 - 0.9**step))
        p[k] = p[k] - scale * m / (np.sqrt(v / np.float32(1 - 0.999**step)) + np.float32(1e-8))


def metrics(probs, species):
    picked = probs[np.arange(len(species)), species]
    return {{"loss": float(-np.log(picked).mean()), "accuracy": float((probs.argmax(axis=1) == species).mean())}}


def evaluate(p, inputs, targets):
    return metrics(predict(p, *inputs), *targets)


def train(flower, species):
    rows, held = split(len(flower))
    p = init(SEED)
    fit(p, flower[rows])
    moments = init_updater(p)
    step, best, wait, kept, log = 0, math.inf, 0, p, []
    for epoch in range(EPOCHS):
        total = 0.0
        parts = batches(rows, epoch)
        for k, batch in enumerate(parts):
            step += 1
            loss, grads = loss_and_grads(
                p, flower[batch], species[batch], draws=draw(epoch, step, len(batch)), clip_norm=CLIP_NORM
            )
            update(p, moments, grads, step, epoch + k / len(parts))
            total += float(loss) * len(batch)
        report = evaluate(p, (flower[held],), (species[held],))
        log.append((total / len(rows), report))
        if report["loss"] < best:
            best, kept, wait = report["loss"], {{k: a.copy() for k, a in p.items()}}, 0
        else:
            wait += 1
            if wait >= EARLY_STOP:
                break
    return kept, log
'''


def trainer_text(epochs: int = 5, patience: int = 100, rate: float = 0.02, sleep: float = 0, sabotage: str = "") -> str:
    return TRAINER.format(epochs=epochs, patience=patience, rate=rate, sleep=sleep, sabotage=sabotage or "pass")


def field(
    name: str, kind: str = "f32", shape: Sequence[int] = (1,), labels: Sequence[str] | None = None, classes: int = 0
) -> dict[str, Any]:
    count = len(labels) if labels else classes or None
    return {"name": name, "kind": kind, "shape": list(shape), "classes": count, "labels": labels and list(labels)}


FLOWER = field("flower", shape=[4])
SPECIES = field("species", "class", [], LABELS)


def metadata_json(**changes: Any) -> str:
    """The `netc` key of the flowers."""
    entry = {
        "version": 1,
        "netc": "0.1.0",
        "name": "flowers",
        "spec_file": "flowers.net",
        "spec": "net flowers\n",
        "spec_sha256": "0" * 64,
        "defines": {},
        "inputs": [FLOWER],
        "targets": [SPECIES],
        "outputs": [
            {"name": "species", "shape": [3], "kind": "class", "labels": LABELS, "role": "prediction"},
            {"name": "species_class", "role": "class", "of": "species"},
            {"name": "species_label", "role": "label", "of": "species"},
        ],
        "train": {"epochs": 5, "batch": 16, "seed": 7, "validation": 0.2},
        "data": None,
        "trained": False,
    }
    return json.dumps(entry | changes)


def flowers(count: int = 90) -> dict[str, np.ndarray]:
    """Three noisy clusters."""
    rng = np.random.default_rng(3)
    species = np.arange(count) % 3
    centers = np.array([[0, 1, 0, 1], [1, 0, 1, 0], [2, 1, 1, 2]], dtype=np.float32)
    flower = centers[species] + rng.normal(0, 0.6, (count, 4))
    return {"flower": flower.astype(np.float32), "species": species.astype(np.int64)}


def same(left: Mapping[str, np.ndarray], right: Mapping[str, np.ndarray]) -> bool:
    """Whether arrays have the same names in the same order, and the same bits."""
    return list(left) == list(right) and all(left[name].tobytes() == right[name].tobytes() for name in left)


ONNX = {
    "uint8": TensorProto.UINT8,
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    "int64": TensorProto.INT64,
    "str": TensorProto.STRING,
}
CALL = re.compile(r"(\S+) = (\w+)\(([^)]*)\)(?: (.*))?")


def graph(
    body: str,
    inputs: Mapping[str, tuple[str, Sequence[Any]]],
    outputs: Mapping[str, tuple[str, Sequence[Any]]],
    constants: Mapping[str, np.ndarray],
    metadata: str | None,
) -> bytes:
    """An ONNX model from lines `result = Op(a, b) key=value`."""
    nodes = []
    for line in filter(None, map(str.strip, body.splitlines())):
        result, op, args, attrs = CALL.fullmatch(line).groups()
        given = dict(pair.split("=") for pair in (attrs or "").split())
        values = {key: json.loads(text) for key, text in given.items()}
        nodes.append(helper.make_node(op, [a.strip() for a in args.split(",") if a.strip()], [result], **values))
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, ONNX[kind], shape) for name, (kind, shape) in inputs.items()],
        [helper.make_tensor_value_info(name, ONNX[kind], shape) for name, (kind, shape) in outputs.items()],
        [_tensor(name, array) for name, array in constants.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    if metadata is not None:
        helper.set_model_props(model, {"netc": metadata})
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def _tensor(name: str, array: np.ndarray) -> Any:
    if array.dtype.kind == "U":
        return helper.make_tensor(name, TensorProto.STRING, array.shape, [text.encode() for text in array])
    return onnx.numpy_helper.from_array(array, name)


PREDICT = """
x = Sub(flower, mean1)
a1 = MatMul(x, W1)
z1 = Add(a1, b1)
h1 = Tanh(z1)
a2 = MatMul(h1, W2)
z2 = Add(a2, b2)
species = Softmax(z2) axis=-1
species_class = ArgMax(species) axis=-1 keepdims=0
species_label = Gather(labels, species_class)
"""


def inference_graph(weights: Mapping[str, np.ndarray], metadata: str | None = None) -> bytes:
    """The stand-in's NAME.onnx."""
    outputs = {"species": ("float32", ["N", 3]), "species_class": ("int64", ["N"]), "species_label": ("str", ["N"])}
    constants = {**weights, "labels": np.array(LABELS)}
    return graph(PREDICT, {"flower": ("float32", ["N", 4])}, outputs, constants, metadata or metadata_json())


STEP = """
x = Sub(flower, mean1)
a1 = MatMul(x, W1)
z1 = Add(a1, b1)
h = Tanh(z1)
d = Mul(h, keep)
a2 = MatMul(d, W2)
z = Add(a2, b2)
logp = LogSoftmax(z) axis=-1
probs = Exp(logp)
hot = OneHot(species, three, offon) axis=-1
picked = Mul(logp, hot)
sums = ReduceSum(picked, one_axis) keepdims=0
mean = ReduceMean(sums) keepdims=0
loss = Neg(mean)
diff = Sub(probs, hot)
shape = Shape(flower) start=0 end=1
count64 = Squeeze(shape)
count = Cast(count64) to=1
dz = Div(diff, count)
W2t = Transpose(W2) perm=[1,0]
dd = MatMul(dz, W2t)
dh0 = Mul(dd, keep)
hh = Mul(h, h)
slope = Sub(one, hh)
dh = Mul(dh0, slope)
xt = Transpose(x) perm=[1,0]
gW1 = MatMul(xt, dh)
gb1 = ReduceSum(dh, zero_axis) keepdims=0
dt = Transpose(d) perm=[1,0]
gW2 = MatMul(dt, dz)
gb2 = ReduceSum(dz, zero_axis) keepdims=0
nW1 = ReduceSumSquare(gW1) keepdims=0
nb1 = ReduceSumSquare(gb1) keepdims=0
nW2 = ReduceSumSquare(gW2) keepdims=0
nb2 = ReduceSumSquare(gb2) keepdims=0
norm2 = Sum(nW1, nb1, nW2, nb2)
norm = Sqrt(norm2)
over = Div(norm, clip)
factor = Max(over, one)
t = Cast(step) to=11
p1 = Pow(beta1, t)
q1 = Sub(one64, p1)
p2 = Pow(beta2, t)
q2 = Sub(one64, p2)
late = GreaterOrEqual(epoch, turn)
rate = Where(late, half, full)
scale64 = Div(rate, q1)
scale = Cast(scale64) to=1
fix = Cast(q2) to=1
"""

ADAM = """
c{w} = Div(g{w}, factor)
ma{w} = Mul({w}.m, b1c)
mb{w} = Mul(c{w}, b1d)
{w}.m.next = Add(ma{w}, mb{w})
va{w} = Mul({w}.v, b2c)
sq{w} = Mul(c{w}, c{w})
vb{w} = Mul(sq{w}, b2d)
{w}.v.next = Add(va{w}, vb{w})
vh{w} = Div({w}.v.next, fix)
sd{w} = Sqrt(vh{w})
se{w} = Add(sd{w}, eps)
sm{w} = Mul({w}.m.next, scale)
de{w} = Div(sm{w}, se{w})
{w}.next = Sub({w}, de{w})
"""


def step_graph(rate: float = 0.02) -> bytes:
    """The stand-in's NAME.step.onnx."""
    shapes = {"mean1": [4], "W1": [4, 8], "b1": [8], "W2": [8, 3], "b2": [3]}
    trained = ["W1", "b1", "W2", "b2"]
    moments = {f"{w}.{m}": shapes[w] for w in trained for m in "mv"}
    moved = {name: shape for name, shape in (shapes | moments).items() if name != "mean1"}
    f = np.float32
    constants = {
        "three": np.array([3]),
        "offon": np.array([0, 1], f),
        "one_axis": np.array([1]),
        "zero_axis": np.array([0]),
        "one": np.array(1, f),
        "clip": np.array(5, f),
        "beta1": np.array(0.9),
        "beta2": np.array(0.999),
        "one64": np.array(1.0),
        "turn": np.array(2.25),
        "half": np.array(rate / 2),
        "full": np.array(rate),
        "b1c": np.array(0.9, f),
        "b1d": np.array(0.1, f),
        "b2c": np.array(0.999, f),
        "b2d": np.array(0.001, f),
        "eps": np.array(1e-8, f),
    }
    inputs: dict[str, tuple[str, Sequence[Any]]] = {"flower": ("float32", ["N", 4]), "species": ("int64", ["N"])}
    inputs |= {"keep": ("float32", ["N", 8]), "step": ("int64", []), "epoch": ("float64", [])}
    inputs |= {name: ("float32", shape) for name, shape in (shapes | moments).items()}
    outputs = {"loss": ("float32", [])} | {f"{name}.next": ("float32", shape) for name, shape in moved.items()}
    step = {
        "weights": list(shapes),
        "trained": trained,
        "state": ["mean1"],
        "moments": list(moments),
        "draws": {"keep": "keep"},
        "clock": {"step": "step", "epoch": "epoch"},
        "losses": [{"name": "loss", "output": "loss"}],
        "next": {name: f"{name}.next" for name in moved},
    }
    body = STEP + "".join(ADAM.format(w=w) for w in trained)
    return graph(body, inputs, outputs, constants, metadata_json(step=step, outputs=[]))
