"""Checks ONNX files with the official checker: for each argument its fault, or null, as a JSON list.

Needs the package onnx.
"""

import json
import sys

import onnx


def fault(path):
    """What is wrong with a model: not well formed, or types and shapes that do not follow from its inputs."""
    try:
        onnx.checker.check_model(onnx.load(path), full_check=True)
    except Exception as error:  # whatever the checker throws is its answer
        return str(error).strip() or type(error).__name__
    return None


print(json.dumps([fault(path) for path in sys.argv[1:]]))
