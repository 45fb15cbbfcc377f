"""Runs Apache's compiler on compat.thrift, and makes the outcome importable as the package compat."""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile


def load():
    directory = tempfile.mkdtemp(prefix="thriftcompat-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    idl = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "compat.thrift")
    subprocess.run(["thrift", "-nowarn", "--gen", "py", "-out", directory, idl], check=True)
    sys.dont_write_bytecode = True
    sys.path.insert(0, directory)


load()
