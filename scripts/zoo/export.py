"""python export.py FOLDER [--only TEXT]: the networks of networks.py as ONNX files, by both exporters of PyTorch.

FOLDER/NAME@EXPORTER/ gets model.onnx (from the default exporter with its weights beside it), and what a gradient is judged
by: images x.f32, and the gradients of the sum of their cross-entropies by autograd, in float32 (g32.f32) and in float64
(g64.f64). The labels are the network's own answers; they and the shapes are in meta.json. FOLDER/NAME.pt is the module.
What is there already is kept. Needs torch, torchvision, timm, transformers, onnx, onnxscript and onnxruntime.
"""

import argparse
import contextlib
import copy
import io
import json
import logging
import pathlib
import time
import warnings

import networks
import numpy
import onnxruntime
import torch
from torch.nn import functional as F


def default(network, example, file):
    batch = torch.export.Dim("batch")
    torch.onnx.export(network, (example,), file, dynamic_shapes=({0: batch},), verbose=False)


def old(network, example, file):
    axes = {"image": {0: "batch"}, "logits": {0: "batch"}}
    names = dict(input_names=["image"], output_names=["logits"], dynamic_axes=axes)
    torch.onnx.export(network, (example,), file, dynamo=False, opset_version=17, **names)


# over the largest logit: beyond it, float32 does not hold the network's answers, or the exporter was wrong
largest_difference = 1e-2

exporters = {"default": default, "old": old}


def gradient(network, x, labels):
    x = x.clone().requires_grad_()
    loss = F.cross_entropy(network(x), labels, reduction="sum")
    return torch.autograd.grad(loss, x)[0].numpy()


def exact_gradient(network, x, labels):
    """In float64, tensors that the network makes while it runs included."""
    torch.set_default_dtype(torch.float64)
    try:
        return gradient(copy.deepcopy(network).double(), x.double(), labels)
    finally:
        torch.set_default_dtype(torch.float32)


def difference(file, x, logits):
    """How far the file is from the module, over the largest logit: a file that is wrong from the start is no case."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    session = onnxruntime.InferenceSession(file, options)
    (own,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    return float(abs(own - logits.numpy()).max() / abs(logits.numpy()).max())


def export(folder, name):
    network, shape = networks.build(name)
    count = 2 if shape[1] > 100 else 8
    x = networks.images(count, shape, 7)
    with torch.no_grad():
        logits = network(x)
    labels = logits.argmax(1)
    arrays = {
        "x.f32": x.numpy(),
        "g32.f32": gradient(network, x, labels),
        "g64.f64": exact_gradient(network, x, labels),
    }
    module = folder / f"{name}.pt"
    torch.save(network, module)
    for exporter, write in exporters.items():
        out = folder / f"{name}@{exporter}"
        out.mkdir(exist_ok=True)
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # the old exporter prints whole graphs
                write(network, x[:2], str(out / "model.onnx"))
            error = difference(str(out / "model.onnx"), x, logits)
            if error > largest_difference:
                raise ValueError(f"the file's logits are {error:.1e} from the module's, over the largest")
        except Exception as failure:  # exporters fail in many ways; the file is then no case
            (out / "failed.txt").write_text(str(failure))
            (out / "model.onnx").unlink(missing_ok=True)
            print(f"{name}@{exporter}: not exported: {str(failure).strip().splitlines()[0][:150]}", flush=True)
            continue
        for file, array in arrays.items():
            numpy.ascontiguousarray(array).tofile(out / file)
        meta = {
            "name": name,
            "exporter": exporter,
            "shape": list(shape),
            "n": count,
            "labels": labels.tolist(),
            "params": sum(weights.numel() for weights in network.parameters()),
            "difference": error,
            "pt": str(module.resolve()),
        }
        (out / "meta.json").write_text(json.dumps(meta))


parser = argparse.ArgumentParser()
parser.add_argument("folder", type=pathlib.Path)
parser.add_argument("--only", default="", help="networks whose name contains it")
arguments = parser.parse_args()
arguments.folder.mkdir(parents=True, exist_ok=True)
warnings.filterwarnings("ignore")
logging.disable(logging.ERROR)
torch.set_num_threads(1)
for name in networks.names():
    done = all((arguments.folder / f"{name}@{exporter}").exists() for exporter in exporters)
    if arguments.only in name and not done:
        begun = time.time()
        export(arguments.folder, name)
        print(f"{name}: {time.time() - begun:.1f} s", flush=True)
