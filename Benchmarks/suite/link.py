"""A link of the machine's to itself that is as slow as one to another machine."""
import contextlib
import subprocess
import urllib.parse

# Of what is sent at once; a packet of the loopback device has up to 64 KiB.
BURST = "256k"


@contextlib.contextmanager
def limited(endpoint, rate):
    """While it is open, what the server at `endpoint`, on this machine, sends has `rate`, as tc writes it; all else is as fast as ever."""
    port = str(urllib.parse.urlsplit(endpoint).port)
    tc("qdisc", "add", "dev", "lo", "root", "handle", "1:", "htb", "default", "2")
    try:
        tc("class", "add", "dev", "lo", "parent", "1:", "classid", "1:1", "htb", "rate", rate, "burst", BURST, "cburst", BURST)
        tc("class", "add", "dev", "lo", "parent", "1:", "classid", "1:2", "htb", "rate", "100gbit", "burst", BURST, "cburst", BURST)
        tc("filter", "add", "dev", "lo", "parent", "1:", "protocol", "ip", "u32", "match", "ip", "sport", port, "0xffff", "flowid", "1:1")
        yield
    finally:
        tc("qdisc", "del", "dev", "lo", "root")


def tc(*words):
    done = subprocess.run(["tc", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"tc {' '.join(words)}: {done.stderr.strip()}")
