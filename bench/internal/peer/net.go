package peer

import (
	"net"
)

// netDirect is an echo on net.Conn, one frame under way on each connection.
func netDirect() Peer {
	return Peer{Name: "net", Title: "net.Conn echo, a connection per caller", Kind: Limit, Serve: netServe, Dial: dialDirect}
}

// netMux is an echo on net.Conn of multiplexed frames.
func netMux() Peer {
	return Peer{Name: "net-mux", Title: "net.Conn echo, multiplexed", Kind: Limit, Shares: true, Serve: netServe, Dial: dialMux}
}

func netServe(addr string) error { return serveConns(addr, netEcho) }

// serveConns accepts connections and runs handle in a goroutine for each.
func serveConns(addr string, handle func(net.Conn)) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			handle(c)
		}()
	}
}

// netEcho sends complete frames back until the connection ends. Its buffer starts small, for the many connections that
// have one frame under way, and grows for the few that have many.
func netEcho(c net.Conn) {
	buf := make([]byte, 8<<10)
	filled := 0
	for {
		n, err := c.Read(buf[filled:])
		if err != nil {
			return
		}
		full := filled+n == len(buf)
		filled += n
		if whole := wholeFrames(buf[:filled]); whole > 0 {
			if _, err := c.Write(buf[:whole]); err != nil {
				return
			}
			filled = copy(buf, buf[whole:filled])
		}
		if full && len(buf) < readBuffer {
			buf = append(make([]byte, 0, 2*len(buf)), buf[:filled]...)
			buf = buf[:cap(buf)]
		}
	}
}
