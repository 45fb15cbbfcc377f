package peer

import (
	"context"
	"encoding/binary"
	"io"
	"iter"
	"net"
	"sync/atomic"

	"github.com/kuafu-rpc/kuafu/bench/internal/payload"
)

// tcpBytes is TCP without any framing: what streams can reach at most.
func tcpBytes() Peer {
	return Peer{
		Name: "tcp", Title: "net.Conn, bytes without frames", Kind: Limit,
		Serve: func(addr string) error { return serveConns(addr, tcpServe) },
		Connect: func(addr string, _ *payload.Message) (*Conn, error) {
			c := tcpClient{addr}
			return &Conn{Down: c.down, Up: c.up}, nil
		},
	}
}

// Each transfer has a connection of its own, which begins with how many messages the server shall send, 8 bytes, little
// endian, and of which size, likewise. If that is none, the client sends, half-closes, and the server answers with the
// number of bytes that have come, 8 bytes.
const tcpRequest = 16

// tcpServe serves one transfer.
func tcpServe(c net.Conn) {
	var request [tcpRequest]byte
	if unpaced(c) != nil {
		return
	}
	if _, err := io.ReadFull(c, request[:]); err != nil {
		return
	}
	n, size := binary.LittleEndian.Uint64(request[:]), binary.LittleEndian.Uint64(request[8:])
	if size < 1 || size > maxPiece || n > Endless {
		return
	}
	if n > 0 {
		sendPieces(int64(n), int64(size), func(b []byte) error { // the client sees a short transfer
			_, err := c.Write(b)
			return err
		})
		return
	}
	buf := make([]byte, size)
	sum, err := countPieces(func() ([]byte, error) {
		n, err := c.Read(buf)
		return buf[:n], err
	})
	if err == nil {
		c.Write(binary.LittleEndian.AppendUint64(nil, uint64(sum)))
	}
}

type tcpClient struct{ addr string }

func (c tcpClient) open(n, size int) (*net.TCPConn, error) {
	conn, err := net.Dial("tcp", c.addr)
	if err != nil {
		return nil, err
	}
	if err := unpaced(conn); err != nil {
		conn.Close()
		return nil, err
	}
	request := binary.LittleEndian.AppendUint64(nil, uint64(n))
	if _, err := conn.Write(binary.LittleEndian.AppendUint64(request, uint64(size))); err != nil {
		conn.Close()
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

func (c tcpClient) down(_ context.Context, n, size int, received *atomic.Int64) error {
	conn, err := c.open(n, size)
	if err != nil {
		return err
	}
	defer conn.Close()
	buf := make([]byte, size)
	return checkPieces(n, size, received, func() ([]byte, error) {
		_, err := io.ReadFull(conn, buf)
		return buf, err
	})
}

func (c tcpClient) up(_ context.Context, messages iter.Seq[[]byte]) error {
	const read = 64 << 10 // how much the server reads at once, like the other side of down
	conn, err := c.open(0, read)
	if err != nil {
		return err
	}
	defer conn.Close()
	sent, err := sendAll(messages, func(b []byte) error {
		_, err := conn.Write(b)
		return err
	})
	if err != nil {
		return err
	}
	if err := conn.CloseWrite(); err != nil {
		return err
	}
	var counted [8]byte
	if _, err := io.ReadFull(conn, counted[:]); err != nil {
		return err
	}
	return checkSum(int64(binary.LittleEndian.Uint64(counted[:])), sent)
}
