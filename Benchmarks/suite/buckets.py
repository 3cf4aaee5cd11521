"""An S3 server of this machine, those who mount its bucket, and requests by curl."""
import os
import shutil
import subprocess

import peers

SIGNED = ["curl", "-sSf", "--aws-sigv4", "aws:amz:us-east-1:s3", "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", "--config", "-"]


class Gateway:
    """Ceph's RADOS gateway with one OSD in memory."""
    bucket = "bench"

    def __init__(self, script, folder):
        self.script, self.directory = script, os.path.join(folder, "ceph")
        port = peers.free_ports(3)
        self.endpoint = f"http://127.0.0.1:{port}"
        self.port = port

    def __enter__(self):
        try:
            self.ceph("start", self.directory, str(self.port))
            with open(os.path.join(self.directory, "keys")) as file:
                access, secret = file.read().split()
            os.environ.update(AWS_ACCESS_KEY_ID=access, AWS_SECRET_ACCESS_KEY=secret, AWS_EC2_METADATA_DISABLED="true")
            for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
                os.environ.pop(name, None)
            self.curl("-X", "PUT", f"{self.endpoint}/{self.bucket}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.ceph("stop", self.directory)

    def ceph(self, *words):
        done = subprocess.run(["bash", self.script, *words], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise OSError(f"Ceph: {done.stderr.strip()[-300:]}")

    @property
    def keys(self):
        return os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]

    def credentials(self):
        """What curl reads on its standard input."""
        return 'user = "{}:{}"\n'.format(*self.keys)

    def curl(self, *words):
        return subprocess.run([*SIGNED, *words], input=self.credentials(), capture_output=True, text=True, check=True).stdout

    def url(self, key):
        return f"{self.endpoint}/{self.bucket}/{key}"

    def size(self, key):
        """The bytes of an object, or None if there is none."""
        try:
            head = self.curl("-I", self.url(key)).lower()
        except subprocess.CalledProcessError:
            return None
        return next(int(line.split(":")[1]) for line in head.splitlines() if line.startswith("content-length:"))

    def remote(self, name):
        """The options of a mount whose remote is a prefix of the bucket."""
        return ["--remote", f"s3://{self.bucket}/{name}", "--s3-endpoint", self.endpoint]


class S3fs(peers.Mounted):
    """s3fs without a cache of its own between opens, as it comes."""

    def __init__(self, gateway, folder):
        super().__init__("s3fs", folder)
        self.gateway, self.own = gateway, os.path.join(folder, "s3fs-files")
        os.makedirs(self.own, exist_ok=True)

    def command(self):
        keys = os.path.join(self.own, "keys")
        with open(os.open(keys, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write("{}:{}\n".format(*self.gateway.keys))
        options = f"url={self.gateway.endpoint},use_path_request_style,passwd_file={keys},tmpdir={self.own}"
        return ["s3fs", self.gateway.bucket, self.path, "-f", "-o", f"{options},parallel_count=16,multireq_max=16"]


class Rclone(peers.Mounted):
    """rclone with its cache for what is written, which it uploads as soon as a file is closed."""

    def __init__(self, gateway, folder):
        super().__init__("rclone", folder)
        self.gateway, self.own = gateway, os.path.join(folder, "rclone-files")

    def command(self):
        place = f":s3,provider=Ceph,env_auth=true,endpoint='{self.gateway.endpoint}':{self.gateway.bucket}"
        return ["rclone", "mount", place, self.path, "--vfs-cache-mode", "writes", "--vfs-write-back", "0s", "--cache-dir", self.own,
                "--config", os.path.join(self.folder, "no-rclone.conf"), "--buffer-size", "64M"]

    def remount(self):
        self.__exit__()
        shutil.rmtree(self.own, ignore_errors=True)
        self.__enter__()

    def environment(self):
        # Its transport takes no bundle of certificates from the environment.
        return {name: value for name, value in os.environ.items() if name != "AWS_CA_BUNDLE"}
