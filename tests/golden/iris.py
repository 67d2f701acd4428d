"""iris: from flower to species

Compiled by netc 0.1.0 from iris.net (sha256 20931a1ce404a245).
    python iris.py DATA.npz            train on the arrays flower, species; write iris.npz
    python iris.py DATA.npz --check    compare the gradients with differences

species: 0 setosa, 1 versicolor, 2 virginica

layer                  gives    131 parameters
   standardize         (N, 4)                0
1  dense 16 -> tanh    (N, 16)              80
2  dense 3 -> softmax  (N, 3)               51
"""

import argparse
import hashlib
import math
import os
import sys

import numpy as np

NAME = "iris"
INPUTS = {"flower": ((4,), -3.4e38, 3.4e38, np.float32)}  # shape, lowest, highest, type
TARGETS = {"species": ((), 0, 2, np.int64)}
TRAINED = ("W1", "b1", "W2", "b2")
EPOCHS = 100
BATCH = 16
SEED = 7
VALIDATION = 0.2
LR = 0.01
BETA1 = 0.9
BETA2 = 0.999
EPS = 1e-08


def stream(seed, *key):
    """Return the random generator of a purpose, the same for the same seed and key."""
    digest = hashlib.sha256(repr((seed, *key)).encode()).digest()
    return np.random.Generator(np.random.Philox(np.frombuffer(digest, np.uint32)))


def init(seed):
    """Return the first weights and state by name."""
    W1 = math.sqrt(2 / (4 + 16)) * stream(seed, "W1").standard_normal((4, 16))
    W2 = math.sqrt(2 / (16 + 3)) * stream(seed, "W2").standard_normal((16, 3))
    p = {"W1": W1, "b1": np.zeros(16), "W2": W2, "b2": np.zeros(3)}
    p |= {"mean": np.zeros(4), "deviation": np.ones(4)}
    return {name: value.astype(np.float32) for name, value in p.items()}


def fit(p, flower):
    """Set the statistics of the training rows, in float64 until the end."""
    wide = flower.astype(np.float64)
    mean = wide.mean(axis=0)
    p["mean"] = mean.astype(np.float32)
    root = np.sqrt(np.square(wide - mean).mean(axis=0))
    p["deviation"] = np.where(np.ptp(wide, axis=0) <= 0, 1, root).astype(np.float32)


def predict(p, flower):
    """Return the class probabilities of species for a batch."""
    mean, deviation, W1, b1 = p["mean"], p["deviation"], p["W1"], p["b1"]
    W2, b2 = p["W2"], p["b2"]
    standard = (flower - mean) / deviation
    h1 = np.tanh(standard @ W1 + b1)  # (N, 16)
    return softmax(h1 @ W2 + b2)


def loss_and_grads(p, flower, species):
    """Return the mean loss of a batch and its gradient for each parameter."""
    mean, deviation, W1, b1 = p["mean"], p["deviation"], p["W1"], p["b1"]
    W2, b2 = p["W2"], p["b2"]
    # standardize
    standard = (flower - mean) / deviation
    # 1  dense 16 -> tanh
    z1 = standard @ W1 + b1  # (N, 16)
    h1 = np.tanh(z1)
    # 2  dense 3 -> softmax
    z2 = h1 @ W2 + b2  # (N, 3)
    # loss: softmax and mcxent as one gate, so exp cannot overflow
    losses, probs = softmax_mcxent(z2, species)
    loss = losses.mean()

    # back through the loss
    dz2 = softmax_mcxent_grad(probs, species) / len(losses)
    # back through 2
    dW2 = h1.T @ dz2
    db2 = dz2.sum(axis=0)
    dh1 = dz2 @ W2.T  # (N, 16)
    # back through 1
    dz1 = dh1 * (1 - np.square(h1))
    dW1 = standard.T @ dz1
    db1 = dz1.sum(axis=0)

    return loss, {"W1": dW1, "b1": db1, "W2": dW2, "b2": db2}


def softmax(x):
    """Return the softmax of each row."""
    exps = np.exp(x - x.max(axis=-1, keepdims=True))  # so that exp cannot overflow
    return exps / exps.sum(axis=-1, keepdims=True)


def softmax_mcxent(scores, y):
    """Return each example's cross-entropy and probabilities, from scores and labels."""
    shifted = scores - scores.max(axis=1, keepdims=True)  # so that exp cannot overflow
    exps = np.exp(shifted)
    sums = exps.sum(axis=1)
    return np.log(sums) - shifted[np.arange(len(y)), y], exps / sums[:, None]


def softmax_mcxent_grad(probs, y):
    """Return the gradient of each cross-entropy for its scores: probs - onehot."""
    dscores = probs.copy()
    dscores[np.arange(len(y)), y] -= 1
    return dscores


def mcxent(probs, y):
    """Return each example's cross-entropy, from probabilities and labels."""
    picked = probs[np.arange(len(y)), y]
    return -np.log(np.maximum(picked, 1e-30))  # so that log cannot reach infinity


def init_updater(p):
    """Return the first state of adam by name."""
    return {
        f"{name}.{own}": np.zeros_like(p[name])
        for name in TRAINED
        for own in ("m", "v")
    }


def update(p, moments, grads, step, epoch):
    """Move each weight by adam; step counts from 1, epoch has fractions."""
    unbias = math.sqrt(1 - BETA2**step)
    rate = LR * unbias / (1 - BETA1**step)
    for name, g in grads.items():
        w, m, v = p[name], moments[f"{name}.m"], moments[f"{name}.v"]
        m = BETA1 * m + (1 - BETA1) * g
        v = BETA2 * v + (1 - BETA2) * np.square(g)
        p[name] = w - rate * m / (np.sqrt(v) + EPS * unbias)
        moments[f"{name}.m"], moments[f"{name}.v"] = m, v


