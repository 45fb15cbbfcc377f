package rpctest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kuafu-rpc/kuafu/examples/hello/greeter"
	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/rpctest"
)

// receive reads what comes until the connection ends.
func receive(nc net.Conn) <-chan []byte {
	ch := make(chan []byte, 1)
	go func() {
		b, _ := io.ReadAll(nc)
		ch <- b
	}()
	return ch
}

func TestFaults(t *testing.T) {
	const text = "0123456789"
	for _, tt := range []struct {
		name string
		f    rpctest.Fault
		want string
		took time.Duration
		err  bool
	}{
		{"nothing", rpctest.Fault{}, text, 0, false},
		{"delay", rpctest.Fault{Delay: time.Second}, text, time.Second, false},
		{"rate", rpctest.Fault{Rate: 5}, text, 2 * time.Second, false},
		{"drop", rpctest.Fault{Drop: true}, "", 0, false},
		{"cut", rpctest.Fault{Cut: 4}, text[:4], 0, true},
		{"cut at the end", rpctest.Fault{Cut: 10}, text, 0, true},
		{"corrupt", rpctest.Fault{Corrupt: 3}, "01\xcd3456789", 0, false}, // '2' ^ 0xff
	} {
		for _, d := range []rpctest.Direction{rpctest.Outgoing, rpctest.Incoming} {
			t.Run(tt.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var l rpctest.Link
					l.Set(d, tt.f)
					a, b := net.Pipe()
					wrapped := l.Wrap(a)
					from, to := wrapped, b
					if d == rpctest.Incoming {
						from, to = b, wrapped
					}
					got := receive(to)
					began := time.Now()
					data := []byte(text)
					n, err := from.Write(data)
					if string(data) != text {
						t.Error("changed what it was given")
					}
					synctest.Wait()
					took := time.Since(began)
					from.Close()
					if d == rpctest.Outgoing && (err != nil) != tt.err {
						t.Errorf("wrote %d, %v", n, err)
					}
					if b := <-got; string(b) != tt.want {
						t.Errorf("got %q, want %q", b, tt.want)
					}
					if d == rpctest.Incoming {
						took = time.Since(began) // the reader is the one that waits
					}
					if took != tt.took {
						t.Errorf("took %v, want %v", took, tt.took)
					}
					wrapped.Close()
				})
			})
		}
	}
}

func TestPartitionHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l rpctest.Link
		a, b := net.Pipe()
		nc := l.Wrap(a)
		got := receive(b)
		l.Partition(true)
		time.AfterFunc(time.Minute, func() { l.Partition(false) })
		began := time.Now()
		if _, err := nc.Write([]byte("late")); err != nil || time.Since(began) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		l.Partition(true)
		if err := nc.SetDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := nc.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("write: %v", err)
		}
		if _, err := nc.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read: %v", err)
		}
		if err := nc.SetDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, l.CutAll)
		if _, err := nc.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("read: %v", err)
		}
		if b := <-got; !bytes.Equal(b, []byte("late")) {
			t.Errorf("got %q", b)
		}
	})
}

// TestClientMeetsFaults checks what a client makes of each fault.
func TestClientMeetsFaults(t *testing.T) {
	for _, tt := range []struct {
		name string
		d    rpctest.Direction
		f    rpctest.Fault
		want string
		code rpc.Code
		took time.Duration
	}{
		{"nothing", rpctest.Incoming, rpctest.Fault{}, "", 0, 0},
		{"slow", rpctest.Incoming, rpctest.Fault{Delay: time.Second}, "", 0, time.Second},
		{"reply cut off", rpctest.Incoming, rpctest.Fault{Cut: 5}, "closed by the server", rpc.Unavailable, 0},
		{"call cut off", rpctest.Outgoing, rpctest.Fault{Cut: 5}, "connection to tcp://any:1", rpc.Unavailable, 0},
		{"corrupt length", rpctest.Incoming, rpctest.Fault{Corrupt: 1}, "frame", rpc.Unavailable, 0},
		{"partition", rpctest.Outgoing, rpctest.Fault{Hold: true}, "keepalive", rpc.Unavailable, 40 * time.Second},
		{"hanging peer", rpctest.Incoming, rpctest.Fault{Drop: true}, "keepalive", rpc.Unavailable, 40 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l rpctest.Link
				s := hello(t, rpctest.Options{}, plain)
				defer s.Close()
				c, g := dial(t, "tcp://any:1", client.WithDialer(l.Dialer(s.Dial)))
				defer c.Close()
				if err := g.Forget(context.Background()); err != nil {
					t.Fatal(err)
				}
				l.Set(tt.d, tt.f)
				began := time.Now()
				err := g.Forget(context.Background())
				took := time.Since(began)
				if tt.code == 0 {
					if err != nil || took != tt.took {
						t.Errorf("%v after %v", err, took)
					}
					return
				}
				if rpc.CodeOf(err) != tt.code || took != tt.took || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%v after %v, want %v with %q after %v", err, took, tt.code, tt.want, tt.took)
				}
				l.Set(tt.d, rpctest.Fault{})
				l.CutAll()
				time.Sleep(time.Minute)
				if err := g.Forget(context.Background()); err != nil {
					t.Errorf("after it was over: %v", err)
				}
			})
		})
	}
}

func TestTranscript(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := hello(t, rpctest.Options{}, func(ctx context.Context, name string) (string, error) {
			if name == "bear" {
				return "", rpc.Busy("hibernating")
			}
			return name, rpc.SetReplyMetadata(ctx, "mood", "good")
		})
		defer s.Close()
		var tr rpctest.Transcript
		if tr.String() != "" {
			t.Error("says something before anything was said")
		}
		c, g := dial(t, "tcp://any:1", client.WithDialer(tr.Dialer(s.Dial)),
			client.WithRetry(client.RetryPolicy{Attempts: 2, Backoff: client.DefaultBackoff, Floor: 1}))
		synctest.Wait() // until both have said who they are; calls do not wait for that
		ctx := rpc.WithMetadata(context.Background(), "tenant", "blue")
		if _, err := g.Greet(ctx, &greeter.Guest{Name: "bee"}); err != nil {
			t.Fatal(err)
		}
		if _, err := g.Greet(ctx, &greeter.Guest{Name: "bear"}); err == nil {
			t.Fatal("the bear is awake")
		}
		if err := g.Farewell(context.Background(), "bee"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		c.Close()
		want := strings.TrimPrefix(`
> preamble
< preamble
> call 1 Greeter.greet metadata tenant=blue, 22 bytes
< reply 1 metadata mood=good, 26 bytes
> call 2 Greeter.greet metadata tenant=blue, 23 bytes
< error 2 resource_exhausted, not executed: hibernating (retry)
> call 3 Greeter.greet retry 1 metadata tenant=blue, 23 bytes
< error 3 resource_exhausted, not executed: hibernating (retry)
> call 4 Greeter.farewell oneway, 11 bytes
`, "\n")
		if got := tr.String(); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		var tr rpctest.Transcript
		a, b := net.Pipe()
		got := receive(b)
		nc := tr.Wrap(a)
		for _, s := range []string{"GET", " / HTTP/1.0", "\r\n"} {
			if _, err := nc.Write([]byte(s)); err != nil {
				t.Fatal(err)
			}
		}
		nc.Close()
		<-got
		if s := tr.String(); !strings.HasPrefix(s, "> ? ") || strings.Count(s, "\n") != 1 {
			t.Errorf("%q", s)
		}
	})
}
