"""Text like an access log's."""
import random

# What repeats after so many bytes is out of reach of zstd at its usual levels.
UNIQUE = 8 << 20


def write_log(path, mebibytes):
    block = b"".join(lines())
    with open(path, "wb") as file:
        left = mebibytes << 20
        while left > 0:
            file.write(block[:left])
            left -= len(block)


def lines():
    chance = random.Random(5)
    paths = [f"/api/v{chance.randrange(3)}/items/{chance.randrange(10**6)}" for _ in range(5000)]
    second, size = 1_700_000_000, 0
    while size < UNIQUE:
        second += chance.random() / 50
        address = ".".join(str(chance.randrange(256)) for _ in range(3))
        line = (f'10.{address} - - [{second:.6f}] "GET {chance.choice(paths)} HTTP/1.1" '
                f'{chance.choice((200, 200, 200, 304, 404, 500))} {chance.randrange(100_000)} "-" '
                f'"agent/{chance.randrange(40)}" {chance.random():.6f}\n').encode()
        yield line
        size += len(line)
