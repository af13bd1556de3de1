"""The Python side of compare-attacks.ts: FGSM and PGD written out in PyTorch, and Foolbox's, on the same weights and images.

Argument: a safetensors file with the weights of C (`weights/...`), `image`, `label`, `start` (in [-1, 1]), and in its
metadata eps, steps and stepSize, the latter in parts of eps. Prints a JSON list of {side, clean, fgsm, pgd}, each a list
with 1 where the classifier is right; the sides are torch32, torch64 and, where it is installed, foolbox64. Needs torch and
numpy.
"""

import json
import sys

import torch
from compare_pytorch import Classifier, read_safetensors, under
from torch.nn import functional as F

try:
    import eagerpy
    import foolbox
except ModuleNotFoundError:
    foolbox = None


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


def by_hand(model, start, eps, steps, step_size):
    """The attacks above, as functions of a batch, its labels and its place."""
    return {
        "clean": lambda x, y, part: x,
        "fgsm": lambda x, y, part: fgsm(model, x, y, eps),
        "pgd": lambda x, y, part: pgd(model, x, y, start[part], eps, steps, step_size),
    }


def by_foolbox(model, start, eps, steps, step_size):
    """Foolbox's own attacks. Its PGD draws its start; here it is given one, so that each image can be compared."""

    class GivenStart(foolbox.attacks.LinfPGD):
        def get_random_start(self, x0, epsilon):
            return x0 + epsilon * self.given

    seen = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")

    def attacked(attack, x, y):
        return attack.run(seen, x, foolbox.criteria.Misclassification(y), epsilon=eps)

    def walk(x, y, part):
        attack = GivenStart(rel_stepsize=step_size, steps=steps)
        attack.given = eagerpy.astensor(start[part])
        return attacked(attack, x, y)

    return {
        "clean": lambda x, y, part: x,
        "fgsm": lambda x, y, part: attacked(foolbox.attacks.LinfFastGradientAttack(), x, y),
        "pgd": walk,
    }


def main(path):
    tensors, metadata = read_safetensors(path)
    eps, steps, step_size = float(metadata["eps"]), int(metadata["steps"]), float(metadata["stepSize"])
    label = torch.from_numpy(tensors["label"].copy()).long()
    sides = [("torch32", torch.float32, by_hand), ("torch64", torch.float64, by_hand)]
    if foolbox:
        sides.append(("foolbox64", torch.float64, by_foolbox))
    results = []
    for side, dtype, attacks in sides:
        model = load(under("weights/classifier/", tensors), dtype)
        image, start = (torch.from_numpy(tensors[key].copy()).to(dtype) for key in ("image", "start"))
        found = {"clean": [], "fgsm": [], "pgd": []}
        for begin in range(0, len(label), 250):
            part = slice(begin, begin + 250)
            x, y = image[part], label[part]
            for key, attack in attacks(model, start, eps, steps, step_size).items():
                seen = attack(x, y, part)
                with torch.no_grad():
                    found[key] += (model(seen).argmax(1) == y).int().tolist()
        results.append({"side": side, **found})
    print(json.dumps(results))


if __name__ == "__main__":
    main(sys.argv[1])
