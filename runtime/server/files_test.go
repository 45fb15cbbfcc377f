package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/server"
	"github.com/kuafu-rpc/kuafu/runtime/server/internal/echotest"
)

// childEnv makes the test binary a server with few file descriptors. Its value says how many connections that takes:
// "default", or "any" for as many as come.
const childEnv = "KUAFU_SERVER_TEST_CHILD"

func TestMain(m *testing.M) {
	if mode := os.Getenv(childEnv); mode != "" {
		if err := child(mode); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child serves until its standard input ends.
func child(mode string) error {
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 64, Max: 64}); err != nil {
		return err
	}
	// An event loop takes two files, and a machine may have more processors than these are enough for.
	opts := []server.Option{server.WithLogger(slog.New(slog.DiscardHandler)), server.WithLoops(2)}
	if mode == "any" {
		opts = append(opts, server.WithMaxConns(-1, -1))
	}
	srv := server.New(opts...)
	if err := srv.Register(echotest.NewEchoService(newEcho())); err != nil {
		return err
	}
	address, err := srv.Listen("tcp://127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(address)
	stopped := make(chan error, 1)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		ctx, cancel := context.WithTimeout(context.Background(), soon)
		defer cancel()
		stopped <- srv.Shutdown(ctx)
	}()
	if err := srv.Serve(); !errors.Is(err, server.ErrClosed) {
		return err
	}
	return <-stopped
}

// 5,000 connections to a process that may have 64 files: it turns most of them away, goes on serving those it has, and
// serves newcomers as soon as there is room.
func TestOutOfFiles(t *testing.T) {
	for _, mode := range []string{"default", "any"} {
		t.Run(mode, func(t *testing.T) {
			noLeaks(t)
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), childEnv+"="+mode)
			cmd.Stderr = os.Stderr
			stdin, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				stdin.Close()
				if err := cmd.Wait(); err != nil {
					t.Errorf("the server ended with %v", err)
				}
			})
			address, err := bufio.NewReader(stdout).ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			address = strings.TrimSpace(address)
			dial := func() *echotest.EchoClient {
				c, err := client.Dial(t.Context(), address, client.WithWaitForReady())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { c.Close() })
				return echotest.NewEchoClient(c)
			}
			watch(t, dial())
			flood(t, strings.TrimPrefix(address, "tcp://"), 5000)

			begin := time.Now()
			newcomer := dial() // the connections of the flood are closed by now, on this side at least
			for ctx := t.Context(); ; {
				if _, err := newcomer.Echo(ctx, message(1)); err == nil {
					break
				} else if time.Since(begin) > soon {
					t.Fatal(err)
				}
			}
			if d := time.Since(begin); d > 5*time.Second {
				t.Errorf("a newcomer waited for %v", d)
			}
			most := 128 << 20
			if raceEnabled {
				most *= 4 // the race detector notes what was done with each byte
			}
			if peak := peakRSS(t, cmd.Process.Pid); peak > most {
				t.Errorf("the server took %d MiB", peak>>20)
			} else {
				t.Logf("the server took %d MiB", peak>>20)
			}
		})
	}
}

// flood opens so many connections, keeps the last thousand of them open, sends half a frame on each, and closes them all.
func flood(t *testing.T, address string, n int) {
	t.Helper()
	const kept = 1000
	conns := make(chan net.Conn, kept)
	keep := func(nc net.Conn) {
		for {
			select {
			case conns <- nc:
				return
			default:
			}
			select {
			case old := <-conns:
				old.Close()
			default:
			}
		}
	}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for range n / 10 {
				nc, err := net.DialTimeout("tcp", address, soon)
				if err != nil {
					t.Error(err)
					return
				}
				nc.Write(preamble()[:20]) // it may be closed already
				keep(nc)
			}
		})
	}
	wg.Wait()
	close(conns)
	for nc := range conns {
		nc.Close()
	}
}

// peakRSS returns the most memory that a process has had, in bytes; 0 where the system does not tell.
func peakRSS(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	return 0
}
