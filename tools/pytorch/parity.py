#!/usr/bin/env python3
"""Compares a network of Stemma's with the same one in Python: output, gradients, statistics.

    stemma-engine sample MODEL SAMPLE.pt --gradients
    parity.py MODEL SAMPLE.pt

Prints the largest difference of each kind, as a share of the largest number: of the tensor for
outputs and statistics, of its block's tensors for gradients (a bias before a batch norm has a
gradient of zero, as has the one weight of AI-GW's first convolution, and rounding is all there is
of it). The last line is the largest of all.
"""

import importlib
import pathlib
import sys

import torch

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
DROPOUT_SEED = 7  # models/sample/sample.h


def under(sample, prefix):
    return {name[len(prefix):]: t for name, t in sample.items() if name.startswith(prefix)}


def compare(found, wanted, group):
    """(largest share, name of the tensor); tensors with the same group share a scale."""
    if set(found) != set(wanted):
        raise SystemExit("other names: %s" % sorted(set(found) ^ set(wanted))[:8])
    scales = {}
    for name, tensor in wanted.items():
        largest = float(tensor.abs().max())
        scales[group(name)] = max(largest, scales.get(group(name), 0.0))
    worst = (0.0, "")
    for name, tensor in wanted.items():
        if found[name].dtype != tensor.dtype or found[name].shape != tensor.shape:
            raise SystemExit("%s has another type or shape" % name)
        error = float((found[name] - tensor).abs().max())
        if error != error:
            raise SystemExit("%s is not a number" % name)
        share = error / scales[group(name)] if error > 0 else 0.0
        worst = max(worst, (share, name))
    return worst


def run(model, sample):
    """Yields (what, found, wanted, group)."""
    weights = under(sample, "weight/")
    network = importlib.import_module(model).make_network(weights).to(sample["input"].dtype)
    network.load_state_dict(weights)
    itself = lambda name: name
    network.eval()
    with torch.no_grad():
        yield "output", {"": network(sample["input"])}, {"": sample["output"]}, itself
    network.train()
    torch.manual_seed(DROPOUT_SEED)
    images = sample["input"].clone().requires_grad_(True)
    output = network(images)
    yield "training output", {"": output.detach()}, {"": sample["output.train"]}, itself
    output.backward(sample["cotangent"])
    gradients = {name: p.grad for name, p in network.named_parameters()}
    gradients["input"] = images.grad
    yield ("gradients", gradients, under(sample, "gradient/"),
           lambda name: name.partition(".")[0])
    yield "statistics", dict(network.named_buffers()), under(sample, "after/"), itself


def main():
    model, path = sys.argv[1:]
    torch.set_num_threads(2)
    worst = 0.0
    for what, found, wanted, group in run(model, torch.load(path)):
        share, name = compare(found, wanted, group)
        print("%-16s %.3e  of %d tensors%s" % (what, share, len(wanted), name and ", " + name))
        worst = max(worst, share)
    print("worst %.6e" % worst)


if __name__ == "__main__":
    main()
