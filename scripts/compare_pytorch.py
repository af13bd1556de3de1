"""The PyTorch side of compare-pytorch.ts: the same training in float32 and in float64, and distances to the latter.

Arguments: a safetensors file with the case (options, start, images, labels), then one safetensors file for each
implementation to judge. Prints a JSON list of records {who, quantity, tensor, error}. Needs torch and numpy.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

MOMENTUM = 0.1  # PyTorch's default for running statistics


class Classifier(nn.Module):
    """The paper's C: [N,1,28,28] -> logits [N,10]."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 5, padding=2)
        self.norm1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, 5, padding=2)
        self.norm2 = nn.BatchNorm2d(32)
        self.linear = nn.Linear(32 * 7 * 7, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        x = F.max_pool2d(F.relu(self.norm2(self.conv2(x))), 2)
        return self.linear(torch.flatten(x, 1))


class Attacker(nn.Module):
    """The paper's A: [N,1,28,28] -> perturbation of the same shape in [-eps, eps]."""

    def __init__(self, eps, bound):
        super().__init__()
        self.eps, self.bound = eps, bound
        self.conv1 = nn.Conv2d(1, 64, 5, stride=2, padding=2)
        self.conv2 = nn.Conv2d(64, 128, 5, stride=2, padding=2)
        self.norm2 = nn.BatchNorm2d(128)
        self.conv3 = nn.Conv2d(128, 256, 5, stride=2, padding=2)
        self.norm3 = nn.BatchNorm2d(256)
        self.conv4 = nn.Conv2d(256, 512, 5, stride=2, padding=2)
        self.norm4 = nn.BatchNorm2d(512)
        self.deconv1 = nn.ConvTranspose2d(512, 256, 5, stride=2, padding=2, output_padding=1)
        self.denorm1 = nn.BatchNorm2d(256)
        self.deconv2 = nn.ConvTranspose2d(256, 128, 5, stride=2, padding=2)
        self.denorm2 = nn.BatchNorm2d(128)
        self.deconv3 = nn.ConvTranspose2d(128, 64, 5, stride=2, padding=2, output_padding=1)
        self.denorm3 = nn.BatchNorm2d(64)
        self.deconv4 = nn.ConvTranspose2d(64, 1, 5, stride=2, padding=2, output_padding=1)
        self.denorm4 = nn.BatchNorm2d(1)

    def forward(self, x):
        x = F.leaky_relu(self.conv1(x), 0.2)
        x = F.leaky_relu(self.norm2(self.conv2(x)), 0.2)
        x = F.leaky_relu(self.norm3(self.conv3(x)), 0.2)
        x = F.leaky_relu(self.norm4(self.conv4(x)), 0.2)
        x = F.relu(self.denorm1(self.deconv1(x)))
        x = F.relu(self.denorm2(self.deconv2(x)))
        x = F.relu(self.denorm3(self.deconv3(x)))
        x = torch.tanh(self.denorm4(self.deconv4(x)))
        return x * self.eps if self.bound == "tanh" else x.clamp(-self.eps, self.eps)


def read_safetensors(path):
    """The float32 and int32 tensors of a safetensors file, and its metadata."""
    data = Path(path).read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    metadata = header.pop("__metadata__", {})
    types = {"F32": np.float32, "I32": np.int32}
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        flat = np.frombuffer(data[start + begin : start + end], types[entry["dtype"]])
        tensors[name] = flat.reshape(entry["shape"])
    return tensors, metadata


def kernel_layout(array):
    """Kernels are stored [kH,kW,in,out]; PyTorch has [out,in,kH,kW], and [in,out,kH,kW] when transposed.

    A transposed convolution's kernel is stored as that of the convolution which it transposes, so one order serves both.
    """
    return array.transpose(3, 2, 0, 1) if array.ndim == 4 else array


def stored_layout(array):
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array


def load(module, prefix, tensors, dtype):
    """Gives a module the tensors under a prefix; each of them must have a place, and each place a tensor."""
    state = {
        name[len(prefix) + 1 :].replace("/", "."): torch.from_numpy(kernel_layout(array).copy())
        for name, array in tensors.items()
        if name.startswith(prefix + "/")
    }
    counters = {name: torch.tensor(0) for name in module.state_dict() if name.endswith("num_batches_tracked")}
    module.load_state_dict({**state, **counters})
    return module.to(dtype)


def numpy64(tensor):
    return stored_layout(tensor.detach().double().numpy())


class Case:
    """What both implementations train on, and how."""

    def __init__(self, path):
        self.tensors, options = read_safetensors(path)
        self.network = options["network"]
        self.learning_rate = float(options["learningRate"])
        self.eps, self.bound = float(options["eps"]), options["bound"]
        self.clip = options["clip"] == "true"

    def model(self, dtype):
        own = Classifier() if self.network == "classifier" else Attacker(self.eps, self.bound)
        return load(own, self.network, self.tensors, dtype).train()

    def logits(self, dtype):
        """The function from a model and images to logits."""
        if self.network == "classifier":
            return lambda model, image: model(image)
        frozen = load(Classifier(), "classifier", self.tensors, dtype).eval().requires_grad_(False)

        def attacked(model, image):
            moved = image + model(image)
            return frozen(moved.clamp(0, 1) if self.clip else moved)

        return attacked


def train(case, dtype):
    """The case in PyTorch: gradients of step 1, the loss of each step, the state at the end, all as float64."""
    model, logits = case.model(dtype), case.logits(dtype)
    images = torch.from_numpy(case.tensors["image"].copy()).to(dtype)
    labels = torch.from_numpy(case.tensors["label"].astype(np.int64))
    optimizer = torch.optim.Adam(model.parameters(), lr=case.learning_rate)
    full = lambda name: f"{case.network}/{name.replace('.', '/')}"

    # what the gradient of a convolution's bias sums: its size is the scale of the rounding noise
    summed = {}

    def watch(name):
        def hook(_module, _inputs, output):
            output.register_hook(
                lambda grad: summed.setdefault(full(f"{name}.bias"), grad.abs().sum((0, 2, 3)).double().numpy())
            )

        return hook

    for name, module in model.named_modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            module.register_forward_hook(watch(name))

    gradients, losses, biases = {}, [], {full(name): [] for name in cancelled(model)}
    for step in range(len(images)):
        for name in cancelled(model):
            biases[full(name)].append(numpy64(model.get_parameter(name)).copy())
        optimizer.zero_grad()
        loss = F.cross_entropy(logits(model, images[step]), labels[step])
        (loss if case.network == "classifier" else -loss).backward()
        if step == 0:
            gradients = {full(name): numpy64(p.grad).copy() for name, p in model.named_parameters()}
        optimizer.step()
        losses.append(loss.item())
    state = {full(name): numpy64(t).copy() for name, t in model.state_dict().items() if t.is_floating_point()}
    return {"gradient": gradients, "loss": np.array(losses), "state": state, "bias": biases, "summed": summed}


def cancelled(model):
    """The biases that batch statistics take out again: those of convolutions with a batch norm behind them."""
    modules = dict(model.named_modules())
    behind = {name: name.replace("conv", "norm") for name in modules if "conv" in name}
    return [f"{name}.bias" for name, norm in behind.items() if norm in modules]


def read_result(path):
    """What an implementation gave, in the form of `train`."""
    tensors, _ = read_safetensors(path)
    part = lambda kind: {
        name[len(kind) + 1 :]: array.astype(np.float64)
        for name, array in tensors.items()
        if name.startswith(kind + "/")
    }
    return {"gradient": part("gradient"), "loss": tensors["loss"], "state": part("state"), "bias": part("bias")}


def share(biases):
    """How much of a running mean the bias before it makes up, over the steps."""
    mean = 0
    for bias in biases:
        mean = (1 - MOMENTUM) * mean + MOMENTUM * bias
    return mean


def distances(case, result, reference):
    """Records of how far a result is from the reference, each by a scale that belongs to it."""
    zero = set(reference["bias"])
    trainable = set(reference["gradient"])
    assert set(result["gradient"]) == trainable and set(result["state"]) == set(reference["state"])
    far = lambda a, b, scale: float(np.linalg.norm(a - b) / np.linalg.norm(scale))

    for step, (ours, true) in enumerate(zip(result["loss"], reference["loss"], strict=True)):
        yield "loss", f"step {step + 1}", far(ours, true, true)
    for name, true in reference["gradient"].items():
        ours = result["gradient"][name]
        if name in zero:
            yield "zero gradient", name, far(ours, 0, reference["summed"][name])
        else:
            yield "gradient", name, far(ours, true, true)
    for name, true in reference["state"].items():
        ours, start = result["state"][name], case.tensors[name]
        if name in zero:
            yield "drift", name, float(np.abs(ours - start).max() / case.learning_rate)
            continue
        kind = "parameter" if name in trainable else name.rsplit("/", 1)[1]
        before = name.replace("norm", "conv").replace("running_mean", "bias")
        if kind == "running_mean" and before in zero:
            yield "running_mean as it is", name, far(ours, true, true)
            ours, true = ours - share(result["bias"][before]), true - share(reference["bias"][before])
        yield kind, name, far(ours, true, true - start)


def main(path, *results):
    case = Case(path)
    reference = train(case, torch.float64)
    judged = {"torch32": train(case, torch.float32), **{Path(p).stem: read_result(p) for p in results}}
    records = [
        {"who": who, "quantity": quantity, "tensor": tensor, "error": error}
        for who, result in judged.items()
        for quantity, tensor, error in distances(case, result, reference)
    ]
    print(json.dumps(records, allow_nan=False))


main(*sys.argv[1:])
