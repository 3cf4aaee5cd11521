"""Whom a daemon trusts that is started where the system knows other authorities than it does here."""
import os
import shutil
import subprocess

from daemon import BINARY


def check_system_authority(folder, endpoint, trusted, stranger):
    """The server's authority is in the system's own directory, which no longer counts once a bundle is named."""
    authorities, store, mount = (os.path.join(folder, f"authorities{end}") for end in ("", "-store", "-mnt"))
    os.makedirs(authorities)
    os.makedirs(mount)
    shutil.copy(trusted, os.path.join(authorities, "trusted.pem"))
    subprocess.run(["openssl", "rehash", authorities], check=True)
    shutil.copy(stranger, os.path.join(authorities, "ca-certificates.crt"))
    for bundle, is_refused in (([], False), (["--s3-ca-bundle", stranger], True)):
        # A bucket that is not there: an error either way, and no mount is left in another name space.
        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/ssl/certs && exec "$@"', authorities,
             BINARY, "mount", store, mount, "--remote", "s3://missing/refused",
             "--s3-endpoint", endpoint, *bundle], capture_output=True, text=True, check=False)
        what = f"the system's authority, {bundle}: {done.returncode} {done.stderr}"
        assert done.returncode == 74 and ("certificate" in done.stderr) == is_refused, what
