"""A run in a process of its own, to be killed: FOLDER ENGINE SLEEP [resume]."""

from __future__ import annotations

import sys
from pathlib import Path

from netc.runtime import (
    Metadata,
    Observer,
    OnnxEngine,
    Start,
    examples_of,
    prepare_folder,
    save_weights,
    train,
    trainer_of,
)
from stand_in import flowers, metadata_json, step_graph, trainer_text


class Ready(Observer):
    """Says when the first step is about to begin."""

    def on_start(self, start: Start) -> None:
        print("ready", flush=True)


def main() -> None:
    folder, engine, sleep = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
    resume = "resume" in sys.argv[4:]
    metadata = Metadata.from_json(metadata_json())
    trainer = trainer_of(trainer_text(sleep=sleep, epochs=8, patience=4, rate=0.05), "flowers.py")
    prepare_folder(folder, "flowers", resume=resume)
    result = train(
        trainer,
        metadata,
        examples_of(metadata, flowers()),
        engine=OnnxEngine(step_graph(), "cpu", threads=1) if engine == "onnx" else None,
        folder=folder,
        resume=resume,
        observer=Ready(),
        checkpoint_every=0,
    )
    save_weights(folder / "flowers.npz", result.weights)


if __name__ == "__main__":
    main()
