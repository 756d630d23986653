"""Steps of timm's Lamb and of torch's fused AdamW, one thread, one for each line of the input.

The first line is the JSON that `optim_bench serve` prints: the tensors, and which of them have a
weight decay. Then "timm" or "adamw" is answered with the seconds of one step.
"""

import importlib
import importlib.util
import json
import pathlib
import sys
import time
import types

import torch


def timm_lamb():
    """timm's Lamb as it is. The package's own start wants torchvision, which no optimizer needs, so
    its folders are made known without it."""
    spec = importlib.util.find_spec("timm")
    folder = pathlib.Path(list(spec.submodule_search_locations)[0])
    for name, path in (("timm", folder), ("timm.optim", folder / "optim")):
        package = types.ModuleType(name)
        package.__path__ = [str(path)]
        sys.modules[name] = package
    return importlib.import_module("timm.optim.lamb").Lamb


def groups(tensors):
    """Parameters with gradients: those with decay, and those without."""
    made = {True: [], False: []}
    for shape, decayed in zip(tensors["shapes"], tensors["decayed"]):
        parameter = torch.full(shape, 0.01, requires_grad=True)
        parameter.grad = torch.full(shape, 0.001)
        made[decayed].append(parameter)
    return [{"params": made[True], "weight_decay": 0.01},
            {"params": made[False], "weight_decay": 0.0}]


def main():
    torch.set_num_threads(1)
    tensors = json.loads(sys.stdin.readline())
    optimizers = {
        "timm": timm_lamb()(groups(tensors), lr=1e-3, betas=(0.9, 0.999), eps=1e-6,
                            max_grad_norm=1.0),
        "adamw": torch.optim.AdamW(groups(tensors), lr=1e-3, betas=(0.9, 0.999), eps=1e-6,
                                   fused=True),
    }
    print("ready", flush=True)
    for line in sys.stdin:
        begin = time.perf_counter()
        optimizers[line.strip()].step()
        print("%.9g" % (time.perf_counter() - begin), flush=True)


if __name__ == "__main__":
    main()
