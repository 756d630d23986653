"""What the engine is compared with, as its users run it: PyTorch DDP on Gloo, Horovod on MPI, and
Gloo's all-reduce. Runs inside the peers' own Python, one process per rank, under mpirun.

  peer_loops.py train ddp|horovod MODEL [--batch N --size S --iters N --steps N --warmup N]
  peer_loops.py comm [--sizes BYTES,... --rounds N]

`train` alternates, iteration by iteration in one process, the same loop without communication
("plain") and with it; for DDP with each of its bucket sizes, gradients as views of the buckets or
not. Times are those of the slowest rank of each step. Rank 0 prints one JSON object.
"""

import argparse
import json
import os
import statistics
import time

import torch
import torch.nn.functional as F

RANK = int(os.environ.get("OMPI_COMM_WORLD_RANK", 0))
RANKS = int(os.environ.get("OMPI_COMM_WORLD_SIZE", 1))


class Bottleneck(torch.nn.Module):
    def __init__(self, inputs, width, stride, down):
        super().__init__()
        conv, norm, out = torch.nn.Conv2d, torch.nn.BatchNorm2d, 4 * width
        self.conv1, self.bn1 = conv(inputs, width, 1, bias=False), norm(width)
        self.conv2 = conv(width, width, 3, stride, 1, bias=False)
        self.bn2 = norm(width)
        self.conv3, self.bn3 = conv(width, out, 1, bias=False), norm(out)
        self.downsample = torch.nn.Sequential(
            conv(inputs, out, 1, stride, bias=False), norm(out)) if down else None

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        y += x if self.downsample is None else self.downsample(x)
        return F.relu(y, inplace=True)


class ResNet50(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(64)
        blocks, inputs = [], 64
        for stage, count in enumerate((3, 4, 6, 3)):
            for block in range(count):
                stride = 2 if stage > 0 and block == 0 else 1
                blocks.append(Bottleneck(inputs, 64 << stage, stride, block == 0))
                inputs = 256 << stage
        self.blocks = torch.nn.Sequential(*blocks)
        self.fc = torch.nn.Linear(2048, 1000)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x)), inplace=True), 3, 2, 1)
        return self.fc(F.adaptive_avg_pool2d(self.blocks(x), 1).flatten(1))


class Mlp(torch.nn.Module):
    def __init__(self):
        super().__init__()
        widths = (1024, 3072, 3072, 3072, 1024)
        self.layers = torch.nn.ModuleList(
            torch.nn.Linear(a, b) for a, b in zip(widths, widths[1:]))

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = F.relu(layer(x), inplace=True)
        return self.layers[-1](x)


