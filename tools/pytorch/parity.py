#!/usr/bin/env python3
"""Compares a network of Stemma's with the same one in Python: output, gradients, statistics.

    stemma-engine sample MODEL SAMPLE.pt --gradients
    parity.py MODEL SAMPLE.pt

Prints the largest difference of each kind, as a share of the largest number: of the tensor for
outputs and statistics, of its block's tensors for gradients (a bias before a batch norm has a
gradient of zero, as has the one weight of AI-GW's first convolution, and rounding is all there is
of it). "worst" is the largest of all.

Of a sample in f32 it also computes all of it in f64, and prints how far Stemma and how far PyTorch
are from that: root mean squares, as shares of each block's. Where PyTorch's own f32 is as wrong,
the sample and not an implementation decides how large a difference is. The last line, "rounding",
is the largest of Stemma's by PyTorch's.
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


def errors(found, reference, group):
    """Root mean square over the groups of |found - reference| / |reference|."""
    sums = {}
    for name, tensor in reference.items():
        wrong, whole = sums.get(group(name), (0.0, 0.0))
        difference = found[name].double() - tensor.double()
        sums[group(name)] = (wrong + float((difference ** 2).sum()),
                             whole + float((tensor.double() ** 2).sum()))
    shares = [wrong / whole for wrong, whole in sums.values() if whole > 0]
    return (sum(shares) / len(shares)) ** 0.5


def run(model, sample, dtype):
    """{what: (found, wanted, group)}"""
    as_dtype = lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor
    weights = {name: as_dtype(t) for name, t in under(sample, "weight/").items()}
    network = importlib.import_module(model).make_network(weights).to(dtype)
    network.load_state_dict(weights)
    itself = lambda name: name
    network.eval()
    with torch.no_grad():
        output = network(as_dtype(sample["input"]))
    results = {"output": ({"": output}, {"": sample["output"]}, itself)}
    network.train()
    torch.manual_seed(DROPOUT_SEED)
    images = as_dtype(sample["input"]).clone().requires_grad_(True)
    output = network(images)
    results["training output"] = ({"": output.detach()}, {"": sample["output.train"]}, itself)
    output.backward(as_dtype(sample["cotangent"]))
    gradients = {name: p.grad for name, p in network.named_parameters()}
    gradients["input"] = images.grad
    results["gradients"] = (gradients, under(sample, "gradient/"),
                            lambda name: name.partition(".")[0])
    results["statistics"] = (dict(network.named_buffers()), under(sample, "after/"), itself)
    return results


def compare_all(results):
    worst = 0.0
    for what, (found, wanted, group) in results.items():
        share, name = compare(found, wanted, group)
        print("%-16s %.3e  of %d tensors%s" % (what, share, len(wanted), name and ", " + name))
        worst = max(worst, share)
    print("worst %.6e" % worst)


def compare_rounding(in_f32, in_f64):
    worst = 0.0
    for what, (theirs, ours, group) in in_f32.items():
        reference = in_f64[what][0]
        our_error, their_error = (errors(f, reference, group) for f in (ours, theirs))
        ratio = our_error / their_error if their_error > 0 else 1.0 if our_error == 0 else 1e9
        print("%-16s %.3e from f64, PyTorch %.3e: %.3f times" % (what, our_error, their_error,
                                                                ratio))
        worst = max(worst, ratio)
    print("rounding %.6e" % worst)


def main():
    model, path = sys.argv[1:]
    torch.set_num_threads(2)
    sample = torch.load(path)
    dtype = sample["input"].dtype
    results = run(model, sample, dtype)
    compare_all(results)
    if dtype == torch.float32:
        compare_rounding(results, run(model, sample, torch.float64))


if __name__ == "__main__":
    main()
