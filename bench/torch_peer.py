"""PyTorch's side of `pnpm bench`: the same networks and optimizer, one timed job a line on stdin.

Reads lines `JOB BATCH RUNS [DEVICE]`, answers each with one line of JSON: milliseconds of every run.
"""

import json
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


def jobs(batch, device):
    torch.manual_seed(0)
    image = torch.rand(batch, 1, 28, 28, device=device)
    label = torch.randint(0, 10, (batch,), device=device)
    classifier, attacker = Classifier().to(device), Attacker(0.16).to(device)
    frozen = Classifier().to(device).eval().requires_grad_(False)
    c_adam = torch.optim.Adam(classifier.parameters(), lr=1e-3)
    a_adam = torch.optim.Adam(attacker.parameters(), lr=1e-3)

    def c_step():
        loss = F.cross_entropy(classifier(image), label)
        c_adam.zero_grad(set_to_none=True)
        loss.backward()
        c_adam.step()
        return loss

    def a_step():
        attacked = (image + attacker(image)).clamp(0, 1)
        loss = -F.cross_entropy(frozen(attacked), label)
        a_adam.zero_grad(set_to_none=True)
        loss.backward()
        a_adam.step()
        return loss

    def infer(network):
        network.eval()

        def run():
            with torch.inference_mode():
                return network(image).sum()

        return run

    return {
        "c-step": c_step,
        "a-step": a_step,
        "c-infer": infer(frozen),
        "a-infer": infer(Attacker(0.16).to(device)),
    }


def main():
    torch.set_num_threads(int(sys.argv[1]))
    cache = {}
    print(json.dumps({"version": torch.__version__, "cuda": torch.cuda.is_available()}), flush=True)
    for line in sys.stdin:
        name, batch, runs, *rest = line.split()
        device = rest[0] if rest else "cpu"
        key = (int(batch), device)
        if key not in cache:
            cache.clear()
            cache[key] = jobs(*key)
        job = cache[key][name]
        times = []
        for _ in range(int(runs)):
            start = time.perf_counter()
            job().item()  # the value is fetched, so the device has finished
            times.append((time.perf_counter() - start) * 1000)
        print(json.dumps(times), flush=True)


main()
