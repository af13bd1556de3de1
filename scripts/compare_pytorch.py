"""The PyTorch side of compare-pytorch.ts: the same training in float32 and in float64, and distances to the latter.

Arguments: a safetensors file with the case (options, start, images, labels), then one safetensors file for each
implementation to judge. Prints a JSON list of records {who, quantity, tensor, ours, torch32}: the error of what is
judged, and that of PyTorch in float32. Needs torch and numpy.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

ORDERS = 4  # how often the run in float32 is repeated, to see how far rounding alone takes it


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


def under(prefix, tensors):
    """The tensors under a prefix, with the prefix taken off."""
    return {name[len(prefix) :]: array for name, array in tensors.items() if name.startswith(prefix)}


def load(module, tensors, dtype):
    """Gives a module its tensors; each of them must have a place, and each place a tensor."""
    state = {
        name.replace("/", "."): torch.from_numpy(kernel_layout(array).copy()) for name, array in tensors.items()
    }
    counters = {name: torch.tensor(0) for name in module.state_dict() if name.endswith("num_batches_tracked")}
    module.load_state_dict({**state, **counters})
    return module.to(dtype)


def numpy64(tensor):
    return stored_layout(tensor.detach().double().numpy()).copy()


class Case:
    """What all implementations train, from what, and on what."""

    def __init__(self, path):
        tensors, options = read_safetensors(path)
        self.network = options["network"]
        self.learning_rate = float(options["learningRate"])
        if self.network == "attacker":
            self.eps, self.bound = float(options["eps"]), options["bound"]
            self.clip = options["clip"] == "true"
        self.start = under("start/", tensors)
        self.frozen = under("frozen/classifier/", tensors)
        self.images, self.labels = tensors["image"], tensors["label"].astype(np.int64)


class Training:
    """A case in PyTorch, in a floating-point type, from a state: that of the case, or one with Adam's moments."""

    def __init__(self, case, dtype, state):
        self.case, self.dtype = case, dtype
        model = Classifier() if case.network == "classifier" else Attacker(case.eps, case.bound)
        self.model = load(model, under(f"{case.network}/", state), dtype).train()
        if case.network == "attacker":
            self.frozen = load(Classifier(), case.frozen, dtype).eval().requires_grad_(False)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=case.learning_rate)
        step = f"adam/step/{case.network}"
        if step in state:
            moment = lambda kind, name: torch.from_numpy(
                kernel_layout(state[f"adam/{kind}/{self.full(name)}"]).copy()
            ).to(dtype)
            for name, parameter in self.model.named_parameters():
                self.optimizer.state[parameter] = {
                    "step": torch.tensor(float(state[step])),
                    "exp_avg": moment("m", name),
                    "exp_avg_sq": moment("v", name),
                }

    def full(self, name):
        """The name that a tensor of the model has in the graphs."""
        return f"{self.case.network}/{name.replace('.', '/')}"

    def logits(self, image):
        if self.case.network == "classifier":
            return self.model(image)
        attacked = image + self.model(image)
        return self.frozen(attacked.clamp(0, 1) if self.case.clip else attacked)

    def step(self, index, order=slice(None)):
        """One step of Adam on a batch, whose images are taken in any order; gives the loss before it."""
        image = torch.from_numpy(self.case.images[index][order].copy()).to(self.dtype)
        label = torch.from_numpy(self.case.labels[index][order].copy())
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.logits(image), label)
        (loss if self.case.network == "classifier" else -loss).backward()
        self.optimizer.step()
        return loss.item()

    def gradients(self):
        """The gradients of the last step."""
        return {self.full(name): numpy64(p.grad) for name, p in self.model.named_parameters()}

    def state(self):
        """Parameters and running statistics."""
        tensors = self.model.state_dict().items()
        return {self.full(name): numpy64(t) for name, t in tensors if t.is_floating_point()}

    def cancelled(self):
        """The convolutions with a batch norm behind them, which takes out whatever their bias adds."""
        modules = dict(self.model.named_modules())
        return [name for name in modules if "conv" in name and name.replace("conv", "norm") in modules]


