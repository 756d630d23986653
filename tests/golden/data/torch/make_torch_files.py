#!/usr/bin/env python3
"""Writes the files in this folder with torch.save: what tests/unit/lineage/torch_file_test.cc reads.

    python3 make_torch_files.py [FOLDER]       needs torch; the files here are of torch 2.11.0

Every element is a number that the test knows in closed form.
"""
import collections
import os
import sys

import torch


def tensors():
    base = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
    found = collections.OrderedDict(
        plain=base, transposed=base.permute(2, 0, 1), sliced=base[:, 1:, ::2], row=base[1, 2],
        tied=base, scalar=torch.tensor(7.5), empty=torch.zeros(0, 3),
        parameter=torch.nn.Parameter(torch.arange(3, dtype=torch.float32)),
        channels_last=torch.arange(24, dtype=torch.float32).reshape(2, 3, 2, 2).to(
            memory_format=torch.channels_last))
    for name, dtype in (("u8", torch.uint8), ("i8", torch.int8), ("i16", torch.int16),
                        ("i32", torch.int32), ("i64", torch.int64), ("f16", torch.float16),
                        ("bf16", torch.bfloat16), ("f32", torch.float32), ("f64", torch.float64),
                        ("bool", torch.bool)):
        found["type." + name] = torch.arange(5).to(dtype)
    return found


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
    path = lambda name: os.path.join(folder, name)
    torch.manual_seed(1)
    small = {"a": torch.arange(4, dtype=torch.float32), "b": torch.arange(2)}
    for protocol in (2, 3, 4, 5):
        torch.save(tensors(), path("protocol%d.pt" % protocol), pickle_protocol=protocol)
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    torch.save(net.state_dict(), path("module.pt"))
    torch.save({"epoch": 3, "lr": 0.1, "big": 1 << 40, "state_dict": dict(small, step=7),
                "optimizer": {"state": {0: {"exp_avg": torch.zeros(4)}}, "param_groups": []},
                "names": ["a", ("b", None)], "best": True}, path("checkpoint.pt"))
    torch.save({"weights": small, "ema": {"a": torch.ones(4)}}, path("two_dicts.pt"))
    # Refused
    torch.save(net, path("whole_module.pt"))
    torch.save(small, path("before_1_6.pt"), _use_new_zipfile_serialization=False)
    torch.save({"a": torch.zeros(1).expand(1000)}, path("broadcast.pt"))
    torch.save({"a": torch.zeros(2, dtype=torch.complex64)}, path("complex.pt"))
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), path("script.pt"))


if __name__ == "__main__":
    main()
