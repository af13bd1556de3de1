"""PyTorch's side of `pnpm bench:gradients`: classifiers with random weights, in a process of its own; see gradients.ts.

    gradients_peer.py save FOLDER BEGIN writes each network whose name begins so as FOLDER/NAME.onnx, its images and gradients beside it
    gradients_peer.py run THREADS       answers `time NETWORK LAYOUT BATCH RUNS` with lines of JSON
"""

import json
import os
import sys
import time
import warnings

import torch
import torchvision
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, a, b, stride):
        super().__init__()
        self.one, self.one_norm = nn.Conv2d(a, b, 3, stride, 1, bias=False), nn.BatchNorm2d(b)
        self.two, self.two_norm = nn.Conv2d(b, b, 3, 1, 1, bias=False), nn.BatchNorm2d(b)
        self.short = nn.Conv2d(a, b, 1, stride)

    def forward(self, x):
        y = F.relu(self.one_norm(self.one(x)))
        return F.relu(self.two_norm(self.two(y)) + self.short(x))


def small_residual():
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, 1, 1),
        nn.ReLU(),
        Block(16, 16, 1),
        Block(16, 32, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def small_gelu():
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, 2, 1),
        nn.GELU(approximate="tanh"),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 10),
    )


def vision(name, classes, **more):
    return lambda: getattr(torchvision.models, name)(weights=None, num_classes=classes, **more)


NETWORKS = {
    "resnet18@224": (vision("resnet18", 1000), (3, 224, 224)),
    "mobilenet_v2@224": (vision("mobilenet_v2", 1000), (3, 224, 224)),
    "resnet18@32": (vision("resnet18", 10), (3, 32, 32)),
    "mobilenet_v2@32": (vision("mobilenet_v2", 10), (3, 32, 32)),
    "mobilenet_v3_small@224": (vision("mobilenet_v3_small", 10), (3, 224, 224)),
    "densenet121@32": (vision("densenet121", 10), (3, 32, 32)),
    "googlenet@32": (vision("googlenet", 10, aux_logits=False, init_weights=False), (3, 32, 32)),
    "resnext50_32x4d@64": (vision("resnext50_32x4d", 10), (3, 64, 64)),
    "small_residual@32": (small_residual, (3, 32, 32)),
    "small_gelu@32": (small_gelu, (3, 32, 32)),
    "lenet@28": (lenet, (1, 28, 28)),
}


def network(name):
    """With batch norm as after training, so that activations are of ordinary size."""
    make, shape = NETWORKS[name]
    torch.manual_seed(0)
    model = make().train()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = None
    with torch.no_grad():
        model(torch.rand(16, *shape))
    return model.eval().requires_grad_(False), shape


def images(shape, batch):
    torch.manual_seed(1)
    return torch.rand(batch, *shape)


def gradient(model, image, label):
    image = image.detach().requires_grad_()
    loss = F.cross_entropy(model(image), label, reduction="sum")
    return torch.autograd.grad(loss, image)[0]


def save(folder, begin):
    warnings.filterwarnings("ignore")
    for name in filter(lambda name: name.startswith(begin), NETWORKS):
        file = os.path.join(folder, name)
        if os.path.exists(f"{file}.gradient"):
            continue
        model, shape = network(name)
        axes = {"image": {0: "batch"}, "logits": {0: "batch"}}
        names = {"input_names": ["image"], "output_names": ["logits"], "dynamic_axes": axes}
        torch.onnx.export(model, (images(shape, 2),), f"{file}.onnx", dynamo=False, opset_version=17, **names)
        image = images(shape, 2)
        image.numpy().tofile(f"{file}.image")
        exact = gradient(model.double(), image.double(), torch.zeros(2, dtype=torch.long))
        exact.numpy().tofile(f"{file}.gradient")


def answer(threads):
    torch.set_num_threads(threads)
    say = lambda value: print(json.dumps(value), flush=True)
    say({"name": f"PyTorch {torch.__version__}"})
    opened = {}
    for line in sys.stdin:
        _, name, layout, batch, runs = line.split()
        if (name, layout, batch) not in opened:
            opened.clear()
            model, shape = network(name)
            image = images(shape, int(batch))
            if layout == "channels_last":
                model, image = (x.to(memory_format=torch.channels_last) for x in (model, image))
            opened[name, layout, batch] = model, image, torch.zeros(int(batch), dtype=torch.long)
        times = []
        for _ in range(int(runs)):
            start = time.perf_counter()
            gradient(*opened[name, layout, batch])
            times.append((time.perf_counter() - start) * 1000)
        say(times)


if sys.argv[1] == "save":
    save(sys.argv[2], sys.argv[3])
else:
    answer(int(sys.argv[2]))
