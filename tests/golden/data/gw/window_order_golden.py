"""Order of samples after the text in models/data/window_order.h, written a second time. Prints the
first 16 ids of (seed, epoch, window, sizes of the groups). Standard library only.

    python3 window_order_golden.py 1 0 2 5 3 8 1 7
"""
import sys

from order_golden import halves, philox

GROUPS, WINDOWS = 0x67727570, 0x77696E64


def key(seed, epoch, tag, number):
    return philox(halves(epoch) + [tag, number], halves(seed))[:2]


def permuted(words, size, i):
    h = 1
    while 1 << (2 * h) < size:
        h += 1
    while True:
        left, right = i >> h, i & ((1 << h) - 1)
        for r in range(8):
            left, right = right, left ^ (philox([right, r, 0, 0], words)[0] & ((1 << h) - 1))
        i = left << h | right
        if i < size:
            return i


def order(seed, epoch, window, sizes):
    """All ids of an epoch, window after window."""
    first = [sum(sizes[:g]) for g in range(len(sizes))]
    of_groups = key(seed, epoch, GROUPS, 0)
    groups = [permuted(of_groups, len(sizes), i) for i in range(len(sizes))]
    ids = []
    for w in range((len(groups) + window - 1) // window):
        inside = [first[g] + n for g in groups[w * window:(w + 1) * window]
                  for n in range(sizes[g])]
        words = key(seed, epoch, WINDOWS, w)
        ids += [inside[permuted(words, len(inside), j)] for j in range(len(inside))]
    return ids


if __name__ == "__main__":
    SEED, EPOCH, WINDOW, *SIZES = (int(v) for v in sys.argv[1:])
    print(", ".join(str(v) for v in order(SEED, EPOCH, WINDOW, SIZES)[:16]))
