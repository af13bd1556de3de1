"""A universal perturbation by stochastic gradient steps (Shafahi et al. 2020, Universal Adversarial Training, algorithm 2).

    delta <- clip(delta + step * sign(mean over the batch of the gradient of min(cross-entropy, beta)), -eps, eps)

Called by universal.ts with a folder and eps; needs onnxruntime and numpy. Prints the fooling rate on the test images.
"""

import json
import sys

import numpy as np
import onnxruntime as ort

folder, eps, epochs, batch, threads = sys.argv[1], *map(float, sys.argv[2:6])
beta, decay = 9.0, 0.8
options = ort.SessionOptions()
options.intra_op_num_threads = int(threads)
session = ort.InferenceSession(f"{folder}/gradient.onnx", options)
load = lambda name: np.load(f"{folder}/{name}.npy")
images, labels = load("train-images"), load("train-labels")
test = load("test-images")

delta = np.zeros(images.shape[1:], np.float32)
random = np.random.default_rng(1)
batch = int(batch)
for epoch in range(int(epochs)):
    step = eps * decay ** (epoch + 1)
    order = random.permutation(len(images))
    for at in range(0, len(order) - batch + 1, batch):
        some = order[at : at + batch]
        feeds = {"image": np.clip(images[some] + delta, 0, 1), "label": labels[some]}
        loss, gradient = session.run(["loss", "gradient"], feeds)
        mean = gradient[loss < beta].sum(axis=0) / batch
        delta = np.clip(delta + step * np.sign(mean), -eps, eps).astype(np.float32)


def answers(of):
    zeros = np.zeros(len(of), np.int32)
    return session.run(["logits"], {"image": of, "label": zeros})[0].argmax(axis=1)


fooled = answers(np.clip(test + delta, 0, 1)) != answers(test)
print(json.dumps({"fooling": float(fooled.mean()), "largest": float(np.abs(delta).max())}))
