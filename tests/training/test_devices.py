"""Training on more than one device: two processors that TensorFlow is told to tell apart."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from deepfake.util.files import ROOT

PROGRAM = """
import dataclasses, json, sys
from pathlib import Path
import numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
sys.path.insert(0, ".")
from tests.support.training import TINY, quiet
from deepfake.training import train as training
from deepfake.networks.architectures import compact
from deepfake.data.index import index_dataset

made = []
def build(name, *, size=None, weights=None, fused=False):
    made.append(compact(size, stages=((8, 1),), stem=8, fused=fused))
    return made[-1]
training.build = build
data, folder = index_dataset(Path(sys.argv[1])), Path(sys.argv[2])
whole = training.train(data, TINY, folder / "whole", say=quiet)
training.train(data, dataclasses.replace(TINY, epochs=1), folder / "half", say=quiet)
def weights():
    with np.load(folder / "half" / "state.npz") as state:
        return [state[name] for name in state.files if name != "kept"]
saved = weights()
model = training.networks(data.select(split="Train"), TINY, resume=True)[0]
first = made[0]
copies = [[np.asarray(part) for part in variable.value.values] for variable in first.trainable_variables]
print(json.dumps({
    "state": whole.state, "epochs": whole.epochs,
    "devices": [len(parts) for parts in copies],
    "apart": max(float(np.abs(a - b).max()) for a, b in copies),
    "finite": all(bool(np.isfinite(array).all()) for array in saved),
}))
again = training._Run(model, made[-1], TINY, folder / "half", training.RunLog(folder / "half"), steps=4)
again.load_state()
variables = [*model.variables, *model.optimizer.variables]
same = [np.array_equal(np.asarray(v), s) for v, s in zip(variables, saved)]
print(json.dumps({"epoch": again.epoch, "same": all(same)}))
"""


@pytest.mark.slow
def test_two_devices_hold_the_same_network(tiny_dataset: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tiny_dataset), str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    trained, resumed = map(json.loads, done.stdout.splitlines()[-2:])
    assert (trained["state"], trained["epochs"], trained["finite"]) == ("finished", 2, True)
    assert set(trained["devices"]) == {2}
    assert trained["apart"] == 0.0, "both averaged the same gradients"
    assert resumed == {"epoch": 1, "same": True}
