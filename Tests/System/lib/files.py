"""Files, as the cases of the suites use them."""
import errno
import os


def error_of(call, *arguments):
    """The name of the errno of a call, or None for one that succeeds."""
    try:
        call(*arguments)
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))
    return None


def append(path, content, flags=0):
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | flags, 0o640)
    try:
        assert os.write(descriptor, content) == len(content)
    finally:
        os.close(descriptor)


def read(path):
    with open(path, "rb") as file:
        return file.read()
