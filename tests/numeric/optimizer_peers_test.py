"""Random models, gradients and options: ours against torch's AdamW and SGD and timm's Lamb.

  optimizer_peers_test.py OPTIMIZER_STEPS [SEED]

Not part of the usual tests: torch's Python and timm are installed into the peers' cache
($STEMMA_PEERS, else ~/.cache/stemma/peers) when they are not there. Each case is a draw of shapes,
roles, values, gradients, learning rate, decay, betas and the variant's own options; 20 steps in
double must agree to 1e-11 and in float to 3e-6 of the largest parameter.
"""

import json
import os
import pathlib
import random
import subprocess
import sys

sys.dont_write_bytecode = True
BENCH = pathlib.Path(__file__).resolve().parent.parent.parent / "tools/bench"
sys.path.insert(0, str(BENCH))
CASES, STEPS = 60, 20
BARS = {"f64": 1e-11, "f32": 3e-6}


def draw_model(rng):
    tensors = []
    for i in range(rng.randint(1, 6)):
        shape = [rng.randint(1, 40) for _ in range(rng.randint(1, 3))]
        role = rng.choice(["weight", "weight", "bias", "norm_scale"])
        count = 1
        for size in shape:
            count *= size
        values = [rng.gauss(0, 0.5) for _ in range(count)]
        if rng.random() < 0.1:
            values = [0.0] * count  # the zero-norm rule
        tensors.append({"name": "t%d" % i, "role": role, "shape": shape, "values": values})
    return tensors


def draw_case(rng):
    """(what the peer is made of, our settings)"""
    lr, decay = 10 ** rng.uniform(-4, -1), rng.choice([0.0, 10 ** rng.uniform(-4, 0)])
    betas = (rng.uniform(0.5, 0.95), rng.uniform(0.9, 0.9999))
    eps = 10 ** rng.uniform(-8, -4)
    ours = ["optim.lr=%r" % lr, "optim.weight_decay=%r" % decay, "optim.eps=%r" % eps]
    kind = rng.choice(["adamw", "sgd", "lamb", "lamb", "lamb"])
    if kind != "sgd":
        ours += ["optim.beta1=%r" % betas[0], "optim.beta2=%r" % betas[1]]
    peer = {"kind": kind, "decay": decay}
    if kind == "adamw":
        peer["arguments"] = {"lr": lr, "betas": betas, "eps": eps}
        return peer, ours + ["optim.name=adamw"]
    if kind == "sgd":
        momentum = rng.choice([0.0, 0.9])
        nesterov = momentum > 0 and rng.random() < 0.5
        peer["arguments"] = {"lr": lr, "momentum": momentum, "nesterov": nesterov}
        return peer, ours + ["optim.name=sgd", "optim.momentum=%r" % momentum,
                             "optim.nesterov=" + str(nesterov).lower()]
    clip, averaging = rng.choice([0.0, 0.1, 1.0]), rng.random() < 0.7
    correction, decoupled = rng.random() < 0.7, rng.random() < 0.3
    trust_clip, every = rng.random() < 0.3, rng.random() < 0.3
    peer["arguments"] = {
        "lr": lr, "betas": betas, "eps": eps, "max_grad_norm": clip or None,
        "grad_averaging": averaging, "bias_correction": correction, "trust_clip": trust_clip,
        "decoupled_decay": decoupled, "always_adapt": every}
    return peer, ours + [
        "optim.preset=" + ("timm-clip" if trust_clip else "timm"),
        "optim.max_grad_norm=%r" % clip, "optim.grad_averaging=" + str(averaging).lower(),
        "optim.bias_correction=" + ("moments" if correction else "none"),
        "optim.decay=" + ("decoupled" if decoupled else "in_update"),
        "optim.adapt=" + ("all" if every else "decayed")]


def of_peer(torch, makers, peer, tensors, steps, dtype):
    kind = torch.float64 if dtype == "f64" else torch.float32
    parameters = [torch.tensor(t["values"], dtype=kind).view(t["shape"]).requires_grad_(True)
                  for t in tensors]
    decayed = [p for p, t in zip(parameters, tensors) if t["role"] == "weight"]
    others = [p for p, t in zip(parameters, tensors) if t["role"] != "weight"]
    groups = [{"params": group, "weight_decay": decay}
              for group, decay in ((decayed, peer["decay"]), (others, 0.0)) if group]
    optimizer = makers[peer["kind"]](groups, **peer["arguments"])
    for gradients in steps:
        for p, g in zip(parameters, gradients):
            p.grad = torch.tensor(g, dtype=kind).view(p.shape)
        optimizer.step()
    return [p.detach().double().flatten().tolist() for p in parameters]


def compare(program, seed):
    import torch
    import peer_optim
    torch.set_num_threads(1)
    makers = {"adamw": torch.optim.AdamW, "sgd": torch.optim.SGD, "lamb": peer_optim.timm_lamb()}
    worst = {}
    for case in range(CASES):
        rng = random.Random("%d.%d" % (seed, case))
        tensors = draw_model(rng)
        peer, settings = draw_case(rng)
        scale = 10 ** rng.uniform(-3, 1)
        steps = [[[rng.gauss(0, scale) for _ in t["values"]] for t in tensors]
                 for _ in range(STEPS)]
        for dtype, bar in BARS.items():
            text = json.dumps({"settings": settings, "dtype": dtype, "tensors": tensors,
                               "steps": steps})
            done = subprocess.run([program], input=text, stdout=subprocess.PIPE,
                                  universal_newlines=True, check=True)
            ours = json.loads(done.stdout)["tensors"]
            theirs = of_peer(torch, makers, peer, tensors, steps, dtype)
            size = max(1.0, max(abs(x) for t in theirs for x in t))
            error = max(abs(a - b) for x, y in zip(ours, theirs) for a, b in zip(x, y)) / size
            key = peer["kind"] + " " + dtype
            worst[key] = max(worst.get(key, 0.0), error)
            if not error <= bar:
                sys.exit("case %d of seed %d, %s: off by %.3g\n  ours %s\n  peer %s"
                         % (case, seed, dtype, error, settings, peer))
    print("%d cases: largest distances: %s" % (CASES, ", ".join(
        "%s %.2g" % item for item in sorted(worst.items()))))


def main():
    program, seed = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1
    if "STEMMA_INSIDE_PEERS" in os.environ:
        compare(program, seed)
        return
    import peer_install
    peer_install.timm()
    environment = dict(peer_install.environment(), STEMMA_INSIDE_PEERS="1")
    sys.exit(subprocess.call([str(peer_install.python()), "-B", __file__, program, str(seed)],
                             env=environment))


if __name__ == "__main__":
    main()
