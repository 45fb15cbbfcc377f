package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// process is a server in a process of its own.
type process struct {
	t       testing.TB
	cmd     *exec.Cmd
	in      io.WriteCloser
	reports *json.Decoder
	log     *bytes.Buffer // what it wrote to its standard error; complete once it has ended
	address string
	waited  sync.Once
	err     error
}

// start runs a server until it is killed, or the test ends.
func start(t testing.TB, c config) *process {
	t.Helper()
	settings, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: exec.Command(os.Args[0]), log: new(bytes.Buffer)}
	p.cmd.Env = append(os.Environ(), childEnv+"="+string(settings))
	p.cmd.Stderr = p.log
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.reports = json.NewDecoder(out)
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // it may have ended
		_ = p.wait()
	})
	p.address = p.next().Address
	return p
}

// next returns the server's next report.
func (p *process) next() (r report) {
	p.t.Helper()
	if err := p.reports.Decode(&r); err != nil {
		_ = p.cmd.Process.Kill()
		p.t.Fatalf("the server reports nothing: %v; %v; its log: %s", err, p.wait(), p.log)
	}
	return r
}

// report asks the server for a report.
func (p *process) report() report {
	p.t.Helper()
	if _, err := io.WriteString(p.in, "report\n"); err != nil {
		p.t.Fatal(err)
	}
	return p.next()
}

// await waits until the server's handlers have been started n times.
func (p *process) await(n int64) {
	p.t.Helper()
	late := time.Now().Add(soon)
	for r := p.report(); r.Begun < n; r = p.report() {
		if time.Now().After(late) {
			p.t.Fatalf("%d handlers began, want %d", r.Begun, n)
		}
		time.Sleep(5 * time.Millisecond) // another process has no channel to wait on
	}
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
	if s == syscall.SIGSTOP {
		p.stopped()
	}
}

// stopped waits until every thread of the server stands still, which on a busy machine takes a while.
func (p *process) stopped() {
	p.t.Helper()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(p.cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil || pid != p.cmd.Process.Pid || !status.Stopped():
			p.t.Fatalf("the server did not stop: %v, %v", status, err)
		default:
			return
		}
	}
}

// kill ends the server as kill -9 does.
func (p *process) kill() {
	p.t.Helper()
	p.signal(syscall.SIGKILL)
	var exit *exec.ExitError
	if err := p.wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		p.t.Fatalf("the killed server: %v; its log: %s", err, p.log)
	}
}

// terminate ends the server as an operator does, and returns its last report.
func (p *process) terminate() report {
	p.t.Helper()
	p.signal(syscall.SIGTERM)
	r := p.next()
	if err := p.wait(); err != nil {
		p.t.Errorf("the server: %v; its log: %s", err, p.log)
	}
	return r
}

func (p *process) wait() error {
	p.waited.Do(func() { p.err = p.cmd.Wait() })
	return p.err
}

// dial returns a client that is closed when the test ends.
func dial(t testing.TB, address string, opts ...client.Option) *client.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	c, err := client.Dial(ctx, address, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// call makes a call and checks that the reply is its own.
func call(ctx context.Context, c rpc.Caller, m *rpc.Method, o order) (receipt, error) {
	var r receipt
	err := c.Call(ctx, m, &o, &r)
	if err == nil && r.ID != o.ID {
		return r, rpc.Errorf(rpc.DataLoss, "call %d got the reply of %d", o.ID, r.ID)
	}
	return r, err
}

// failure returns err as an *rpc.Error, and fails the test if it is none.
func failure(t testing.TB, err error) *rpc.Error {
	t.Helper()
	var e *rpc.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *rpc.Error", err)
	}
	return e
}
