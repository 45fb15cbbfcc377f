package peer

import (
	"net"
	"net/rpc"

	"github.com/kuafu-rpc/kuafu/bench/internal/payload"
)

// gobEcho is the receiver whose methods net/rpc finds by reflection.
type gobEcho struct{}

// Echo has the form that net/rpc asks for.
func (gobEcho) Echo(in, out *payload.Message) error {
	*out = *in
	return nil
}

// netRPC is the standard library's net/rpc, with gob.
func netRPC() Peer {
	return Peer{
		Name: "netrpc", Title: "net/rpc (gob)", Kind: Framework, Shares: true,
		Serve: func(addr string) error {
			s := rpc.NewServer()
			if err := s.RegisterName("Echo", gobEcho{}); err != nil {
				return err
			}
			l, err := net.Listen("tcp", addr)
			if err != nil {
				return err
			}
			s.Accept(l)
			return net.ErrClosed
		},
		Dial: func(addr string, callers, conns int, m *payload.Message) ([]Call, error) {
			clients, err := dialEach(conns, func() (*rpc.Client, error) { return rpc.Dial("tcp", addr) })
			if err != nil {
				return nil, err
			}
			return spread(clients, callers, func(c *rpc.Client) Call {
				request := *m
				return func(id int64) error {
					request.ID = id
					var reply payload.Message
					if err := c.Call("Echo.Echo", &request, &reply); err != nil {
						return err
					}
					return m.Check(id, reply)
				}
			}), nil
		},
	}
}
