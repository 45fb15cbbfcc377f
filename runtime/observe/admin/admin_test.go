package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/observe"
	"github.com/kuafu-rpc/kuafu/runtime/observe/admin"
)

// server is a Source in a given state with many connections.
type server struct{ state string }

func (s server) Snapshot(conns int) observe.Snapshot {
	p := observe.Snapshot{State: s.state, Addresses: []string{"tcp://127.0.0.1:1"}, Services: []string{"Echo"}, Limits: map[string]int64{"workers": 4}}
	p.Conns.Open = 5000
	p.Conns.List = make([]observe.Conn, min(conns, p.Conns.Open))
	return p
}

func get(h http.Handler, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "/livez", nil)
	r.Host = "localhost:1234"
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func path(p string) func(*http.Request) {
	return func(r *http.Request) {
		target := httptest.NewRequest("GET", p, nil)
		r.URL, r.RequestURI = target.URL, target.RequestURI
	}
}

// A page in an operator's browser must not reach the address, whatever name it gives to 127.0.0.1.
func TestHost(t *testing.T) {
	h := admin.New(admin.Options{Hosts: []string{"Ops.example.org", "proxy:8443"}})
	for host, want := range map[string]int{
		"localhost": 200, "localhost:80": 200, "LOCALHOST.": 200, "127.0.0.1": 200, "127.0.0.1:9": 200, "127.8.9.10:1": 200,
		"[::1]": 200, "[::1]:9": 200, "[::ffff:127.0.0.1]:9": 200,
		"ops.example.org": 200, "OPS.example.org:99": 200, "proxy:8443": 200,
		"": 403, "evil.example": 403, "evil.example:80": 403, "localhost.evil.example": 403, "localhost:80.evil.example": 403, "evil.example/localhost": 403,
		"proxy:1": 403, "10.0.0.1": 403, "0.0.0.0": 403, "[::]": 403, "169.254.169.254": 403, "127.0.0.1.evil.example": 403, "2130706433": 403, "::1%25lo": 403,
	} {
		w := get(h, func(r *http.Request) {
			r.Host = host
			r.Header.Set("X-Forwarded-Host", "localhost") // of no consequence
			r.Header.Set("X-Forwarded-For", "127.0.0.1")
		})
		if w.Code != want {
			t.Errorf("Host %q: %d, want %d", host, w.Code, want)
		}
	}
}

func TestReadOnly(t *testing.T) {
	h := admin.New(admin.Options{})
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "MKCOL"} {
		for _, p := range []string{"/livez", "/debug/pprof/symbol", "/connz"} {
			w := get(h, func(r *http.Request) { path(p)(r); r.Method = method })
			if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: %d", method, p, w.Code)
			}
		}
	}
	if w := get(h, func(r *http.Request) { r.Method = "HEAD" }); w.Code != 200 {
		t.Errorf("HEAD: %d", w.Code)
	}
	for site, want := range map[string]int{"cross-site": 403, "same-site": 403, "same-origin": 200, "none": 200} {
		if w := get(h, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", site) }); w.Code != want {
			t.Errorf("from %s: %d, want %d", site, w.Code, want)
		}
	}
}

func TestHealth(t *testing.T) {
	no := func() error { return errors.New("the disk is full") }
	serving, draining := map[string]observe.Source{"a": server{"serving"}}, map[string]observe.Source{"a": server{"serving"}, "b": server{"draining"}}
	for _, tt := range []struct {
		name                 string
		o                    admin.Options
		live, ready, healthy int
		text                 string
	}{
		{"nothing to ask", admin.Options{}, 200, 200, 200, "ok"},
		{"serving", admin.Options{Servers: serving}, 200, 200, 200, "ok"},
		{"draining", admin.Options{Servers: draining}, 200, 503, 503, "server b is draining"},
		{"not ready", admin.Options{Servers: serving, Ready: no}, 200, 503, 503, "the disk is full"},
		{"dead", admin.Options{Servers: serving, Live: no}, 503, 200, 503, "the disk is full"},
	} {
		h := admin.New(tt.o)
		for p, want := range map[string]int{"/livez": tt.live, "/readyz": tt.ready, "/healthz": tt.healthy} {
			w := get(h, path(p))
			if w.Code != want || want == tt.healthy && !strings.Contains(w.Body.String(), tt.text) {
				t.Errorf("%s: %s is %d %q, want %d", tt.name, p, w.Code, w.Body, want)
			}
		}
	}
}

func TestConnz(t *testing.T) {
	h := admin.New(admin.Options{Servers: map[string]observe.Source{"main": server{"serving"}}})
	for p, want := range map[string]int{"/connz": 1000, "/connz?n=0": 0, "/connz?n=7": 7, "/connz?n=1000000": 5000} {
		var got struct{ Servers map[string]observe.Snapshot }
		w := get(h, path(p))
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Header().Get("Content-Type") != "application/json" {
			t.Fatalf("%s: %v in %s", p, err, w.Body)
		}
		if s := got.Servers["main"]; len(s.Conns.List) != want || s.Conns.Open != 5000 || s.Limits["workers"] != 4 || s.State != "serving" {
			t.Errorf("%s: %d of %d connections", p, len(s.Conns.List), s.Conns.Open)
		}
	}
	for _, p := range []string{"/connz?n=-1", "/connz?n=x", "/connz?n=1000001", "/connz?n=99999999999999999999", "/debug/pprof/profile?seconds=3600",
		"/debug/pprof/trace?seconds=NaN", "/debug/pprof/profile?seconds=-1", "/debug/pprof/heap?seconds=61"} {
		if w := get(h, path(p)); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", p, w.Code, w.Body)
		}
	}
}

