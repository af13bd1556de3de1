"""The PyTorch side of compare-attacks.ts: FGSM and PGD written out in PyTorch, on the same weights and images.

Argument: a safetensors file with the weights of C (`weights/...`), `image`, `label`, `start` (in [-1, 1]), and in its
metadata eps, steps and stepSize, the latter in parts of eps. Prints a JSON list of {dtype, clean, fgsm, pgd}, each a list
with 1 where the classifier is right. Needs torch and numpy.
"""

import json
import sys

import torch
from compare_pytorch import Classifier, read_safetensors, under
from torch.nn import functional as F


def load(weights, dtype):
    """C with the weights of an exported model, which are in PyTorch's own order."""
    model = Classifier()
    state = {name.replace("/", "."): torch.from_numpy(array.copy()) for name, array in weights.items()}
    counters = {name: torch.tensor(0) for name in model.state_dict() if name.endswith("num_batches_tracked")}
    model.load_state_dict({**state, **counters})
    return model.to(dtype).eval()


def direction(model, x, label):
    x = x.detach().requires_grad_()
    loss = F.cross_entropy(model(x), label, reduction="sum")
    return torch.autograd.grad(loss, x)[0].sign()


def fgsm(model, x, label, eps):
    return (x + eps * direction(model, x, label)).clamp(0, 1)


def pgd(model, x, label, start, eps, steps, step_size):
    attacked = (x + eps * start).clamp(0, 1)
    for _ in range(steps):
        moved = attacked + step_size * eps * direction(model, attacked, label)
        attacked = (x + (moved - x).clamp(-eps, eps)).clamp(0, 1)
    return attacked


def main(path):
    tensors, metadata = read_safetensors(path)
    eps, steps, step_size = float(metadata["eps"]), int(metadata["steps"]), float(metadata["stepSize"])
    label = torch.from_numpy(tensors["label"].copy()).long()
    results = []
    for name, dtype in [("float32", torch.float32), ("float64", torch.float64)]:
        model = load(under("weights/classifier/", tensors), dtype)
        image, start = (torch.from_numpy(tensors[key].copy()).to(dtype) for key in ("image", "start"))
        found = {"clean": [], "fgsm": [], "pgd": []}
        for begin in range(0, len(label), 250):
            part = slice(begin, begin + 250)
            x, y = image[part], label[part]
            for key, seen in [
                ("clean", x),
                ("fgsm", fgsm(model, x, y, eps)),
                ("pgd", pgd(model, x, y, start[part], eps, steps, step_size)),
            ]:
                with torch.no_grad():
                    found[key] += (model(seen).argmax(1) == y).int().tolist()
        results.append({"dtype": name, **found})
    print(json.dumps(results))


if __name__ == "__main__":
    main(sys.argv[1])
