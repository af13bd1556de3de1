"""The Python side of truth.ts: AutoAttack's own code, and that of torchattacks where it is installed, on the same images.

Arguments: the classifier's ONNX file, and a safetensors file with `image` and `label`. Its metadata has eps, seed, threads and
attacks (a list, or `standard`), and the mean and std of the network's pixels where it has them. Prints a JSON list of {code,
attack, right, seconds, processor}: which images are right after each attack, 1 or 0, each on what the ones before left, and
the time by the clock and that of the processor. torchattacks has its standard version alone, as one attack: once as it comes,
with 10 steps of each attack by gradient, and once with 100 steps, as AutoAttack has. An attacked image outside the ball or the
range counts as right. Needs torch, numpy, onnx and pyautoattack, and onnx2torch for networks other than that of Wong and
Kolter 2017.
"""

import json
import sys
import time
from functools import partial
from importlib.util import find_spec

import numpy
import onnx
import torch
from compare_pytorch import read_safetensors
from onnx import numpy_helper
from pyautoattack import AutoAttack


def load(path, metadata):
    """The network of an ONNX file, for pixels in 0..1."""
    graph = onnx.load(path)
    weights = {each.name: torch.from_numpy(numpy_helper.to_array(each).copy()) for each in graph.graph.initializer}
    model = wong_kolter()
    if model.state_dict().keys() == weights.keys():
        model.load_state_dict(weights)
    else:
        from onnx2torch import convert

        loosen(graph.graph)
        model = FirstOutput(convert(graph))
    if "mean" in metadata:
        model = torch.nn.Sequential(Normalized(json.loads(metadata["mean"]), json.loads(metadata["std"])), model)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    return model.eval()


def loosen(graph):
    """Makes shapes that begin with a batch of 1 keep the batch that there is."""
    shapes = {node.input[1] for node in graph.node if node.op_type == "Reshape"}
    constants = [(node.output[0], node.attribute[0].t) for node in graph.node if node.op_type == "Constant"]
    for name, tensor in [(each.name, each) for each in graph.initializer] + constants:
        shape = numpy_helper.to_array(tensor).copy() if name in shapes else None
        if shape is not None and shape.size > 1 and shape[0] == 1:
            shape[0] = 0
            tensor.CopyFrom(numpy_helper.from_array(shape, tensor.name))


class FirstOutput(torch.nn.Module):
    """A network whose first output is its logits."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        found = self.network(x)
        return found if isinstance(found, torch.Tensor) else found[0]


class Normalized(torch.nn.Module):
    """Pixels as a network takes them."""

    def __init__(self, mean, std):
        super().__init__()
        self.mean, self.std = (torch.tensor(each).view(1, -1, 1, 1) for each in (mean, std))

    def forward(self, x):
        return (x - self.mean) / self.std


def wong_kolter():
    """The network of Wong and Kolter 2017, without its weights."""
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 16, 4, stride=2, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(16, 32, 4, stride=2, padding=1),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(32 * 7 * 7, 100),
        torch.nn.ReLU(),
        torch.nn.Linear(100, 10),
    )


def main():
    tensors, metadata = read_safetensors(sys.argv[2])
    torch.set_num_threads(int(metadata["threads"]))
    model = load(sys.argv[1], metadata)
    x = torch.from_numpy(numpy.array(tensors["image"]))
    y = torch.from_numpy(numpy.array(tensors["label"])).long()
    eps = float(metadata["eps"])

    def right(images):
        with torch.no_grad():
            return model(images).argmax(1) == y

    def after(attack, left):
        """What is right after an attack on what is right before it."""
        open_ = left.nonzero().flatten()
        found = attack(x[open_], y[open_])
        found = found[0] if isinstance(found, tuple) else found
        far = (found - x[open_]).abs().amax((1, 2, 3))
        valid = (far <= eps + 1e-6) & (found.amin((1, 2, 3)) >= 0) & (found.amax((1, 2, 3)) <= 1)
        left = left.clone()
        with torch.no_grad():
            left[open_] = (model(found).argmax(1) == y[open_]) | ~valid
        return left

    rows = []

    def now():
        return time.perf_counter(), time.process_time()

    def row(code, attack, left, started):
        seconds, processor = (round(end - begin, 2) for end, begin in zip(now(), started))
        rows.append(
            {"code": code, "attack": attack, "right": left.int().tolist(), "seconds": seconds, "processor": processor}
        )

    left = right(x)
    row("the network", "clean", left, now())
    names = ["apgd-ce", "apgd-t", "fab-t", "square"]
    for name in names if metadata["attacks"] == "standard" else metadata["attacks"].split(","):
        attack = AutoAttack(
            model, norm="Linf", eps=eps, seed=int(metadata["seed"]), version="custom", attacks=[name]
        )
        attack.verbose = False
        # as its standard version sets them
        attack.apgd.n_restarts = attack.apgd_targeted.n_restarts = attack.fab.n_restarts = 1
        attack.apgd_targeted.n_target_classes = attack.fab.n_target_classes = 9
        started = now()
        left = after(partial(attack.run_standard_evaluation, batch_size=500), left)
        row("AutoAttack", name, left, started)
    if metadata["attacks"] == "standard" and find_spec("torchattacks"):
        import torchattacks

        for steps in (10, 100):
            attack = torchattacks.AutoAttack(model, eps=eps, n_classes=10, seed=int(metadata["seed"]))
            for each in attack._autoattack.attacks[:3]:
                each.steps = steps
            started = now()
            left = after(attack, right(x))
            row(f"torchattacks, {steps} steps", "standard", left, started)
    print(json.dumps(rows))


main()
