"""What keeping a state costs with PyTorch's own means, on the state that ours keeps: ResNet-50's
parameters and two moments of each, 307 MB. Runs inside the peers' own Python.

  peer_saves.py dcp FOLDER    torch.distributed.checkpoint.async_save, one process per rank under
                              mpirun, on Gloo: how long training stands still for each
  peer_saves.py save FOLDER   torch.save and fsync of file and folder, one process

`dcp` alternates its two ways to copy the state: in the call, and in a thread that must have
finished before the optimizer's step (then the wait there counts too). Waiting for the write of the
state before is not counted, as it is no wait where states are far enough apart. Rank 0 prints one
JSON object.
"""

import argparse
import json
import os
import pathlib
import shutil
import time

import torch

import peer_loops


def state_of(model):
    state = {"model": dict(model.state_dict())}
    for slot in ("m", "v"):
        state[slot] = {name: torch.rand_like(p.detach()) for name, p in model.named_parameters()}
    return state


def bytes_of(state):
    return sum(t.numel() * t.element_size() for part in state.values() for t in part.values())


def dcp(options):
    dist = peer_loops.start_gloo(options.rendezvous)
    import torch.distributed.checkpoint as checkpoint
    from torch.distributed.checkpoint.staging import DefaultStager, StagingOptions
    group = dist.new_group(backend="gloo")  # of the saving thread's own calls
    loop = peer_loops.Loop("plain", options)
    state = state_of(loop.model)
    in_a_thread = StagingOptions(use_pinned_memory=False, use_shared_memory=False,
                                 use_async_staging=True, use_non_blocking_copy=False)
    # A stager is good for one save: staging closes it, and it fails when it is used again.
    ways = {"in the call": lambda: {},
            "in a thread": lambda: {"async_stager": DefaultStager(in_a_thread)}}
    stalls = {name: [] for name in ways}
    for number in range(2 * (options.saves + 1)):
        name = list(ways)[number % 2]
        path = pathlib.Path(options.folder) / ("dcp-%d" % number)
        dist.barrier()
        begin = time.perf_counter()
        answer = checkpoint.async_save(state, checkpoint_id=str(path), process_group=group,
                                       **ways[name]())
        stalled = [time.perf_counter() - begin]
        staged = getattr(answer, "staging_completion", None)

        def before_update():
            begin = time.perf_counter()
            if staged is not None:
                staged.result()
            stalled.append(time.perf_counter() - begin)

        loop.step(before_update)
        for _ in range(options.every - 1):
            loop.step()
        getattr(answer, "upload_completion", answer).result()
        if number >= len(ways):  # the first of each way is warm-up
            stalls[name].append(1e3 * sum(stalled))
        dist.barrier()
        if peer_loops.RANK == 0:
            shutil.rmtree(str(path))
    result = {"bytes": bytes_of(state)}
    for name, each in stalls.items():
        slowest = torch.tensor(each, dtype=torch.float64)
        dist.all_reduce(slowest, dist.ReduceOp.MAX)
        result[name] = slowest.tolist()
    if peer_loops.RANK == 0:
        print(json.dumps(result))
    dist.destroy_process_group()


def save(options):
    state = state_of(peer_loops.ResNet50())
    path = pathlib.Path(options.folder) / "state.pt"
    seconds = []
    for _ in range(options.saves + 1):
        begin = time.perf_counter()
        with open(str(path), "wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        folder = os.open(options.folder, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
        seconds.append(time.perf_counter() - begin)
        path.unlink()
    print(json.dumps({"bytes": bytes_of(state), "seconds": seconds[1:]}))  # the first is warm-up


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("dcp", "save"))
    parser.add_argument("folder")
    for name, default in (("saves", 6), ("every", 3), ("batch", 8), ("size", 64)):
        parser.add_argument("--" + name, type=int, default=default)
    parser.add_argument("--model", default="resnet50", choices=("resnet50",))
    parser.add_argument("--rendezvous", help="a file that is not there yet, for Gloo")
    options = parser.parse_args()
    torch.set_num_threads(1)
    {"dcp": dcp, "save": save}[options.what](options)


if __name__ == "__main__":
    main()