// waiting is a Source that answers when it is told to.
type waiting struct{ asked, answer chan struct{} }

func (s waiting) Snapshot(int) observe.Snapshot {
	s.asked <- struct{}{}
	<-s.answer
	return observe.Snapshot{}
}

func TestDumpsAreBounded(t *testing.T) {
	s := waiting{make(chan struct{}), make(chan struct{})}
	h := admin.New(admin.Options{Servers: map[string]observe.Source{"main": s}})
	codes := make(chan int, 2)
	for range 2 {
		go func() { codes <- get(h, path("/connz")).Code }()
		<-s.asked
	}
	for _, p := range []string{"/connz", "/debug/pprof/heap", "/debug/pprof/"} {
		if w := get(h, path(p)); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("a third dump, %s: %d", p, w.Code)
		}
	}
	if w := get(h, nil); w.Code != 200 {
		t.Errorf("/livez meanwhile: %d", w.Code)
	}
	close(s.answer)
	for range 2 {
		if code := <-codes; code != 200 {
			t.Errorf("the first two: %d", code)
		}
	}
	if w := get(h, path("/debug/pprof/goroutine?debug=1")); w.Code != 200 || !strings.Contains(w.Body.String(), "goroutine profile") {
		t.Errorf("afterwards: %d", w.Code)
	}
}

func TestPages(t *testing.T) {
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "up 1\n") })
	with, without := admin.New(admin.Options{Metrics: metrics}), admin.New(admin.Options{})
	if w := get(with, path("/metrics")); w.Code != 200 || w.Body.String() != "up 1\n" {
		t.Errorf("/metrics: %d %s", w.Code, w.Body)
	}
	if w := get(without, path("/metrics")); w.Code != 404 {
		t.Errorf("/metrics without metrics: %d", w.Code)
	}
	if w := get(without, path("/nowhere")); w.Code != 404 {
		t.Errorf("a page that there is not: %d", w.Code)
	}
	index := get(with, path("/"))
	for line := range strings.Lines(index.Body.String()) {
		if w := get(with, path(strings.TrimSpace(line))); w.Code != 200 {
			t.Errorf("the index lists %q, which is %d", line, w.Code)
		}
	}
	if h := index.Header(); h.Get("X-Frame-Options") != "DENY" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", h)
	}
}

func TestListen(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "tcp://", "tcp://0.0.0.0:0", "tcp://:0", "tcp://[::]:0", "tcp://10.0.0.1:0", "tcp://example.org:0", "udp://127.0.0.1:1", "unix://", "unix://" + file, "unix://" + filepath.Join(dir, "no", "where")} {
		if ln, err := admin.Listen(bad); err == nil {
			ln.Close()
			t.Errorf("%q was taken", bad)
		}
	}
	if b, err := os.ReadFile(file); string(b) != "precious" {
		t.Errorf("the file in the way: %q, %v", b, err)
	}
	sock := filepath.Join(dir, "s")
	stale, err := net.Listen("unix", sock)
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	stale.Close() // its file stays
	for _, address := range []string{"tcp://127.0.0.1:0", "tcp://localhost:0", "unix://" + sock} {
		ln, err := admin.Listen(address)
		if err != nil {
			t.Fatalf("%s: %v", address, err)
		}
		if address == "unix://"+sock {
			if info, err := os.Stat(sock); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the socket: %v, %v", info, err)
			}
			if second, err := admin.Listen(address); err == nil {
				second.Close()
				t.Error("a live socket was replaced")
			}
		}
		srv := admin.Server(admin.New(admin.Options{}))
		served := make(chan error, 1)
		go func() { served <- srv.Serve(ln) }()
		c := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, ln.Addr().Network(), addr(ln, sock))
		}}}
		resp, err := c.Get("http://localhost/livez")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 || string(body) != "ok\n" {
			t.Errorf("%s: %s %q", address, resp.Status, body)
		}
		c.CloseIdleConnections()
		srv.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "s*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// addr is where ln can be reached: a Unix socket that was renamed knows only its first name.
func addr(ln net.Listener, sock string) string {
	if ln.Addr().Network() == "unix" {
		return sock
	}
	return ln.Addr().String()
}

func Example() {
	ln, err := admin.Listen("tcp://127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	page := admin.Server(admin.New(admin.Options{Servers: map[string]observe.Source{"main": server{"serving"}}})) // a *server.Server, as a rule
	go page.Serve(ln)
	defer page.Close()

	resp, err := http.Get("http://" + ln.Addr().String() + "/readyz")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status)
	// Output: 200 OK
}