def first_step(case, dtype):
    """The gradients of step 1, and for each bias that is cancelled the sum of the sizes of what its gradient sums."""
    training = Training(case, dtype, case.start)
    outputs = {}

    def keep(module, _inputs, output):
        output.retain_grad()
        outputs[module] = output

    modules = {name: training.model.get_submodule(name) for name in training.cancelled()}
    for module in modules.values():
        module.register_forward_hook(keep)
    training.step(0)
    sizes = {
        training.full(f"{name}.bias"): numpy64(outputs[module].grad.abs().sum((0, 2, 3)))
        for name, module in modules.items()
    }
    return training.gradients(), sizes


def last_step(case, dtype, before):
    """The loss and the state after the last step, from a given state before it."""
    training = Training(case, dtype, before)
    loss = training.step(len(case.images) - 1)
    return loss, training.state()


def whole_run(case, dtype, order=slice(None)):
    """The loss of each step, and the state after the last."""
    training = Training(case, dtype, case.start)
    losses = [training.step(index, order) for index in range(len(case.images))]
    return np.array(losses), training.state()


def far(value, true, scale):
    """The norm of an error over that of its scale."""
    return float(np.linalg.norm(value - true) / np.linalg.norm(scale))


def gradient_errors(gradients, reference, sizes):
    return {
        ("zero gradient", name) if name in sizes else ("gradient", name): (
            far(gradients[name], 0, sizes[name]) if name in sizes else far(gradients[name], true, true)
        )
        for name, true in reference.items()
    }


def is_statistic(name):
    return "running_" in name


def step_errors(result, reference, before, sizes):
    """Of each tensor, over its way in this step."""
    (loss, state), (true_loss, true_state) = result, reference
    errors = {("step loss", "loss"): far(loss, true_loss, true_loss)}
    for name, true in true_state.items():
        if name not in sizes:
            kind = "step statistics" if is_statistic(name) else "step parameters"
            errors[kind, name] = far(state[name], true, true - before[name])
    return errors


def run_errors(result, reference, case, sizes):
    """Of all tensors of a kind together, over their way in the run."""
    (losses, state), (true_losses, true_state) = result, reference
    join = lambda tensors, names: np.concatenate([tensors[name].ravel() for name in names])
    errors = {("run loss", "all steps"): far(losses, true_losses, true_losses)}
    for kind, wanted in (("run parameters", False), ("run statistics", True)):
        names = [name for name in true_state if is_statistic(name) == wanted and name not in sizes]
        true = join(true_state, names)
        errors[kind, "all"] = far(join(state, names), true, true - join(case.start, names))
    for name in sizes:
        errors["drift", name] = float(np.abs(state[name] - case.start[name]).max() / case.learning_rate)
    return errors


def main(path, *results):
    case = Case(path)
    gradients, sizes = first_step(case, torch.float64)
    gradients32, _ = first_step(case, torch.float32)
    run = whole_run(case, torch.float64)
    orders = [np.random.default_rng(seed).permutation(case.images.shape[1]) for seed in range(1, ORDERS)]
    runs32 = [whole_run(case, torch.float32, order) for order in [slice(None), *orders]]

    records = []
    for result in results:
        tensors, _ = read_safetensors(result)
        before, losses, state = under("before/", tensors), tensors["loss"], under("state/", tensors)
        step, step32 = (last_step(case, dtype, before) for dtype in (torch.float64, torch.float32))
        ours = {
            **gradient_errors(under("gradient/", tensors), gradients, sizes),
            **step_errors((losses[-1], state), step, before, sizes),
            **run_errors((losses, state), run, case, sizes),
        }
        torch32 = [
            {
                **gradient_errors(gradients32, gradients, sizes),
                **step_errors(step32, step, before, sizes),
                **run_errors(run32, run, case, sizes),
            }
            for run32 in runs32
        ]
        for (quantity, tensor), error in ours.items():
            records.append(
                {
                    "who": Path(result).stem,
                    "quantity": quantity,
                    "tensor": tensor,
                    "ours": error,
                    "torch32": max(errors[quantity, tensor] for errors in torch32),
                }
            )
    print(json.dumps(records, allow_nan=False))


if __name__ == "__main__":
    main(*sys.argv[1:])
