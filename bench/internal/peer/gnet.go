package peer

import (
	"github.com/panjf2000/gnet/v2"
)

// gnetEcho sends back the complete frames of what has arrived.
type gnetEcho struct{ gnet.BuiltinEventEngine }

// OnTraffic implements gnet.EventHandler.
func (*gnetEcho) OnTraffic(c gnet.Conn) gnet.Action {
	b, err := c.Peek(-1)
	if err != nil {
		return gnet.Close
	}
	n := wholeFrames(b)
	if n == 0 {
		return gnet.None
	}
	if _, err := c.Write(b[:n]); err != nil {
		return gnet.Close
	}
	if _, err := c.Discard(n); err != nil {
		return gnet.Close
	}
	return gnet.None
}

func gnetServe(addr string) error {
	return gnet.Run(&gnetEcho{}, "tcp://"+addr,
		gnet.WithMulticore(true), gnet.WithTCPNoDelay(gnet.TCPNoDelay), gnet.WithReadBufferCap(readBuffer))
}

// gnetDirect is gnet's echo, one frame under way on each connection.
func gnetDirect() Peer {
	return Peer{Name: "gnet", Title: "gnet echo, a connection per caller", Kind: Limit, Serve: gnetServe, Dial: dialDirect}
}

// gnetMux is gnet's echo of multiplexed frames.
func gnetMux() Peer {
	return Peer{Name: "gnet-mux", Title: "gnet echo, multiplexed", Kind: Limit, Shares: true, Serve: gnetServe, Dial: dialMux}
}