class Tiny(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.ParameterList(
            torch.nn.Parameter(0.2 * torch.rand(1024) - 0.1) for _ in range(1000))

    def forward(self, x):
        for w in self.w:
            x = torch.addcmul(x, x, w, value=1e-3)
        return x


PARAMETERS = {"resnet50": 25557032, "mlp": 25176064, "tiny": 1024000}


class Loop:
    """The model, its one batch, and a step of training as everybody writes it."""

    def __init__(self, name, options, wrap=None, optimizer=None):
        torch.manual_seed(1)
        self.name = name
        model = {"resnet50": ResNet50, "mlp": Mlp, "tiny": Tiny}[options.model]()
        assert sum(p.numel() for p in model.parameters()) == PARAMETERS[options.model]
        torch.manual_seed(100 + RANK)
        images = options.model == "resnet50"
        size = (3, options.size, options.size) if images else (1024,)
        self.x = 2 * torch.rand(options.batch, *size) - 1
        self.y = torch.randint(1000, (options.batch,)) if options.model != "tiny" else None
        self.model = wrap(model) if wrap else model
        sgd = torch.optim.SGD(model.parameters(), lr=0.01 * RANKS)
        self.optimizer = optimizer(sgd, model) if optimizer else sgd
        self.steps = []

    def step(self, before_update=None):
        self.optimizer.zero_grad()
        out = self.model(self.x)
        loss = F.cross_entropy(out, self.y) if self.y is not None else (
            out.square().sum() * (0.5 / len(self.x)))
        loss.backward()
        if before_update:
            before_update()
        self.optimizer.step()


def measure(loops, options, barrier):
    """Fills the loops' `steps`."""
    for loop in loops:
        for _ in range(options.warmup):
            loop.step()
    for k in range(options.iters):
        for loop in loops if k % 2 == 0 else loops[::-1]:
            barrier()
            for _ in range(options.steps):
                begin = time.perf_counter()
                loop.step()
                loop.steps.append(time.perf_counter() - begin)


def report(loops, options, slowest):
    result = {}
    for loop in loops:
        steps = slowest(torch.tensor(loop.steps, dtype=torch.float64)).tolist()
        each = [1e3 * statistics.mean(steps[i:i + options.steps])
                for i in range(0, len(steps), options.steps)]
        result[loop.name] = {"step_ms": 1e3 * statistics.median(steps), "iterations_ms": each}
    if RANK == 0:
        print(json.dumps(result))


def start_gloo(rendezvous):
    import torch.distributed as dist
    dist.init_process_group("gloo", init_method="file://" + rendezvous, rank=RANK,
                            world_size=RANKS)
    return dist


def train_ddp(options):
    dist = start_gloo(options.rendezvous)
    from torch.nn.parallel import DistributedDataParallel
    loops = [Loop("plain", options)]
    for cap in (1, 4, 25):
        for view in (True, False):
            loops.append(Loop("ddp %d MB%s" % (cap, ", views" if view else ""), options,
                              wrap=lambda m, c=cap, v=view: DistributedDataParallel(
                                  m, bucket_cap_mb=c, gradient_as_bucket_view=v)))

    def slowest(values):
        dist.all_reduce(values, dist.ReduceOp.MAX)
        return values

    measure(loops, options, dist.barrier)
    report(loops, options, slowest)
    dist.destroy_process_group()


def train_horovod(options):
    import horovod.torch as hvd
    hvd.init()

    def distributed(sgd, model):
        hvd.broadcast_parameters(model.state_dict(), root_rank=0)
        return hvd.DistributedOptimizer(sgd, named_parameters=model.named_parameters())

    loops = [Loop("plain", options), Loop("horovod", options, optimizer=distributed)]
    measure(loops, options, hvd.barrier)
    report(loops, options, lambda values: hvd.allgather(values[None]).max(0).values)
    hvd.shutdown()


def comm(options):
    dist = start_gloo(options.rendezvous)
    result = {}
    for size in map(int, options.sizes.split(",")):
        x = torch.empty(size // 4)
        pattern = torch.arange(size // 4, dtype=torch.float32).remainder_(8).add_(1)
        seconds = []
        for _ in range(options.rounds + 1):  # the first is warm-up
            for _ in range(3):
                torch.mul(pattern, RANK + 1, out=x)
                dist.barrier()
                begin = time.perf_counter()
                dist.all_reduce(x)
                seconds.append(time.perf_counter() - begin)
        assert torch.equal(x, pattern * (RANKS * (RANKS + 1) // 2)), "Gloo's sum is wrong"
        times = torch.tensor(seconds[3:], dtype=torch.float64)
        dist.all_reduce(times, dist.ReduceOp.MAX)
        result[size] = {"median_us": 1e6 * times.median().item(),
                        "best_us": 1e6 * times.min().item()}
    if RANK == 0:
        print(json.dumps(result))
    dist.destroy_process_group()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    train = verbs.add_parser("train")
    train.add_argument("peer", choices=("ddp", "horovod"))
    train.add_argument("model", choices=sorted(PARAMETERS))
    for name, default in (("batch", 32), ("size", 64), ("iters", 5), ("steps", 5), ("warmup", 5)):
        train.add_argument("--" + name, type=int, default=default)
    gloo = verbs.add_parser("comm")
    gloo.add_argument("--sizes", default=str(64 << 20))
    gloo.add_argument("--rounds", type=int, default=5)
    for verb in (train, gloo):
        verb.add_argument("--rendezvous", help="a file that is not there yet, for Gloo")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.verb == "comm":
        comm(options)
    elif options.peer == "ddp":
        train_ddp(options)
    else:
        train_horovod(options)


if __name__ == "__main__":
    main()
