"""The Python side of hardened.ts: a network of PyTorch, and what AutoAttack's own code leaves of it before and after.

`train FOLDER`: trains the network on train.safetensors, and writes before.onnx with its weights outside, by PyTorch's default
exporter. `judge FOLDER EPS THREADS`: reads the weights of before.onnx and after.onnx into the network, and attacks it with
AutoAttack's standard version on test.safetensors. Prints JSON. Needs torch, onnx, onnxscript, onnxruntime and pyautoattack.
"""

import json
import sys
from contextlib import redirect_stdout

import numpy
import onnx
import onnxruntime
import torch
from compare_pytorch import read_safetensors
from onnx import numpy_helper
from torch import nn

step, folder = sys.argv[1:3]


def network():
    return nn.Sequential(
        nn.Conv2d(1, 16, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 7 * 7, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )


def images(name):
    tensors, _ = read_safetensors(f"{folder}/{name}.safetensors")
    return torch.from_numpy(tensors["image"].copy()), torch.from_numpy(tensors["label"].copy()).long()


def train():
    torch.manual_seed(1)
    model = network()
    x, y = images("train")
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    for _ in range(2):
        for at in torch.randperm(len(x)).split(100):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[at]), y[at]).backward()
            optimizer.step()
    model.eval()
    with redirect_stdout(sys.stderr):
        torch.onnx.export(
            model,
            (x[:2],),
            f"{folder}/before.onnx",
            dynamo=True,
            external_data=True,
            input_names=["image"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
        )
    return {}


def judged(name, eps):
    from pyautoattack import AutoAttack

    path = f"{folder}/{name}.onnx"
    file = onnx.load(path)
    model = network()
    weights = {each.name: torch.from_numpy(numpy_helper.to_array(each).copy()) for each in file.graph.initializer}
    model.load_state_dict({key: weights[key] for key in model.state_dict()})
    model.eval()
    x, y = images("test")
    with torch.no_grad():
        logits = model(x)
    (there,) = onnxruntime.InferenceSession(path).run(None, {"image": x.numpy()})
    attack = AutoAttack(model, norm="Linf", eps=eps, version="standard", seed=1)
    attack.verbose = False
    with redirect_stdout(sys.stderr):
        found = attack.run_standard_evaluation(x, y, batch_size=250)
    found = found[0] if isinstance(found, tuple) else found
    assert (found - x).abs().max() <= eps + 1e-6 and found.min() >= 0 and found.max() <= 1
    with torch.no_grad():
        right = model(found).argmax(1) == y
    return {
        "images": len(y),
        "clean": (logits.argmax(1) == y).double().mean().item(),
        "autoattack": right.double().mean().item(),
        "onnxruntimePart": float(numpy.abs(there - logits.numpy()).max()),
        "opset": [[each.domain, each.version] for each in file.opset_import],
        "ir": file.ir_version,
        "ports": [str(each) for each in [*file.graph.input, *file.graph.output]],
        "nodes": [[each.name, each.op_type, [*each.input], [*each.output]] for each in file.graph.node],
        "initializers": sorted(each.name for each in file.graph.initializer),
    }


if step == "train":
    print(json.dumps(train()))
else:
    torch.set_num_threads(int(sys.argv[4]))
    print(json.dumps({name: judged(name, float(sys.argv[3])) for name in ("before", "after")}))
