"""Values for tests/core/rng.cpp and tests/core/hash.cpp, by arbitrary-precision integers and nothing of the library.

Run without arguments; the tests hold what it prints.
"""
import math

M32 = 2**32 - 1
M64 = 2**64 - 1


def philox(counter, key):
    c, k = list(counter), list(key)
    for _ in range(10):
        first, second = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(second >> 32) ^ c[1] ^ k[0], second & M32, (first >> 32) ^ c[3] ^ k[1], first & M32]
        k = [(k[0] + 0x9E3779B9) & M32, (k[1] + 0xBB67AE85) & M32]
    return c


class Stream:
    def __init__(self, seed, purpose, task=0, epoch=0, obj=0):
        key = (seed & M32, seed >> 32)
        a = philox((purpose, task, epoch, 0), key)
        b = philox((a[0] ^ (obj & M32), a[1] ^ (obj >> 32), a[2], a[3]), key)
        self.key, self.tail = (b[0], b[1]), (b[2], b[3])

    def word(self, e):
        block = e // 4
        return philox((block & M32, block >> 32, *self.tail), self.key)[e % 4]

    def uniform(self, e):
        return ((self.word(2 * e) >> 5) * 2**26 + (self.word(2 * e + 1) >> 6)) / 2**53

    def normal(self, e):
        w0, w1 = self.word(e - e % 2), self.word(e - e % 2 + 1)
        radius = math.sqrt(-2 * math.log((w0 + 0.5) / 2**32))
        angle = 2 * math.pi * (w1 + 0.5) / 2**32
        return radius * (math.sin(angle) if e % 2 else math.cos(angle))

    def permutation(self, n):
        order, drawn = list(range(n)), 0
        for i in range(n, 1, -1):
            while True:
                scaled = self.word(drawn) * i
                drawn += 1
                if scaled & M32 >= 2**32 % i:
                    break
            j = scaled >> 32
            order[i - 1], order[j] = order[j], order[i - 1]
        return order


def hash64(data):
    state = 0x9E3779B97F4A7C15 ^ len(data)
    for at in range(0, len(data), 8):
        group = int.from_bytes(data[at : at + 8], "little") * 0xA0761D6478BD642F & M64
        state ^= group ^ group >> 32
        state = (state << 29 | state >> 35) & M64
        state = state * 0xD6E8FEB86659FD93 & M64
    for _ in range(2):
        state = (state ^ state >> 32) * 0xD6E8FEB86659FD93 & M64
    return state ^ state >> 32


stream = Stream(0x0123456789ABCDEF, 3, task=7, epoch=11, obj=0xFEDCBA9876543210)
print("words", [hex(stream.word(e)) for e in (0, 1, 2, 3, 4, 2**35 + 1)])
print("uniform", [stream.uniform(e).hex() for e in (0, 1, 2, 2**40)])
print("normal", [repr(stream.normal(e)) for e in (0, 1, 2, 3, 4, 5, 2**33)])
print("permutation", stream.permutation(12))
for data in (b"", b"a", b"accrete!", bytes(range(100))):
    print("hash64", data[:10], hex(hash64(data)))
order = stream.permutation(200000)  # long enough that some draws are rejected
print("permutation checksum", sum(value * (place + 1) for place, value in enumerate(order)) & M64)
