"""XXH3-128 of bytes, seed 0, after its public specification. Slow and plain: for checks."""

import struct

MASK32, MASK64 = 2**32 - 1, 2**64 - 1
PRIME32 = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D)
PRIME64 = (
    0x9E3779B185EBCA87,
    0xC2B2AE3D27D4EB4F,
    0x165667B19E3779F9,
    0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5,
)
SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
    "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
    "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e"
    "2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
)
STRIPE, BLOCK = 64, 1024


def u32(data, at):
    return struct.unpack_from("<I", data, at)[0]


def u64(data, at):
    return struct.unpack_from("<Q", data, at)[0]


def swap(value, size):
    return int.from_bytes(value.to_bytes(size, "little"), "big")


def avalanche(h):
    h ^= h >> 37
    h = h * 0x165667919E3779F9 & MASK64
    return h ^ h >> 32


def avalanche_64(h):
    """That of XXH64, which the shortest inputs use."""
    h ^= h >> 33
    h = h * PRIME64[1] & MASK64
    h ^= h >> 29
    h = h * PRIME64[2] & MASK64
    return h ^ h >> 32


def fold(a, b):
    product = a * b
    return product & MASK64 ^ product >> 64


def up_to_3(data):
    n = len(data)
    low = data[n >> 1] << 24 | data[0] << 16 | n << 8 | data[-1]
    rotated = swap(low, 4)
    high = (rotated << 13 | rotated >> 19) & MASK32
    return (
        avalanche_64(low ^ u32(SECRET, 0) ^ u32(SECRET, 4)),
        avalanche_64(high ^ u32(SECRET, 8) ^ u32(SECRET, 12)),
    )


def up_to_8(data):
    n = len(data)
    keyed = (u32(data, 0) | u32(data, n - 4) << 32) ^ u64(SECRET, 16) ^ u64(SECRET, 24)
    product = keyed * (PRIME64[0] + (n << 2))
    low, high = product & MASK64, product >> 64
    high = high + (low << 1) & MASK64
    low ^= high >> 3
    low ^= low >> 35
    low = low * 0x9FB21C651E98DF25 & MASK64
    return low ^ low >> 28, avalanche(high)


def up_to_16(data):
    n = len(data)
    first, last = u64(data, 0), u64(data, n - 8)
    product = (first ^ last ^ u64(SECRET, 32) ^ u64(SECRET, 40)) * PRIME64[0]
    low = (product & MASK64) + (n - 1 << 54) & MASK64
    last ^= u64(SECRET, 48) ^ u64(SECRET, 56)
    high = (product >> 64) + last + (last & MASK32) * (PRIME32[1] - 1) & MASK64
    low ^= swap(high, 8)
    product = low * PRIME64[1]
    return (
        avalanche(product & MASK64),
        avalanche((product >> 64) + high * PRIME64[1] & MASK64),
    )


def mix_16(data, at, secret):
    return fold(
        u64(data, at) ^ u64(SECRET, secret), u64(data, at + 8) ^ u64(SECRET, secret + 8)
    )


def mix_32(acc, data, a, b, secret):
    low = acc[0] + mix_16(data, a, secret) & MASK64
    high = acc[1] + mix_16(data, b, secret + 16) & MASK64
    low ^= u64(data, b) + u64(data, b + 8) & MASK64
    high ^= u64(data, a) + u64(data, a + 8) & MASK64
    return low, high


def finish_mixed(acc, n):
    low = acc[0] + acc[1] & MASK64
    high = acc[0] * PRIME64[0] + acc[1] * PRIME64[3] + n * PRIME64[1] & MASK64
    return avalanche(low), -avalanche(high) & MASK64


def up_to_128(data):
    n = len(data)
    acc = n * PRIME64[0] & MASK64, 0
    for i in range((n - 1) // 32, -1, -1):
        acc = mix_32(acc, data, 16 * i, n - 16 * (i + 1), 32 * i)
    return finish_mixed(acc, n)


def up_to_240(data):
    n = len(data)
    acc = n * PRIME64[0] & MASK64, 0
    for at in range(0, 128, 32):
        acc = mix_32(acc, data, at, at + 16, at)
    acc = avalanche(acc[0]), avalanche(acc[1])
    for at in range(128, n - 31, 32):
        acc = mix_32(acc, data, at, at + 16, at - 125)
    acc = mix_32(acc, data, n - 16, n - 32, 136 - 17 - 16)
    return finish_mixed(acc, n)


def accumulate(acc, stripe, key):
    for i in range(8):
        value = stripe[i]
        keyed = value ^ key[i]
        acc[i ^ 1] = acc[i ^ 1] + value & MASK64
        acc[i] = acc[i] + (keyed & MASK32) * (keyed >> 32) & MASK64


def merge(acc, secret, start):
    for i in range(4):
        start += fold(
            acc[2 * i] ^ u64(SECRET, secret + 16 * i),
            acc[2 * i + 1] ^ u64(SECRET, secret + 16 * i + 8),
        )
    return avalanche(start & MASK64)


def long(data):
    n = len(data)
    eight = struct.Struct("<8Q")
    keys = [eight.unpack_from(SECRET, 8 * i) for i in range(16)]
    scramble = eight.unpack_from(SECRET, len(SECRET) - STRIPE)
    acc = [PRIME32[2], *PRIME64[:4], PRIME32[1], PRIME64[4], PRIME32[0]]
    for number in range((n - 1) // STRIPE):
        accumulate(acc, eight.unpack_from(data, STRIPE * number), keys[number % 16])
        if number % 16 == 15:
            acc = [(a ^ a >> 47 ^ s) * PRIME32[0] & MASK64 for a, s in zip(acc, scramble)]
    last = eight.unpack_from(SECRET, len(SECRET) - STRIPE - 7)
    accumulate(acc, eight.unpack_from(data, n - STRIPE), last)
    return (
        merge(acc, 11, n * PRIME64[0] & MASK64),
        merge(acc, len(SECRET) - STRIPE - 11, ~(n * PRIME64[1]) & MASK64),
    )


def xxh3_128(data):
    """The 16 bytes of the canonical form, big-endian."""
    n = len(data)
    if n == 0:
        low = avalanche_64(u64(SECRET, 64) ^ u64(SECRET, 72))
        high = avalanche_64(u64(SECRET, 80) ^ u64(SECRET, 88))
    else:
        steps = ((3, up_to_3), (8, up_to_8), (16, up_to_16), (128, up_to_128), (240, up_to_240))
        of = next((of for most, of in steps if n <= most), long)
        low, high = of(data)
    return struct.pack(">QQ", high, low)
