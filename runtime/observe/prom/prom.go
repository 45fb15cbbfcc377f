package prom

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kuafu-rpc/kuafu/runtime/observe"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// Options configures Metrics. The zero value of each field means its default.
type Options struct {
	// Buckets are the upper bounds of the histograms' buckets in seconds, rising; default DefaultBuckets.
	Buckets []float64
}

// DefaultBuckets returns the bounds 10 µs, 25 µs, 50 µs, 100 µs and so on up to 10 s. A call on a fast network takes
// less than the smallest bound of the buckets that are usual for web pages.
func DefaultBuckets() (bounds []float64) {
	for unit := 100_000; unit >= 1; unit /= 10 { // exact: they are written into labels
		bounds = append(bounds, 1/float64(unit), 2.5/float64(unit), 5/float64(unit))
	}
	return append(bounds, 10)
}

// Metrics is a prometheus.Collector. Its methods may be called concurrently.
type Metrics struct {
	calls, slow, unsent                *prometheus.CounterVec
	requests, requestsRaw              *prometheus.CounterVec
	replies, repliesRaw                *prometheus.CounterVec
	queue, processing, response        *prometheus.HistogramVec
	open                               *prometheus.GaugeVec
	accepted, closed, refused          *prometheus.CounterVec
	handshakes                         prometheus.Counter
	clientCalls, clientAttempts        *prometheus.CounterVec
	clientTime                         *prometheus.HistogramVec
	collectors                         []prometheus.Collector // all of the above
	queued, running, deferred, flights *prometheus.Desc

	served *observe.ByMethod[served]
	made   *observe.ByMethod[made]

	mu      sync.Mutex
	sources []source
}

type source struct {
	name string
	observe.Source
}

// New returns Metrics that count nothing yet. It panics if the buckets do not rise, as package prometheus does.
func New(o Options) *Metrics {
	if o.Buckets == nil {
		o.Buckets = DefaultBuckets()
	}
	m := &Metrics{}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "kuafu_rpc_" + name, Help: help}, labels)
		m.collectors = append(m.collectors, v)
		return v
	}
	histogram := func(name, help string) *prometheus.HistogramVec {
		v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "kuafu_rpc_" + name, Help: help, Buckets: o.Buckets}, []string{"method"})
		m.collectors = append(m.collectors, v)
		return v
	}
	m.calls = counter("calls_total", "Calls answered, by code.", "method", "code")
	m.slow = counter("slow_calls_total", "Calls that took longer than the method's calls usually do.", "method")
	m.unsent = counter("unsent_replies_total", "Replies that were not sent because the connection had ended.", "method")
	m.requests = counter("request_bytes_total", "Arguments as received.", "method")
	m.requestsRaw = counter("request_raw_bytes_total", "Arguments, decompressed.", "method")
	m.replies = counter("reply_bytes_total", "Replies as sent, headers included.", "method")
	m.repliesRaw = counter("reply_raw_bytes_total", "Replies, had they not been compressed.", "method")
	m.queue = histogram("queue_seconds", "Time that calls waited for a worker.")
	m.processing = histogram("processing_seconds", "Time that calls were decoded and executed.")
	m.response = histogram("response_seconds", "Time that replies were encoded and written.")
	m.open = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "kuafu_rpc_open_connections", Help: "Connections that are open."}, []string{"network"})
	m.accepted = counter("connections_total", "Connections accepted.", "network")
	m.closed = counter("connections_closed_total", "Connections ended, by reason.", "reason")
	m.refused = counter("connections_refused_total", "Connections closed at once, by limit.", "limit")
	m.handshakes = prometheus.NewCounter(prometheus.CounterOpts{Name: "kuafu_rpc_handshake_failures_total", Help: "Connections whose TLS handshake failed."})
	m.clientCalls = counter("client_calls_total", "Calls made, by code.", "method", "code")
	m.clientAttempts = counter("client_attempts_total", "Times that calls were sent.", "method")
	m.clientTime = histogram("client_call_seconds", "Time that callers waited.")
	m.collectors = append(m.collectors, m.open, m.handshakes)

	gauge := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("kuafu_rpc_"+name, help, []string{"server"}, nil)
	}
	m.queued = gauge("call_queue_length", "Calls that wait for a worker.")
	m.running = gauge("handlers_running", "Calls that have a worker.")
	m.deferred = gauge("deferred_calls", "Calls that their implementations will answer later.")
	m.flights = gauge("calls_in_flight", "Calls read and not answered.")

	m.served = observe.NewByMethod(m.newServed)
	m.made = observe.NewByMethod(m.newMade)
	return m
}