def metrics(prediction, species):
    """Return the loss and the metrics of predictions, by name."""
    loss = mcxent(prediction, species).mean()
    decided = prediction.argmax(axis=1)
    chosen = decided[:, None] == np.arange(3)  # (N, 3)
    true = species[:, None] == np.arange(3)  # (N, 3)
    tp = (chosen & true).sum(axis=0)
    fp = chosen.sum(axis=0) - tp
    fn = true.sum(axis=0) - tp
    f1 = tp / np.maximum(tp + (fp + fn) / 2, 0.5)
    return {
        "loss": float(loss),
        "accuracy": float((decided == species).mean()),
        "f1": float(f1.sum() / np.maximum((tp + fp + fn > 0).sum(), 1)),
    }


def evaluate(p, inputs, targets):
    """Return the metrics of a whole set, predicted in slices that bound the memory."""
    slices = [slice(i, i + 1024) for i in range(0, len(inputs[0]), 1024)]
    outputs = [np.concatenate([predict(p, *(x[s] for x in inputs)) for s in slices])]
    return metrics(*outputs, *targets)


def split(count):
    """Return the rows that train and the rows held out, drawn by the seed."""
    rows = stream(SEED, "split").permutation(count)
    held = min(max(1, round(VALIDATION * count)), count - 1)
    return np.sort(rows[held:]), np.sort(rows[:held])


def batches(rows, epoch):
    """Return the rows of each batch of an epoch; the last may be smaller."""
    rows = stream(SEED, "shuffle", epoch).permutation(rows)
    return [rows[i : i + BATCH] for i in range(0, len(rows), BATCH)]


def train(inputs, targets):
    """Train on arrays in the order of INPUTS and TARGETS; return the weights."""
    rows, held = split(len(inputs[0]))
    p, step = init(SEED), 0
    fit(p, *(x[rows] for x in inputs))
    moments = init_updater(p)
    for epoch in range(EPOCHS):
        total = 0.0
        parts = batches(rows, epoch)
        for k, batch in enumerate(parts):
            step += 1
            loss, grads = loss_and_grads(p, *(a[batch] for a in (*inputs, *targets)))
            update(p, moments, grads, step, epoch + k / len(parts))
            total += float(loss) * len(batch)
        line = f"epoch {epoch + 1}  loss {total / len(rows):.4f}"
        report = evaluate(p, [x[held] for x in inputs], [y[held] for y in targets])
        line += "".join(f"  val_{name} {value:.4f}" for name, value in report.items())
        print(line)
    return p


def check(inputs, targets):
    """Compare each gradient with differences in float64; return the wrong ones."""
    p = init(SEED)
    fit(p, *inputs)
    for name, w in p.items():  # in float64, and moved off the kinks that zeros sit on
        p[name] = w + 0.01 * stream(SEED, "moved", name).standard_normal(w.shape)
    batch = [a[:BATCH] for a in (*inputs, *targets)]
    batch = [a if a.dtype.kind == "i" else a.astype(np.float64) for a in batch]
    wrong = []
    loss, grads = loss_and_grads(p, *batch)
    for name, grad in grads.items():
        move = stream(SEED, "check", name).standard_normal(grad.shape)
        move /= np.linalg.norm(move)
        slope, errors = (grad * move).sum(), []
        for h in 1e-5, 1e-6, 1e-7:  # a smaller one meets fewer kinks, and more rounding
            low, high = (
                loss_and_grads({**p, name: p[name] + s * move}, *batch)[0]
                for s in (-h, h)
            )
            errors.append(abs((high - low) / (2 * h) - slope))
        error = min(errors) / (max(abs(slope), 1e-3 * abs(loss)) or 1)
        wrong += [] if error <= 1e-6 else [name]
        print(f"{name}  slope {slope:.9e}  error {error:.1e}")
    print(f"wrong: {', '.join(wrong)}" if wrong else "all gradients agree")
    return wrong


def load(path):
    """Return the inputs and the targets of an archive, checked and in their types."""
    try:
        archive = np.load(path)
        data = {name: archive[name] for name in INPUTS | TARGETS}
    except Exception as error:
        raise SystemExit(f"{path} is no archive for {NAME}: {error}") from error
    count = max([2, *data[next(iter(INPUTS))].shape[:1]])
    for name, (shape, low, high, dtype) in (INPUTS | TARGETS).items():
        array = data[name]
        shapes = [(count, *shape)] + [(count,)] * (shape == (1,))
        if array.shape not in shapes or array.dtype.kind not in "biuf":
            sys.exit(f"{path} needs numbers {name} of shape {shapes[0]}")
        data[name] = array.astype(dtype)
        if not np.all(np.isclose(array, data[name]) & (low <= array) & (array <= high)):
            sys.exit(f"{name} in {path} has values that are not in [{low}, {high}]")
    return [data[name] for name in INPUTS], [data[name] for name in TARGETS]


def main():
    """Train on the archive of the command line, or check the gradients on it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", metavar="DATA.npz", help="the arrays to train on")
    parser.add_argument("--check", action="store_true", help="compare the gradients")
    args = parser.parse_args()
    inputs, targets = load(args.data)
    if args.check:
        sys.exit(1 if check(inputs, targets) else 0)
    with open(f"{NAME}.npz.tmp", "wb") as file:
        np.savez(file, **train(inputs, targets))
    os.replace(f"{NAME}.npz.tmp", f"{NAME}.npz")  # all of it, or the old file


if __name__ == "__main__":
    main()
