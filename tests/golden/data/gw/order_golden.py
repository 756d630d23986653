"""Order of samples after the text in models/data/order.h, written a second time. Prints the first 16
ids of (seed, epoch, size). Standard library only.

    python3 order_golden.py 1 0 1000
"""
import sys


def philox(counter, key):
    c, k = list(counter), list(key)
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k[0], b & 0xFFFFFFFF, (a >> 32) ^ c[3] ^ k[1], a & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def halves(v):
    return [v & 0xFFFFFFFF, v >> 32]


def at(seed, epoch, size, i):
    key = philox(halves(epoch) + [0x6F726472, 0], halves(seed))[:2]
    h = 1
    while 1 << (2 * h) < size:
        h += 1
    while True:
        left, right = i >> h, i & ((1 << h) - 1)
        for r in range(8):
            left, right = right, left ^ (philox([right, r, 0, 0], key)[0] & ((1 << h) - 1))
        i = left << h | right
        if i < size:
            return i


if __name__ == "__main__":
    SEED, EPOCH, SIZE = (int(v) for v in sys.argv[1:4])
    print(", ".join(str(at(SEED, EPOCH, SIZE, i)) for i in range(min(16, SIZE))))
