"""PyTorch's side of `pnpm bench`: the same networks and optimizer, in a process of its own; see sides.ts.

    torch_peer.py THREADS DEVICE        answers `time JOB BATCH RUNS` and `peak` with lines of JSON
    torch_peer.py THREADS DEVICE compile   the same through torch.compile, all but the optimizer
    torch_peer.py save FILE             writes an attacker's weights
    torch_peer.py first FILE            reads them, attacks one image and says so
"""

import ctypes
import json
import resource
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(1, 16, 5, padding=2), nn.BatchNorm2d(16)
        self.conv2, self.norm2 = nn.Conv2d(16, 32, 5, padding=2), nn.BatchNorm2d(32)
        self.linear = nn.Linear(1568, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        x = F.max_pool2d(F.relu(self.norm2(self.conv2(x))), 2)
        return self.linear(x.flatten(1))


class Attacker(nn.Module):
    def __init__(self, eps):
        super().__init__()
        self.eps = eps
        down = [1, 64, 128, 256, 512]
        up = [(512, 256, 1), (256, 128, 0), (128, 64, 1), (64, 1, 1)]
        self.down = nn.ModuleList(
            nn.Conv2d(a, b, 5, stride=2, padding=2) for a, b in zip(down, down[1:])
        )
        self.down_norm = nn.ModuleList(nn.BatchNorm2d(b) for b in down[2:])
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(a, b, 5, stride=2, padding=2, output_padding=p) for a, b, p in up
        )
        self.up_norm = nn.ModuleList(nn.BatchNorm2d(b) for _, b, _ in up)

    def forward(self, x):
        for i, layer in enumerate(self.down):
            x = layer(x)
            x = F.leaky_relu(self.down_norm[i - 1](x) if i > 0 else x, 0.2)
        for i, (layer, norm) in enumerate(zip(self.up, self.up_norm)):
            x = norm(layer(x))
            x = torch.tanh(x) if i == 3 else F.relu(x)
        return x * self.eps


def jobs(batch, device, compiled):
    faster = torch.compile if compiled else lambda function: function
    torch.manual_seed(0)
    image = torch.rand(batch, 1, 28, 28, device=device)
    label = torch.randint(0, 10, (batch,), device=device)
    classifier, attacker = Classifier().to(device), Attacker(0.16).to(device)
    frozen = Classifier().to(device).eval().requires_grad_(False)
    c_adam = torch.optim.Adam(classifier.parameters(), lr=1e-3)
    a_adam = torch.optim.Adam(attacker.parameters(), lr=1e-3)

    c_loss = faster(lambda: F.cross_entropy(classifier(image), label))
    a_loss = faster(
        lambda: -F.cross_entropy(frozen((image + attacker(image)).clamp(0, 1)), label)
    )

    def c_step():
        loss = c_loss()
        c_adam.zero_grad(set_to_none=True)
        loss.backward()
        c_adam.step()
        return loss

    def a_step():
        loss = a_loss()
        a_adam.zero_grad(set_to_none=True)
        loss.backward()
        a_adam.step()
        return loss

    defended = Classifier().to(device).eval()
    d_adam = torch.optim.Adam(defended.parameters(), lr=1e-3)

    def d_step(eps=0.3, steps=7):
        low, high = (image - eps).clamp(min=0), (image + eps).clamp(max=1)
        x = torch.max(torch.min(image + eps * (2 * torch.rand_like(image) - 1), high), low)
        for _ in range(steps):
            x.requires_grad_(True)
            (slope,) = torch.autograd.grad(F.cross_entropy(defended(x), label), x)
            with torch.no_grad():
                x = torch.max(torch.min(x + eps / 4 * slope.sign(), high), low)
        loss = F.cross_entropy(defended(x.detach()), label)
        d_adam.zero_grad(set_to_none=True)
        loss.backward()
        d_adam.step()
        return loss

    def infer(network):
        network.eval()
        network = faster(network)

        def run():
            with torch.inference_mode():
                return network(image).sum()

        return run

    return {
        "c-step": c_step,
        "a-step": a_step,
        "d-step": d_step,
        "c-infer": infer(frozen),
        "a-infer": infer(Attacker(0.16).to(device)),
    }


def kernel(device):
    """Which library multiplies matrices, with which of its kernels, and how far that is from double precision."""
    if device != "cpu":
        return torch.cuda.get_device_name() if device == "cuda" else device
    if "BLAS_INFO=mkl" in torch.__config__.show():
        name = "MKL"
    else:
        try:
            blas = ctypes.CDLL("libopenblas.so.0")
            blas.openblas_get_corename.restype = ctypes.c_char_p
            name = f"OpenBLAS {blas.openblas_get_corename().decode()}"
        except OSError:
            name = "an unknown BLAS"
    torch.manual_seed(0)
    error = 0.0
    for m, k, n in [(784, 800, 64), (3200, 400, 256), (100, 6400, 512)]:
        a, b = torch.rand(m, k) - 0.5, torch.rand(k, n) - 0.5
        for left in (a, a.t().contiguous().t()):
            exact = a.double() @ b.double()
            error = max(error, ((left @ b).double() - exact).abs().max().item())
    if error > 1e-3:
        sys.exit(f"{name} multiplies wrongly here: off by {error:.1e}; set OPENBLAS_CORETYPE for it")
    return f"{name}, products off by at most {error:.0e}"


def answer(threads, device, compiled):
    torch.set_num_threads(threads)
    say = lambda value: print(json.dumps(value), flush=True)
    open_jobs = {}
    name = f"PyTorch {torch.__version__}" + (", compiled" if compiled else "")
    say({"name": name, "kernel": kernel(device)})
    for line in sys.stdin:
        command, *rest = line.split()
        if command == "peak":
            say(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
            continue
        name, batch, runs = rest[0], int(rest[1]), int(rest[2])
        if batch not in open_jobs:
            open_jobs.clear()
            open_jobs[batch] = jobs(batch, device, compiled)
        times = []
        for _ in range(runs):
            start = time.perf_counter()
            open_jobs[batch][name]().item()  # the value is fetched, so the device has finished
            times.append((time.perf_counter() - start) * 1000)
        say(times)


def first(file):
    attacker = Attacker(0.16)
    attacker.load_state_dict(torch.load(file))
    attacker.eval()
    with torch.inference_mode():
        print(attacker(torch.full((1, 1, 28, 28), 0.5)).sum().item(), flush=True)


if sys.argv[1] == "save":
    torch.save(Attacker(0.16).state_dict(), sys.argv[2])
elif sys.argv[1] == "first":
    first(sys.argv[2])
else:
    answer(int(sys.argv[1]), sys.argv[2], sys.argv[3:] == ["compile"])
