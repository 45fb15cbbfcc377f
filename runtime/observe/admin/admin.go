// Package admin serves what operators look at over HTTP: health, metrics, connections and profiles.
//
// It is read-only, and it has an address of its own, which belongs on a loopback address or a Unix socket: see Listen.
// Requests are answered only if their Host is one that Options allow, and if no other site's page has sent them, so that
// a page in an operator's browser cannot reach it by way of a name that it points at 127.0.0.1.
package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/kuafu-rpc/kuafu/runtime/observe"
)

// Options says what there is to see. The zero value of each field means its default.
type Options struct {
	// Servers are shown under their names.
	Servers map[string]observe.Source

	// Metrics answers /metrics, such as promhttp's handler; default nil: there is no such page.
	Metrics http.Handler

	// Live says why the process should be restarted, nil if it should not; default: it should not.
	Live func() error

	// Ready says why no calls should be sent here, nil if they may. It is asked besides the servers, which are ready while
	// they serve. Default: nothing else counts.
	Ready func() error

	// Hosts are names that requests may have in Host, besides localhost and loopback addresses: those under which a proxy
	// or another machine reaches the page. Without a port, any port will do.
	Hosts []string
}

// The limits of what a request may ask for.
const (
	defaultConns = 1000      // listed by /connz
	maxConns     = 1_000_000 // ?n=
	maxSeconds   = 60        // of a profile
	maxDumps     = 2         // profiles and dumps at a time
)

// New returns the handler of all pages:
//
//	/            the list of pages
//	/livez       200, or 503 and the reason: whether the process works
//	/readyz      likewise: whether every server serves
//	/healthz     both
//	/metrics     Options.Metrics
//	/connz       the servers as JSON: calls, limits, connections (?n=, default 1000; the rest is only counted)
//	/debug/pprof the profiles of package net/http/pprof, for at most 60 seconds each
//
// Profiles and connections are expensive: two such requests are answered at a time, further ones with 503.
func New(o Options) http.Handler {
	a := &admin{o: o, dumps: make(chan struct{}, maxDumps)}
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", a.index)
	mux.HandleFunc("/livez", a.health(a.live))
	mux.HandleFunc("/readyz", a.health(a.ready))
	mux.HandleFunc("/healthz", a.health(func() error { return errors.Join(a.live(), a.ready()) }))
	mux.HandleFunc("/connz", a.dump(a.connz))
	mux.HandleFunc("/debug/pprof/", a.dump(pprof.Index))
	mux.HandleFunc("/debug/pprof/cmdline", a.dump(pprof.Cmdline))
	mux.HandleFunc("/debug/pprof/profile", a.dump(pprof.Profile))
	mux.HandleFunc("/debug/pprof/symbol", a.dump(pprof.Symbol))
	mux.HandleFunc("/debug/pprof/trace", a.dump(pprof.Trace))
	if o.Metrics != nil {
		mux.Handle("/metrics", o.Metrics)
	}
	return a.guard(mux)
}

type admin struct {
	o     Options
	dumps chan struct{} // a token for each expensive request under way
}

// guard lets requests through that only read, and that nobody else's page has sent.
func (a *admin) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cache-Control", "no-store")
		switch site := r.Header.Get("Sec-Fetch-Site"); {
		case !a.allowed(r.Host):
			http.Error(w, "this host name is not allowed here", http.StatusForbidden)
		case site == "cross-site" || site == "same-site":
			http.Error(w, "requests of other sites are not allowed", http.StatusForbidden)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "this page is read-only", http.StatusMethodNotAllowed)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// allowed reports whether a Host header is one of ours. No header of a proxy is believed.
func (a *admin) allowed(host string) bool {
	name := host
	if n, port, err := net.SplitHostPort(host); err == nil {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return false
		}
		name = n
	}
	name = strings.ToLower(strings.TrimSuffix(strings.Trim(name, "[]"), "."))
	if name == "localhost" {
		return true
	}
	if ip, err := netip.ParseAddr(name); err == nil && ip.Zone() == "" && ip.Unmap().IsLoopback() {
		return true
	}
	return slices.ContainsFunc(a.o.Hosts, func(h string) bool { return strings.EqualFold(h, name) || strings.EqualFold(h, host) })
}

func (a *admin) index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	pages := []string{"/livez", "/readyz", "/healthz", "/connz", "/debug/pprof/"}
	if a.o.Metrics != nil {
		pages = append(pages, "/metrics")
	}
	slices.Sort(pages)
	fmt.Fprintln(w, strings.Join(pages, "\n"))
}

func (a *admin) live() error {
	if a.o.Live == nil {
		return nil
	}
	return a.o.Live()
}

func (a *admin) ready() error {
	var errs []error
	for _, name := range a.names() {
		if state := a.o.Servers[name].Snapshot(0).State; state != "serving" {
			errs = append(errs, fmt.Errorf("server %s is %s", name, state))
		}
	}
	if a.o.Ready != nil {
		errs = append(errs, a.o.Ready())
	}
	return errors.Join(errs...)
}

// names returns the servers' names in order.
func (a *admin) names() []string {
	names := make([]string, 0, len(a.o.Servers))
	for name := range a.o.Servers {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// health answers what probes ask.
func (a *admin) health(check func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if err := check(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintln(w, "ok")
	}
}

// dump bounds how many expensive requests there are at once, and for how long.
func (a *admin) dump(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s := r.FormValue("seconds"); s != "" {
			if n, err := strconv.ParseFloat(s, 64); err != nil || !(n > 0 && n <= maxSeconds) {
				http.Error(w, fmt.Sprintf("seconds must be above 0 and at most %d", maxSeconds), http.StatusBadRequest)
				return
			}
		}
		select {
		case a.dumps <- struct{}{}:
			defer func() { <-a.dumps }()
			next(w, r)
		default:
			w.Header().Set("Retry-After", "5")
			http.Error(w, "others are looking already", http.StatusServiceUnavailable)
		}
	}
}

// connz answers with the servers' snapshots.
func (a *admin) connz(w http.ResponseWriter, r *http.Request) {
	n := defaultConns
	if s := r.FormValue("n"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil || n < 0 || n > maxConns {
			http.Error(w, fmt.Sprintf("n must be a number from 0 to %d", maxConns), http.StatusBadRequest)
			return
		}
	}
	servers := make(map[string]observe.Snapshot, len(a.o.Servers))
	for name, s := range a.o.Servers {
		servers[name] = s.Snapshot(n)
	}
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(map[string]any{"servers": servers}) // a reader that has gone cannot be told
}
