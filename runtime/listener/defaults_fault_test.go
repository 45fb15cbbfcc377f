//go:build linux

package listener

import (
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestTimesByDefault: what docs/limits.md says about them, and what the kernel was told about keep-alive.
func TestTimesByDefault(t *testing.T) {
	o := Options{}.withDefaults()
	for name, d := range map[string][2]time.Duration{
		"StallTimeout":     {o.StallTimeout, 10 * time.Second},
		"CloseGrace":       {o.CloseGrace, time.Second},
		"CheckInterval":    {o.CheckInterval, 500 * time.Millisecond},
		"KeepAlive":        {o.KeepAlive, 60 * time.Second},
		"HandshakeTimeout": {o.HandshakeTimeout, 5 * time.Second},
	} {
		if d[0] != d[1] {
			t.Errorf("%s is %v, want %v", name, d[0], d[1])
		}
	}
	_, c := connect(t, serve(t, Options{}, nil))
	for name, opt := range map[string]struct{ level, option, want int }{
		"SO_KEEPALIVE":  {unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		"TCP_KEEPIDLE":  {unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 60},
		"TCP_KEEPINTVL": {unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 20},
		"TCP_KEEPCNT":   {unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 3},
		"TCP_NODELAY":   {unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
	} {
		if got, err := unix.GetsockoptInt(int(c.conn.fd), opt.level, opt.option); got != opt.want || err != nil {
			t.Errorf("%s is %d, %v; want %d", name, got, err, opt.want)
		}
	}
	var lim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil {
		t.Fatal(err)
	}
	want := 65536
	if files := lim.Cur; files < 80_000 { // so 80 % of it are fewer
		want = max(1, min(int(files)*4/5, int(files)-32))
	}
	if o.MaxConns != want && !(want > 60_000 && o.MaxConns == 65536) {
		t.Errorf("MaxConns is %d with %d files, want %d", o.MaxConns, lim.Cur, want)
	}
}
