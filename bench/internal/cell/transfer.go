package cell

import (
	"context"
	"fmt"
	"iter"
	"sync/atomic"
	"time"

	"github.com/kuafu-rpc/kuafu/bench/internal/payload"
	"github.com/kuafu-rpc/kuafu/bench/internal/peer"
)

// Direction says which way a stream carries messages.
type Direction string

const (
	Down   Direction = "down"   // the server sends, on a connection that has been used
	Up     Direction = "up"     // the client sends, likewise
	Upload Direction = "upload" // the client sends uploadSize bytes on a new connection, each from another place in memory
)

// Directions are all of them, in the order of the tables.
func Directions() []Direction { return []Direction{Down, Up, Upload} }

// MaxMessage is the longest message of a Transfer.
const MaxMessage = 16 << 20

const (
	uploadSize = 256 << 20
	probeSize  = 32 << 20 // what is carried before, to warm up and to see how fast it is

	// Bounds on what is carried in the measured window.
	minTransfer = 64 << 20
	maxTransfer = 8 << 30

	transferTimeout = time.Minute
)

// Transfer is how fast messages of one size go one way, on one stream of one connection.
type Transfer struct {
	View      string    `json:"view"` // "stream"
	Peer      string    `json:"peer"`
	Title     string    `json:"title"`
	Kind      peer.Kind `json:"kind"`
	Direction Direction `json:"direction"`
	Size      int       `json:"message_bytes"`
	Pass      int       `json:"pass"`

	Bytes   int64   `json:"bytes"`
	Seconds float64 `json:"seconds"`
	Rate    float64 `json:"mb_per_s"` // 10^6 bytes

	ClientCPU    float64 `json:"client_cpu_s_per_gb"` // user and system, for each 10^9 bytes
	ServerCPU    float64 `json:"server_cpu_s_per_gb"`
	ClientAllocs float64 `json:"client_allocs"` // per message
	ServerAllocs float64 `json:"server_allocs"`

	Noise
}

// CPU returns the processor time of both ends, in seconds for each 10^9 bytes.
func (t Transfer) CPU() float64 { return t.ClientCPU + t.ServerCPU }

// transfer is what a client is asked to carry.
type transfer struct {
	Direction Direction
	Messages  int
	Size      int
}

func (t transfer) bytes() int64 { return int64(t.Messages) * int64(t.Size) }

// RunTransfer measures one direction for about as long as measure; an upload takes as long as it takes. If profiles is
// not empty, it is a directory that gets a processor profile of either process.
func RunTransfer(ctx context.Context, name string, d Direction, size, pass int, measure time.Duration, profiles string) (Transfer, error) {
	p, err := peer.Find(name)
	if err != nil {
		return Transfer{}, err
	}
	if p.Connect == nil {
		return Transfer{}, fmt.Errorf("%s has no streams", name)
	}
	pair, err := spawnPair(ctx, Spec{Peer: name, Payload: "1k", Pass: pass}, profiles, name+"-stream-"+string(d))
	if err != nil {
		return Transfer{}, err
	}
	defer pair.close()

	probe := transfer{Direction: d, Messages: probeSize / size, Size: size}
	if d == Upload {
		probe.Direction = Up
	}
	// Once to warm up, once to learn the speed.
	var took time.Duration
	for range 2 {
		began := time.Now()
		if _, err := pair.client.ask(request{Do: carry, Transfer: probe}); err != nil {
			return Transfer{}, err
		}
		took = time.Since(began)
	}
	total := min(max(int64(float64(probe.bytes())*measure.Seconds()/took.Seconds()), minTransfer), maxTransfer)
	if d == Upload {
		total = uploadSize
		if _, err := pair.client.ask(request{Do: file, N: uploadSize}); err != nil {
			return Transfer{}, err
		}
	}
	t := transfer{Direction: d, Messages: int(total / int64(size)), Size: size}
	client, server, noise, err := pair.window(func() error {
		_, err := pair.client.ask(request{Do: carry, Transfer: t})
		return err
	})
	if err != nil {
		return Transfer{}, err
	}
	seconds, gb, messages := client.Elapsed.Seconds(), float64(t.bytes())/1e9, float64(t.Messages)
	return Transfer{
		View: "stream", Peer: p.Name, Title: p.Title, Kind: p.Kind, Direction: d, Size: size, Pass: pass,
		Bytes: t.bytes(), Seconds: seconds, Rate: 1000 * gb / seconds,
		ClientCPU: client.Used.CPU / gb, ServerCPU: server.Used.CPU / gb,
		ClientAllocs: float64(client.Used.Allocs) / messages, ServerAllocs: float64(server.Used.Allocs) / messages,
		Noise: noise,
	}, nil
}

// carry carries t over the child's connection, or over a new one if it is an upload.
func (c *child) carry(t transfer) error {
	ctx, cancel := context.WithTimeout(context.Background(), transferTimeout)
	defer cancel()
	switch t.Direction {
	case Down, Up:
		if err := c.connect(); err != nil {
			return err
		}
		if t.Direction == Down {
			return c.conn.Down(ctx, t.Messages, t.Size, new(atomic.Int64))
		}
		return c.conn.Up(ctx, same(t.Messages, t.Size))
	case Upload:
		conn, err := c.peer.Connect(c.role.Addr, c.message)
		if err != nil {
			return err
		}
		return conn.Up(ctx, parts(c.file, t.Size))
	}
	return fmt.Errorf("there is no direction %q", t.Direction)
}

// connect opens the child's connection for streams, once.
func (c *child) connect() (err error) {
	if c.conn == nil {
		c.conn, err = c.peer.Connect(c.role.Addr, c.message)
	}
	return err
}

// same yields one message n times.
func same(n, size int) iter.Seq[[]byte] {
	message := payload.Piece(size)
	return func(yield func([]byte) bool) {
		for range n {
			if !yield(message) {
				return
			}
		}
	}
}

// parts yields b in parts of size bytes.
func parts(b []byte, size int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			n := min(size, len(b))
			if !yield(b[:n]) {
				return
			}
			b = b[n:]
		}
	}
}
