#!/usr/bin/env python3
"""Calls a server of compat.thrift in every dialect of Apache Thrift's Python library.

    client.py HOST:PORT|/PATH [dialect...]

/PATH is a Unix socket's. Prints one line a dialect. The exit status is 1 if any fails.
"""

import math
import struct
import sys
import traceback

from specimens import EVERY_BYTE, I8, I16, I32, I64, UNICODE, overload, refusal, specimen, usual
from compat import Base, Compat, Future
from compat.ttypes import Mood, Overload, Refusal, Specimen
from dialects import factories
from thrift.protocol.TMultiplexedProtocol import TMultiplexedProtocol
from thrift.Thrift import TApplicationException
from thrift.transport import TSocket

PIPELINED = 100
LARGE = 1 << 20


def want(got, expected, what=""):
    if got != expected:
        raise AssertionError(f"{what}: got {got!r:.2000}, want {expected!r:.2000}")


def throws(kind, call, *args):
    try:
        result = call(*args)
    except kind as e:
        return e
    raise AssertionError(f"{call.__name__}{args}: got {result!r} instead of {kind.__name__}")


class Checker:
    def __init__(self, protocol, service, name):
        self.bare = protocol
        self.protocol = TMultiplexedProtocol(protocol, service) if service else protocol
        self.name = name
        self.c = Compat.Client(self.protocol)

    def inherited(self):
        want(self.c.nothing(), None)
        for client in self.c, Base.Client(self.protocol):
            for text in "", "ping":
                want(client.ping(text), text)

    def scalars(self):
        c = self.c
        for echo, values in (
            (c.echo_bool, (True, False)),
            (c.echo_i8, (0, 1, -1, I8, -I8 - 1)),
            (c.echo_i16, (0, 255, -256, I16, -I16 - 1)),
            (c.echo_i32, (0, 1 << 16, -1, I32, -I32 - 1)),
            (c.echo_i64, (0, 1 << 40, -1 << 33, I64, -I64 - 1)),
            (c.echo_string, ("", "a", UNICODE, "é" * 300)),
            (c.echo_binary, (b"", b"\0", EVERY_BYTE)),
            (c.echo_mood, (Mood.CALM, Mood.GLOOMY, Mood.BEYOND)),
        ):
            for v in values:
                want(echo(v), v, echo.__name__)
        for v in 0.0, -0.0, 1.5, -1e-300, sys.float_info.max, 5e-324, math.inf, -math.inf, math.nan:
            want(struct.pack("!d", c.echo_double(v)), struct.pack("!d", v), "double")
        want(c.join(-1, "two", True), "-1 two true")

    def containers(self):
        c = self.c
        for v in [], ["a", "", UNICODE], [""] * 1000:
            want(c.echo_list(v), v)
        for v in set(), {-I32 - 1, -1, 0, I32}:
            want(c.echo_set(v), v)
        for v in {}, {"": 0, UNICODE: -1}:
            want(c.echo_map(v), v)
        for v in usual().shapes:
            want(c.echo_shape(v), v)

    def specimens(self):
        for which in Specimen.USUAL, Specimen.BARE, Specimen.EXTREME:
            ours = specimen(which)
            want(self.c.specimen(which), ours, "specimen of the server")
            want(self.c.same(which, ours), True, "to the server, the specimen is the same")
            want(self.c.echo(ours), ours, "echo")
        want(self.c.same(Specimen.BARE, usual()), False, "to the server, another specimen is the same")

    def exceptions(self):
        c = self.c
        want(c.attempt(1), 1)
        want(throws(Refusal, c.attempt, 2), refusal())
        want(throws(Overload, c.attempt, 3), overload())
        e = throws(TApplicationException, c.attempt, 4)
        want(e.type, TApplicationException.INTERNAL_ERROR)
        want(e.message, "failed_precondition: attempt 4 is hopeless")
        want(throws(Refusal, c.refuse, True), refusal())
        want(c.refuse(False), None)

    def unknown(self):
        e = throws(TApplicationException, Future.Client(self.protocol).not_yet, 1)
        want(e.type, TApplicationException.UNKNOWN_METHOD, e.message)
        nobody = Base.Client(TMultiplexedProtocol(self.bare, "Nobody"))
        e = throws(TApplicationException, nobody.nothing)
        want(e.type, TApplicationException.UNKNOWN_METHOD, e.message)
        self.c.nothing()  # the connection goes on

    def oneway(self):
        lines = [str(i) for i in range(20)]
        for line in lines:
            self.c.note(self.name, line)
        want(self.c.notes(self.name), lines)

    def pipeline(self):
        for i in range(PIPELINED):
            self.c.send_ping(str(i))
        for i in range(PIPELINED):
            want(self.c.recv_ping(), str(i))

    def large(self):
        blob = EVERY_BYTE * (LARGE // 256)
        want(self.c.echo_binary(blob) == blob, True, "large binary")
        text = "漢" * (LARGE // 3)
        want(self.c.echo_string(text) == text, True, "large string")
        words = ["word", "", "another"] * 2000
        want(self.c.echo_list(words) == words, True, "large list")


CHECKS = (
    Checker.inherited, Checker.scalars, Checker.containers, Checker.specimens, Checker.exceptions, Checker.unknown,
    Checker.oneway, Checker.pipeline, Checker.large)


def check(address, name, transports, protocols, service):
    if address.startswith("/"):
        socket = TSocket.TSocket(unix_socket=address)
    else:
        host, port = address.rsplit(":", 1)
        socket = TSocket.TSocket(host, int(port))
    socket.setTimeout(20000)  # ms
    transport = transports.getTransport(socket)
    protocol = protocols.getProtocol(transport)
    transport.open()
    try:
        checker = Checker(protocol, service, name)
        for run in CHECKS:
            try:
                run(checker)
            except Exception as e:
                raise AssertionError(run.__name__) from e
    finally:
        transport.close()


def main(address, *names):
    dialects = {}
    for name, (transports, protocols) in factories().items():
        dialects[name] = transports, protocols, None
        dialects[name + "-mux"] = transports, protocols, "Compat"
    failed = False
    for name in names or dialects:
        try:
            check(address, "python " + name, *dialects[name])
            print(name, "ok", flush=True)
        except Exception:
            failed = True
            print(name, "FAILED", flush=True)
            traceback.print_exc()
    return failed


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
