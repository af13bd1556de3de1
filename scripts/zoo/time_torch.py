"""The PyTorch side of `zoo.ts --time`: reads what meta.json holds, a line a network, and answers with milliseconds.

Arguments: wall or processor, threads, how long to time in milliseconds, the least number of runs, batches. A run is a forward pass and the
gradient of the sum of the cross-entropies in the images. The answer is {"ms": [the median of each batch]}.
"""

import json
import sys
import time

import torch
from torch.nn import functional as F

threads, milliseconds, least, *batches = map(int, sys.argv[2:])
clock = time.perf_counter if sys.argv[1] == "wall" else time.process_time
torch.set_num_threads(threads)


def run(network, x, labels):
    x = x.detach().requires_grad_()
    torch.autograd.grad(F.cross_entropy(network(x), labels, reduction="sum"), x)


def median(network, x, labels):
    run(network, x, labels)
    runs, end = [], time.perf_counter() + milliseconds / 1000
    while len(runs) < least or time.perf_counter() < end:
        begun = clock()
        run(network, x, labels)
        runs.append(1000 * (clock() - begun))
    return sorted(runs)[len(runs) // 2]


for line in sys.stdin:
    meta = json.loads(line)
    network = torch.load(meta["pt"], weights_only=False).eval()
    n = meta["n"]
    images = torch.frombuffer(bytearray(open(meta["x"], "rb").read()), dtype=torch.float32).view(n, *meta["shape"])
    labels = torch.tensor(meta["labels"])
    ms = []
    for batch in batches:
        order = torch.arange(batch) % n
        ms.append(median(network, images[order].contiguous(), labels[order]))
    print(json.dumps({"ms": ms}), flush=True)
