"""A daemon that is started where files of the system say something else than they do here."""
import os
import shutil
import socket
import subprocess
import time

from daemon import BINARY


NAME_SERVER = "127.0.0.77"


def check_surroundings(folder, endpoint, trusted, stranger):
    store = os.path.join(folder, "elsewhere")
    os.makedirs(store + "-mnt")
    check_system_authority(store, endpoint, trusted, stranger)
    check_dead_name_server(store)


def mount(store, hidden, shown, arguments):
    """Mounts where the file or directory `shown` is seen in the place of `hidden`. It has to fail: a mount in another name
    space would be left there. Returns what was said."""
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" "$1" && shift && exec "$@"', shown, hidden,
         BINARY, "mount", store, store + "-mnt", "--remote", "s3://missing/refused", *arguments],
        capture_output=True, text=True, check=False)
    assert done.returncode == 74, f"{arguments}: {done.returncode} {done.stderr}"
    return done.stderr


def check_system_authority(store, endpoint, trusted, stranger):
    """The server's authority is in the system's own directory, which no longer counts once a bundle is named."""
    authorities = store + "-authorities"
    os.makedirs(authorities)
    shutil.copy(trusted, os.path.join(authorities, "trusted.pem"))
    subprocess.run(["openssl", "rehash", authorities], check=True)
    shutil.copy(stranger, os.path.join(authorities, "ca-certificates.crt"))
    for bundle, is_refused in (([], False), (["--s3-ca-bundle", stranger], True)):
        said = mount(store, "/etc/ssl/certs", authorities, ["--s3-endpoint", endpoint, *bundle])
        assert ("certificate" in said) == is_refused, f"the system's authority, {bundle}: {said}"


def check_dead_name_server(store):
    """The C library waits for a name server for much longer than a connection may take to be made."""
    configuration = store + "-resolv.conf"
    with open(configuration, "w") as file:
        file.write(f"nameserver {NAME_SERVER}\noptions timeout:10 attempts:2\n")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((NAME_SERVER, 53))
        start = time.monotonic()
        said = mount(store, "/etc/resolv.conf", configuration, ["--s3-endpoint", "https://dead.example", "--s3-retry", "1s"])
        elapsed = time.monotonic() - start
    assert "Resolving timed out" in said and elapsed < 15, f"a dead name server: {elapsed:.0f} s, {said}"