// Watch makes a server's queue and calls part of the metrics, under a name that is its own.
func (m *Metrics) Watch(name string, s observe.Source) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if slices.ContainsFunc(m.sources, func(have source) bool { return have.name == name }) {
		return fmt.Errorf("prom: a server %q is watched already", name)
	}
	m.sources = append(m.sources, source{name, s})
	slices.SortFunc(m.sources, func(a, b source) int { return cmp.Compare(a.name, b.name) })
	return nil
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range m.collectors {
		c.Describe(ch)
	}
	for _, d := range []*prometheus.Desc{m.queued, m.running, m.deferred, m.flights} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	for _, c := range m.collectors {
		c.Collect(ch)
	}
	m.mu.Lock()
	sources := slices.Clone(m.sources)
	m.mu.Unlock()
	for _, s := range sources {
		calls := s.Snapshot(0).Calls
		for _, g := range []struct {
			desc  *prometheus.Desc
			value int
		}{{m.queued, calls.Queued}, {m.running, calls.Running}, {m.deferred, calls.Deferred}, {m.flights, calls.InFlight}} {
			ch <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, float64(g.value), s.name)
		}
	}
}

// Events returns what feeds m. It may be given to any number of servers and clients.
func (m *Metrics) Events() observe.Events {
	return observe.Events{
		ConnOpened: func(c observe.ConnOpened) {
			m.open.WithLabelValues(c.Peer.Network).Inc()
			m.accepted.WithLabelValues(c.Peer.Network).Inc()
		},
		ConnClosed: func(c observe.ConnClosed) {
			m.open.WithLabelValues(c.Peer.Network).Dec()
			m.closed.WithLabelValues(string(c.End)).Inc()
		},
		ConnRefused:     func(c observe.ConnRefused) { m.refused.WithLabelValues(c.Limit).Inc() },
		HandshakeFailed: func(observe.HandshakeFailed) { m.handshakes.Inc() },
		CallDone:        func(c observe.CallDone) { m.served.Of(c.Method).add(&c) },
		SlowCall:        func(s observe.SlowCall) { m.served.Of(s.Method).slow.Inc() },
		ClientCallDone: func(c observe.ClientCallDone) {
			k := m.made.Of(c.Method)
			k.codes.of(c.Code()).Inc()
			k.attempts.Add(float64(c.Attempts))
			k.took.Observe(c.Took.Seconds())
		},
	}
}

// served are the metrics of one method of servers.
type served struct {
	codes                       codes
	queue, processing, response prometheus.Observer
	slow, unsent                prometheus.Counter
	requests, requestsRaw       prometheus.Counter
	replies, repliesRaw         prometheus.Counter
}

func (m *Metrics) newServed(method string) *served {
	return &served{
		codes:       codes{vec: m.calls, method: method},
		queue:       m.queue.WithLabelValues(method),
		processing:  m.processing.WithLabelValues(method),
		response:    m.response.WithLabelValues(method),
		slow:        m.slow.WithLabelValues(method),
		unsent:      m.unsent.WithLabelValues(method),
		requests:    m.requests.WithLabelValues(method),
		requestsRaw: m.requestsRaw.WithLabelValues(method),
		replies:     m.replies.WithLabelValues(method),
		repliesRaw:  m.repliesRaw.WithLabelValues(method),
	}
}

func (s *served) add(c *observe.CallDone) {
	s.codes.of(c.Code()).Inc()
	s.queue.Observe(seconds(c.Queue))
	if c.Err == nil || c.Err.Execution != rpc.NotExecuted {
		s.processing.Observe(seconds(c.Processing))
		if !c.Oneway && !c.Unsent {
			s.response.Observe(seconds(c.Response))
		}
	}
	if c.Unsent {
		s.unsent.Inc()
	}
	s.requests.Add(float64(c.RequestBytes))
	s.requestsRaw.Add(float64(c.RequestRawBytes))
	s.replies.Add(float64(c.ReplyBytes))
	s.repliesRaw.Add(float64(c.ReplyRawBytes))
}

// seconds never returns less than 0, which a clock that is set back could bring about.
func seconds(d time.Duration) float64 { return max(0, d).Seconds() }

// made are the metrics of one method of clients.
type made struct {
	codes    codes
	attempts prometheus.Counter
	took     prometheus.Observer
}

func (m *Metrics) newMade(method string) *made {
	return &made{
		codes:    codes{vec: m.clientCalls, method: method},
		attempts: m.clientAttempts.WithLabelValues(method),
		took:     m.clientTime.WithLabelValues(method),
	}
}

// codes are the counters of one method, made when a code is first seen: most methods know a few.
type codes struct {
	vec    *prometheus.CounterVec
	method string
	known  [rpc.Unauthenticated + 1]atomic.Pointer[prometheus.Counter]
}

func (c *codes) of(code rpc.Code) prometheus.Counter {
	if int(code) >= len(c.known) {
		return c.vec.WithLabelValues(c.method, observe.CodeName(rpc.Unknown))
	}
	if k := c.known[code].Load(); k != nil {
		return *k
	}
	k := c.vec.WithLabelValues(c.method, observe.CodeName(code))
	c.known[code].Store(&k)
	return k
}
