#!/usr/bin/env python3
"""Serves compat.thrift with Apache Thrift's Python library, each dialect on a port of its own.

    server.py

Prints one line a dialect, "framed-binary 127.0.0.1:40123", then "ready", and serves until standard input ends.
"""

import logging
import socket
import sys
import threading

from specimens import overload, refusal, specimen
from compat import Compat
from dialects import factories
from thrift.server.TServer import TSimpleServer, TThreadedServer
from thrift.TMultiplexedProcessor import TMultiplexedProcessor
from thrift.transport import TSocket


class Handler:
    def __init__(self):
        self.lock = threading.Lock()
        self.logs = {}

    def ping(self, text):
        return text

    def nothing(self):
        pass

    def specimen(self, which):
        return specimen(which)

    def same(self, which, value):
        return specimen(which) == value

    def join(self, a, b, c):
        return f"{a} {b} {str(c).lower()}"

    def attempt(self, which):
        if which == 1:
            return 1
        if which == 2:
            raise refusal()
        if which == 3:
            raise overload()
        raise ValueError(f"attempt {which} is hopeless")

    def refuse(self, really):
        if really:
            raise refusal()

    def note(self, log, line):
        with self.lock:
            self.logs.setdefault(log, []).append(line)

    def notes(self, log):
        with self.lock:
            return self.logs.pop(log, [])


def echo(self, v):
    return v


Handler.echo = echo
for kind in "bool i8 i16 i32 i64 double string binary mood list set map shape".split():
    setattr(Handler, "echo_" + kind, echo)


class Loopback(TSocket.TServerSocket):
    """A server socket that is bound before it serves, to a free port."""

    def __init__(self):
        super().__init__()
        self.handle = socket.create_server(("127.0.0.1", 0))
        self.port = self.handle.getsockname()[1]

    def listen(self):
        pass


def serve(name, processor, transports, protocols):
    transport = Loopback()
    if name.startswith("unframed"):
        server = TSimpleServer(processor, transport, transports, protocols)  # one connection at a time
    else:
        server = TThreadedServer(processor, transport, transports, protocols, daemon=True)
    threading.Thread(target=server.serve, daemon=True).start()
    print(name, f"127.0.0.1:{transport.port}", flush=True)


def main():
    logging.disable(logging.ERROR)  # what handlers raise and nobody declares is part of the game
    processor = Compat.Processor(Handler())
    multiplexed = TMultiplexedProcessor()
    multiplexed.registerProcessor("Compat", processor)
    for name, (transports, protocols) in factories().items():
        serve(name, processor, transports, protocols)
        serve(name + "-mux", multiplexed, transports, protocols)
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
