package peer

import (
	"context"
	"net"
	"time"

	"github.com/cloudwego/kitex/client"
	"github.com/cloudwego/kitex/pkg/connpool"
	"github.com/cloudwego/kitex/pkg/klog"
	"github.com/cloudwego/kitex/server"
	"github.com/cloudwego/kitex/transport"

	"github.com/kuafu-rpc/kuafu/bench/internal/payload"
	"github.com/kuafu-rpc/kuafu/bench/internal/stubs/kecho"
	kitexecho "github.com/kuafu-rpc/kuafu/bench/internal/stubs/kecho/echo"
)

type kitexEcho struct{}

func (*kitexEcho) Echo(_ context.Context, m *kecho.Msg) (*kecho.Msg, error) { return m, nil }

func kitexMessage(m *payload.Message) *kecho.Msg {
	return &kecho.Msg{Id: m.ID, Msg: m.Body, Tags: m.Tags, Meta: m.Attributes}
}

// kitexMux is Kitex with calls multiplexed over shared connections.
func kitexMux() Peer {
	p := kitexWith("kitex-mux", "Kitex TTHeader, multiplexed", []server.Option{server.WithMuxTransport()},
		func(_, conns int) client.Option { return client.WithMuxConnection(conns) })
	p.Shares = true
	return p
}

// kitexPooled is Kitex with a pool of as many connections as there are callers.
func kitexPooled() Peer {
	p := kitexWith("kitex-pooled", "Kitex TTHeader, pooled", nil, func(callers, _ int) client.Option {
		return client.WithLongConnection(connpool.IdleConfig{
			MaxIdlePerAddress: callers, MaxIdleGlobal: callers, MaxIdleTimeout: time.Minute,
		})
	})
	// A Kitex client for each of 10,000 connections is too much; its server takes Apache clients as well.
	p.Hold = Peer{Dial: thriftDial(binaryProtocol)}.HoldConns
	return p
}

func kitexWith(name, title string, so []server.Option, conns func(callers, conns int) client.Option) Peer {
	return Peer{
		Name: name, Title: title, Kind: Framework,
		Serve: func(addr string) error {
			klog.SetLevel(klog.LevelError)
			tcp, err := net.ResolveTCPAddr("tcp", addr)
			if err != nil {
				return err
			}
			return kitexecho.NewServer(&kitexEcho{}, append(so, server.WithServiceAddr(tcp))...).Run()
		},
		Dial: func(addr string, callers, n int, m *payload.Message) ([]Call, error) {
			klog.SetLevel(klog.LevelError)
			c, err := kitexecho.NewClient("echo", client.WithHostPorts(addr), conns(callers, n),
				client.WithTransportProtocol(transport.TTHeaderFramed), client.WithConnectTimeout(5*time.Second))
			if err != nil {
				return nil, err
			}
			return spread([]kitexecho.Client{c}, callers, func(c kitexecho.Client) Call {
				request := kitexMessage(m)
				return func(id int64) error {
					request.Id = id
					r, err := c.Echo(context.Background(), request)
					if err != nil {
						return err
					}
					return m.Check(id, payload.Message{ID: r.Id, Body: r.Msg, Tags: r.Tags, Attributes: r.Meta})
				}
			}), nil
		},
	}
}
