"""The Python side of truth.ts: AutoAttack's own code on the same images and weights.

Arguments: the classifier's ONNX file, a safetensors file with `image` and `label`, and with eps, seed, threads and attacks (a
list, or `standard`) in its metadata. Prints a JSON list of {attack, left, seconds}: how many images are right after each attack,
each on what the ones before left. Needs torch, numpy, onnx and pyautoattack.
"""

import json
import sys
import time

import numpy
import onnx
import torch
from compare_pytorch import read_safetensors
from onnx import numpy_helper
from pyautoattack import AutoAttack


def load(path):
    """The network of Wong and Kolter 2017, with the weights of its ONNX file."""
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 16, 4, stride=2, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(16, 32, 4, stride=2, padding=1),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(32 * 7 * 7, 100),
        torch.nn.ReLU(),
        torch.nn.Linear(100, 10),
    )
    weights = {each.name: torch.from_numpy(numpy_helper.to_array(each).copy()) for each in onnx.load(path).graph.initializer}
    model.load_state_dict(weights)
    return model.eval()


def main():
    tensors, metadata = read_safetensors(sys.argv[2])
    torch.set_num_threads(int(metadata["threads"]))
    model = load(sys.argv[1])
    x = torch.from_numpy(numpy.array(tensors["image"]))
    y = torch.from_numpy(numpy.array(tensors["label"])).long()

    def right(images):
        with torch.no_grad():
            return model(images).argmax(1) == y

    left = right(x)
    rows = [{"attack": "clean", "left": int(left.sum()), "seconds": 0.0}]
    names = ["apgd-ce", "apgd-t", "fab-t", "square"]
    for name in names if metadata["attacks"] == "standard" else metadata["attacks"].split(","):
        attack = AutoAttack(
            model, norm="Linf", eps=float(metadata["eps"]), seed=int(metadata["seed"]), version="custom", attacks=[name]
        )
        attack.verbose = False
        # as its standard version sets them
        attack.apgd.n_restarts = attack.apgd_targeted.n_restarts = attack.fab.n_restarts = 1
        attack.apgd_targeted.n_target_classes = attack.fab.n_target_classes = 9
        started = time.perf_counter()
        open_ = left.nonzero().flatten()
        found = attack.run_standard_evaluation(x[open_], y[open_], batch_size=500)
        seconds = time.perf_counter() - started
        found = found[0] if isinstance(found, tuple) else found
        with torch.no_grad():
            left[open_] = model(found).argmax(1) == y[open_]
        rows.append({"attack": name, "left": int(left.sum()), "seconds": round(seconds, 1)})
    print(json.dumps(rows))


main()
