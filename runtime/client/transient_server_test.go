package client_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/client/internal/librarytest"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server"
)

// librarian ends each call for a title as its script says, in order, and finds the book when that is over. A book's
// shelf is the number of calls for it.
type librarian struct {
	mu     sync.Mutex
	script map[string][]error // by title
	calls  map[string]int64
}

func (l *librarian) answer(title string) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls[title]++
	n := l.calls[title]
	if errs := l.script[title]; n <= int64(len(errs)) {
		return 0, errs[n-1]
	}
	return n, nil
}

func (l *librarian) asked(title string) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.calls[title]
}

func (l *librarian) Find(_ context.Context, title string) (int64, error)    { return l.answer(title) }
func (l *librarian) Lend(_ context.Context, title string) (int64, error)    { return l.answer(title) }
func (l *librarian) Reserve(_ context.Context, title string) (int64, error) { return l.answer(title) }

// TestTransientExceptionsOfAServer makes calls of generated methods of a real server, in all its dialects.
func TestTransientExceptionsOfAServer(t *testing.T) {
	l := &librarian{calls: make(map[string]int64), script: make(map[string][]error)}
	srv := server.New()
	if err := srv.Register(librarytest.NewLibraryService(l)); err != nil {
		t.Fatal(err)
	}
	address, err := srv.Listen("tcp://127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve() }()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	busy := func(n int32) error { return &librarytest.Busy{Queue: n} }
	quick := client.DefaultRetry
	quick.Backoff, quick.Floor = client.Backoff{Base: time.Millisecond, Factor: 1, Max: time.Millisecond}, 1000
	type method func(*librarytest.LibraryClient, string) (int64, error)
	find := method(func(c *librarytest.LibraryClient, title string) (int64, error) { return c.Find(ctx, title) })
	findAsync := method(func(c *librarytest.LibraryClient, title string) (int64, error) {
		return c.FindAsync(ctx, title).Wait(ctx)
	})
	lend := method(func(c *librarytest.LibraryClient, title string) (int64, error) { return c.Lend(ctx, title) })
	reserve := method(func(c *librarytest.LibraryClient, title string) (int64, error) { return c.Reserve(ctx, title) })
	reserveAsync := method(func(c *librarytest.LibraryClient, title string) (int64, error) {
		return c.ReserveAsync(ctx, title).Wait(ctx)
	})
	for _, dialect := range []struct {
		name string
		opts []client.Option
	}{
		{"native", nil},
		{"native, hedging", []client.Option{client.WithHedging(client.Hedging{Delay: time.Minute, Extra: 1})}},
		{"native, compact", []client.Option{client.WithEncoding(codec.Compact)}},
		{"Thrift", []client.Option{client.WithThrift(client.Thrift{})}},
		{"Thrift, header", []client.Option{client.WithThrift(client.Thrift{Transport: client.Header, Encoding: codec.Compact})}},
	} {
		conn, err := client.Dial(ctx, address, append(dialect.opts, client.WithRetry(quick))...)
		if err != nil {
			t.Fatal(err)
		}
		c := librarytest.NewLibraryClient(conn)
		for _, tt := range []struct {
			name   string
			call   method
			script []error
			shelf  int64 // 0: the call fails
			err    string
			asked  int64
		}{
			{"found", find, nil, 1, "", 1},
			{"busy", find, []error{busy(2), busy(1)}, 3, "", 3},
			{"busy, asynchronous", findAsync, []error{busy(2), busy(1)}, 3, "", 3},
			{"too busy", find, []error{busy(4), busy(3), busy(2), busy(1)}, 0, "Busy{queue: 1}", 4},
			{"too busy, asynchronous", findAsync, []error{busy(4), busy(3), busy(2), busy(1)}, 0, "Busy{queue: 1}", 4},
			{"permanent", find, []error{busy(1), &librarytest.NoSuchBook{Title: "x"}}, 0, `NoSuchBook{title: "x"}`, 2},
			{"unmarked", findAsync, []error{busy(1), &librarytest.Closed{}}, 0, "Closed{}", 2},
			{"wrapped", find, []error{fmt.Errorf("sorry: %w", busy(1))}, 2, "", 2},
			{"at most once", lend, []error{busy(1)}, 0, "Busy{queue: 1}", 1},
			{"no annotation", reserve, []error{busy(1)}, 0, "Busy{queue: 1}", 1},
			{"no annotation, asynchronous", reserveAsync, []error{busy(1)}, 0, "Busy{queue: 1}", 1},
		} {
			title := dialect.name + ": " + tt.name
			l.mu.Lock()
			l.script[title] = tt.script
			l.mu.Unlock()
			shelf, err := tt.call(c, title)
			var internal *rpc.Error
			switch {
			case shelf != tt.shelf || l.asked(title) != tt.asked:
				t.Errorf("%s: %d after %d calls, want %d after %d (%v)", title, shelf, l.asked(title), tt.shelf, tt.asked, err)
			case tt.err == "" && err != nil, tt.err != "" && (err == nil || err.Error() != tt.err), errors.As(err, &internal):
				t.Errorf("%s: %v, want %s", title, err, tt.err)
			case err != nil && rpc.IsTransient(err) != (tt.err == "Busy{queue: 1}"):
				t.Errorf("%s: %v is transient: %t", title, err, rpc.IsTransient(err))
			}
		}
		conn.Close()
	}
	if err := srv.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if err := <-served; !errors.Is(err, server.ErrClosed) {
		t.Error(err)
	}
}
