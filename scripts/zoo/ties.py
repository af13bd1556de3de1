"""python ties.py FOLDER/NAME@EXPORTER...: whether a gradient that is far from float64's is that of a tie.

Where the input of a ReLU lies within rounding of 0, float32 may take the other side than float64, and the gradient is
another one: that of the neighbouring piece. This looks for such elements. Of each image whose gradient ours.f32
(`zoo.ts --keep` writes it) is far from g64.f64, it takes the elements of ReLUs, clipped activations and max-pools that are
nearest to their kink, mirrors them one at a time in float64, and tells how near the gradient of the mirrored network comes
to ours. Prints a line an image. Needs what export.py needs; PYTHONPATH has the modules that NAME.pt was made of.
"""

import json
import pathlib
import sys

import numpy
import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

most_candidates = 400
nearest = 60  # of a layer

# function -> the places of its kinks
kinks = {
    F.relu: [0.0],
    F.relu_: [0.0],
    torch.relu: [0.0],
    torch.relu_: [0.0],
    torch.Tensor.relu: [0.0],
    torch.Tensor.relu_: [0.0],
    F.leaky_relu: [0.0],
    F.relu6: [0.0, 6.0],
    F.hardtanh: [0.0, 6.0],
    F.hardswish: [-3.0, 3.0],
    F.hardsigmoid: [-3.0, 3.0],
}
pools = {F.max_pool2d, torch.max_pool2d}


class Kinks(TorchFunctionMode):
    """Notes how far inputs lie from kinks, over the size of the inputs, and mirrors chosen ones at their kink."""

    def __init__(self, mirrored=()):
        self.mirrored = {}
        for call, element, shift in mirrored:
            self.mirrored.setdefault(call, []).append((element, shift))
        self.call = 0
        self.near = []  # (distance over size, call, element, shift)

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function in kinks:
            args = (self.seen(args[0], self.distances(args[0], kinks[function])), *args[1:])
            kwargs.pop("inplace", None)
        elif function in pools:
            args = (self.seen(args[0], self.gaps(args, kwargs)), *args[1:])
        return function(*args, **kwargs)

    def distances(self, x, places):
        flat = x.detach().flatten()
        for place in places:
            for element in (flat - place).abs().topk(min(nearest, len(flat)), largest=False).indices.tolist():
                distance = float(flat[element] - place)
                yield abs(distance), element, -2 * distance if distance else -1e-12

    def gaps(self, args, kwargs):
        """The second largest of a window may become the largest."""
        x = args[0].detach()
        kwargs = {key: value for key, value in kwargs.items() if key != "return_indices"}
        y, first = F.max_pool2d(*args, **kwargs, return_indices=True)
        without = x.flatten(2).scatter(2, first.flatten(2), -torch.inf).view_as(x)
        other, second = F.max_pool2d(without, *args[1:], **kwargs, return_indices=True)
        gap = (y.detach() - other).flatten()
        plane = x[0, 0].numel()
        for at in gap.topk(min(nearest, len(gap)), largest=False).indices.tolist():
            if torch.isfinite(gap[at]):
                element = at // y[0, 0].numel() * plane + int(second.flatten()[at])
                yield float(gap[at]), element, 2 * float(gap[at]) + 1e-12

    def seen(self, x, found):
        call = self.call
        self.call += 1
        size = float(x.detach().square().mean().sqrt()) or 1.0
        self.near += [(distance / size, call, element, shift) for distance, element, shift in found]
        if call not in self.mirrored:
            return x
        moved = torch.zeros_like(x).flatten()
        for element, shift in self.mirrored[call]:
            moved[element] = shift
        return x + moved.view_as(x)


def gradient(network, x, label, mirrored=()):
    x = x.clone().requires_grad_()
    with Kinks(mirrored) as mode:
        loss = F.cross_entropy(network(x), label)
    return torch.autograd.grad(loss, x)[0], mode.near


def length(x):
    return float(torch.linalg.vector_norm(x))


def explain(network, x, label, ours, bound):
    """Mirrors one element after the other, each time the one that brings the gradient nearest to ours."""
    exact, near = gradient(network, x, label)
    size = length(exact)
    before = left = length(ours - exact) / size
    candidates = sorted(near)[:most_candidates]
    steps = [gradient(network, x, label, [unit[1:]])[0] - exact for unit in candidates]
    chosen, so_far = [], exact
    while left > bound:
        errors = [length(ours - so_far - step) / size for step in steps]
        best = min(range(len(errors)), key=errors.__getitem__, default=None)
        if best is None or errors[best] > 0.9 * left:
            break
        chosen.append(candidates.pop(best))
        steps.pop(best)
        so_far, _ = gradient(network, x, label, [unit[1:] for unit in chosen])
        left = length(ours - so_far) / size
    return before, left, [unit[0] for unit in chosen]


def main(folders):
    torch.set_num_threads(1)
    for folder in map(pathlib.Path, folders):
        if not (folder / "ours.f32").exists():
            continue
        meta = json.loads((folder / "meta.json").read_text())
        if "pt" not in meta:  # of Keras
            continue
        network = torch.load(meta["pt"], weights_only=False).eval().double()
        shape = (meta["n"], *meta["shape"])
        x = torch.from_numpy(numpy.fromfile(folder / "x.f32", "f4").reshape(shape)).double()
        exact = torch.from_numpy(numpy.fromfile(folder / "g64.f64", "f8").reshape(shape))
        sides = [
            torch.from_numpy(numpy.fromfile(folder / file, "f4")).double().view(-1, *meta["shape"])
            for file in ("ours.f32", "g32.f32")
        ]
        errors = [[length(given - exact[i]) / length(exact[i]) for i, given in enumerate(side)] for side in sides]
        bound = max(1e-4, 10 * sorted(errors[1])[(len(errors[1]) - 1) // 2])
        for name, side, error in zip(("ours", "PyTorch's float32"), sides, errors, strict=True):
            for i, given in enumerate(side):
                if error[i] > bound:
                    label = torch.tensor(meta["labels"][i : i + 1])
                    before, left, units = explain(network, x[i : i + 1], label, given[None], bound)
                    at = ", ".join(f"{unit:.0e}" for unit in units) or "none"
                    print(
                        f"{folder.name} image {i}, {name}: {before:.0e} from float64; {left:.0e} after mirroring "
                        f"{len(units)}, at a distance of {at} over the size of their layer",
                        flush=True,
                    )


if __name__ == "__main__":
    main(sys.argv[1:])
