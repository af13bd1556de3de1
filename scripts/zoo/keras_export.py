"""python keras_export.py FOLDER [--only TEXT]: classifiers of Keras as ONNX files, by Keras' own export through tf2onnx.

Images are [H,W,C]. FOLDER/NAME@keras/ gets the files that export.py writes too, and the float64 gradient is that of the
same network built in float64 with the same weights. Needs tensorflow, tf2onnx and onnxruntime.
"""

import argparse
import json
import os
import pathlib
import time

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}

import keras
import numpy
import onnxruntime
import tensorflow
from keras import applications, layers

classes = 10


def digits():
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(16, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(classes, activation="softmax"),
        ]
    )


def separable():
    """Depthwise convolutions, GroupNorm, and pixels in 0..255 behind a Rescaling."""
    image = keras.Input((32, 32, 3))
    x = layers.Rescaling(2.0, offset=-1)(image)
    for width in (16, 32, 48):
        x = layers.SeparableConv2D(width, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.GroupNormalization(4)(x)
        x = layers.Activation("swish")(x)
    return keras.Model(image, layers.Dense(classes)(layers.GlobalAveragePooling2D()(x)))


def attention(width=32):
    image = keras.Input((32, 32, 3))
    x = layers.Reshape((16, width))(layers.Conv2D(width, 8, 8)(image))
    x = layers.Add()([x, layers.MultiHeadAttention(2, width // 2)(x, x)])
    x = layers.LayerNormalization()(x)
    x = layers.Add()([x, layers.Dense(width)(layers.Dense(2 * width, activation="relu")(x))])
    return keras.Model(image, layers.Dense(classes)(layers.GlobalMaxPooling1D()(x)))


def of(name, size=32, **settings):
    given = dict(weights=None, classes=classes, classifier_activation=None, input_shape=(size, size, 3)) | settings
    return lambda: getattr(applications, name)(**given)


networks = {
    "digits": digits,
    "separable": separable,
    "attention": attention,
    "MobileNet": of("MobileNet", alpha=0.25),
    "MobileNetV2": of("MobileNetV2", alpha=0.5),
    "MobileNetV3Large": of("MobileNetV3Large", classifier_activation="softmax"),
    "NASNetMobile": of("NASNetMobile"),
    "DenseNet121": of("DenseNet121"),
    "ResNet50V2": of("ResNet50V2"),
    "ResNet50": of("ResNet50", classifier_activation="softmax"),
    "EfficientNetV2B0": of("EfficientNetV2B0"),
    "ConvNeXtTiny": of("ConvNeXtTiny"),
    "Xception": of("Xception", 71),
    "InceptionV3": of("InceptionV3", 75),
    "VGG16": of("VGG16"),
}


def images(count, shape):
    random = numpy.random.default_rng(7)
    coarse = random.random((count, 4, 4, shape[2]))
    noisy = tensorflow.image.resize(coarse, shape[:2]).numpy() + 0.1 * random.standard_normal((count, *shape))
    return noisy.clip(0, 1).astype("float32")


def gradient(network, x, labels):
    x = tensorflow.convert_to_tensor(x)
    with tensorflow.GradientTape() as tape:
        tape.watch(x)
        # Keras takes the logits where a softmax made the probabilities
        last = network(x, training=False)
        softmax = getattr(network.layers[-1], "activation", None) is keras.activations.softmax
        each = keras.losses.sparse_categorical_crossentropy(labels, last, from_logits=not softmax)
        loss = tensorflow.reduce_sum(each)
    return tape.gradient(loss, x).numpy()


def in_float64(make, weights):
    keras.config.set_dtype_policy("float64")
    try:
        network = make()
        network.set_weights([w.astype("float64") for w in weights])
        return network
    finally:
        keras.config.set_dtype_policy("float32")


def settle(network, shape):
    """Statistics of batch norms from images, instead of 0 and 1, and a head whose logits differ."""
    if any(isinstance(layer, layers.BatchNormalization) for layer in network.layers):
        for layer in network.layers:
            if isinstance(layer, layers.BatchNormalization):
                layer.momentum = 0.0
        network(images(32, shape), training=True)  # dropout is on, which does no harm
    head = [layer for layer in network.layers if isinstance(layer, (layers.Dense, layers.Conv2D))][-1]
    features = keras.Model(network.inputs[0], head.input)(images(24, shape), training=False).numpy()
    logits = features.reshape(len(features), -1) @ head.kernel.numpy().reshape(-1, classes) + head.bias.numpy()
    factor = 3 / max((logits - logits.mean(0)).std(0).mean(), 1e-9)
    head.kernel.assign(head.kernel * factor)
    head.bias.assign((head.bias - logits.mean(0)) * factor)


def export(folder, name):
    keras.utils.set_random_seed(1)
    network = networks[name]()
    shape = network.input_shape[1:]
    settle(network, shape)
    x = images(4, shape)
    last = network(x, training=False).numpy()
    labels = last.argmax(1)
    out = folder / f"keras-{name}@keras"
    out.mkdir(parents=True, exist_ok=True)
    network.export(out / "model.onnx", format="onnx", verbose=False)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(out / "model.onnx"), options)
    (own,) = session.run(None, {session.get_inputs()[0].name: x})
    exact = in_float64(networks[name], network.get_weights())
    arrays = {
        "x.f32": x,
        "g32.f32": gradient(network, x, labels).astype("float32"),
        "g64.f64": gradient(exact, x.astype("float64"), labels),
    }
    for file, array in arrays.items():
        array.tofile(out / file)
    meta = {
        "name": f"keras-{name}",
        "exporter": "keras",
        "shape": list(shape),
        "n": len(x),
        "labels": labels.tolist(),
        "params": network.count_params(),
        "difference": float(abs(own - last).max() / abs(last).max()),
    }
    (out / "meta.json").write_text(json.dumps(meta))


parser = argparse.ArgumentParser()
parser.add_argument("folder", type=pathlib.Path)
parser.add_argument("--only", default="", help="networks whose name contains it")
arguments = parser.parse_args()
tensorflow.config.threading.set_intra_op_parallelism_threads(1)
for name in networks:
    if arguments.only in name and not (arguments.folder / f"keras-{name}@keras" / "meta.json").exists():
        begun = time.time()
        keras.backend.clear_session()
        try:
            export(arguments.folder, name)
            print(f"keras-{name}: {time.time() - begun:.1f} s", flush=True)
        except Exception as failure:  # the converter fails in many ways; the file is then no case
            (arguments.folder / f"keras-{name}@keras" / "model.onnx").unlink(missing_ok=True)
            print(f"keras-{name}: not exported: {str(failure).strip().splitlines()[0][:200]}", flush=True)
