"""What suites with a bucket as the remote do: the command, the mount, requests that know nothing of us, and the proxy."""
import json
import os
import subprocess
import urllib.request

from daemon import BINARY


def aofs(*arguments):
    done = subprocess.run([BINARY, *arguments], capture_output=True, check=False)
    assert done.returncode == 0, f"aofs {' '.join(arguments)}: {done.returncode} {done.stderr.decode()}"
    return done.stdout


def append(daemon, name, data):
    descriptor = daemon.open(name)
    try:
        for start in range(0, len(data), 1 << 19):
            piece = data[start:start + (1 << 19)]
            assert os.write(descriptor, piece) == len(piece)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def command(daemon, text):
    name, answer = daemon.control(text + "\n")
    assert name is None, f"{text}: {name} {answer}"


def signed_get(url):
    """By curl, which knows nothing of us."""
    keys = f'{os.environ["AWS_ACCESS_KEY_ID"]}:{os.environ["AWS_SECRET_ACCESS_KEY"]}'
    return subprocess.run(
        ["curl", "-sSf", "--aws-sigv4", "aws:amz:us-east-1:s3", "--config", "-", "-H",
         "x-amz-content-sha256: UNSIGNED-PAYLOAD", url],
        input=f'user = "{keys}"\n'.encode(), capture_output=True, check=True).stdout


def set_rules(admin, *rules):
    request = urllib.request.Request(admin, json.dumps(list(rules)).encode(), method="PUT")
    with urllib.request.urlopen(request) as answer:
        answer.read()
