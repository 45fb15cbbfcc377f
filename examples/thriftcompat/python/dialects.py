"""The ways in which Apache Thrift's Python library can speak."""

from thrift.protocol.TBinaryProtocol import (
    TBinaryProtocol, TBinaryProtocolAcceleratedFactory, TBinaryProtocolFactory)
from thrift.protocol.TCompactProtocol import TCompactProtocolAcceleratedFactory, TCompactProtocolFactory
from thrift.protocol.THeaderProtocol import THeaderProtocolFactory
from thrift.transport import TTransport
from thrift.transport.THeaderTransport import THeaderClientType, THeaderSubprotocolID, THeaderTransformID


class NonStrict(TBinaryProtocol):
    """A binary protocol that leaves the version out.

    Without the version, version 0.17 of the library reads a method's name as bytes and then does not find the method
    under it: servers need the text. Clients do not look at it.
    """

    def __init__(self, transport):
        super().__init__(transport, strictRead=False, strictWrite=False)

    def readMessageBegin(self):
        name, kind, seqid = super().readMessageBegin()
        return name.decode() if isinstance(name, bytes) else name, kind, seqid


class NonStrictFactory:
    def getProtocol(self, transport):
        return NonStrict(transport)


# The accelerated ones are written in C; without a fallback, they fail where the C extension is missing.
PROTOCOLS = {
    "binary": TBinaryProtocolFactory(),
    "nonstrict": NonStrictFactory(),
    "compact": TCompactProtocolFactory(),
    "binary-c": TBinaryProtocolAcceleratedFactory(fallback=False),
    "compact-c": TCompactProtocolAcceleratedFactory(fallback=False),
}
TRANSPORTS = {
    "framed": TTransport.TFramedTransportFactory(),
    "unframed": TTransport.TBufferedTransportFactory(),
}


class Plain:
    """A transport factory for THeader, which does its own framing."""

    def getTransport(self, transport):
        return transport


class Header:
    """A protocol factory for THeader. With zlib, what is sent is compressed."""

    def __init__(self, default, zlib):
        self.factory = THeaderProtocolFactory((THeaderClientType.HEADERS,), default)
        self.zlib = zlib

    def getProtocol(self, transport):
        protocol = self.factory.getProtocol(transport)
        if self.zlib:
            protocol.trans.add_transform(THeaderTransformID.ZLIB)
        return protocol


def factories():
    """Returns name -> (transport factory, protocol factory)."""
    found = {
        f"{t}-{p}": (TRANSPORTS[t], PROTOCOLS[p])
        for t in TRANSPORTS for p in PROTOCOLS
    }
    for name, default in ("binary", THeaderSubprotocolID.BINARY), ("compact", THeaderSubprotocolID.COMPACT):
        found[f"header-{name}"] = Plain(), Header(default, False)
        found[f"header-{name}-zlib"] = Plain(), Header(default, True)
    return found
