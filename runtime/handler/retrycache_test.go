package handler

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

func retryID(client byte, number uint64) *RetryEntry {
	return &RetryEntry{ClientID: rpc.ClientID{client}, Number: number, Method: "Test.run"}
}

func withResult(e *RetryEntry, size int) *RetryEntry {
	e.Result = make([]byte, size)
	return e
}

var t0 = time.Unix(1_000_000, 0)

func TestRetryCacheStates(t *testing.T) {
	r := newRetryCache(1<<20, 10*time.Minute)
	e, v := r.begin(retryID(1, 1), t0)
	if v != verdictRun {
		t.Fatalf("a new call: %v", v)
	}
	if same, v := r.begin(retryID(1, 1), t0); v != verdictWait || same != e {
		t.Errorf("while it runs: %v", v)
	}
	if _, v := r.begin(retryID(2, 1), t0); v != verdictRun {
		t.Errorf("another client's: %v", v)
	}
	other := retryID(1, 1)
	other.Method = "Test.walk"
	if e, v := r.begin(other, t0); v != verdictMismatch || e != nil {
		t.Errorf("another method: %v", v)
	}
	thief := retryID(1, 1)
	thief.Identity = "tls:mallory"
	if e, v := r.begin(thief, t0); v != verdictMismatch || e != nil {
		t.Errorf("another identity: %v", v)
	}
	r.complete(withResult(retryID(1, 1), 10), t0.Add(time.Second))
	if e, v := r.begin(retryID(1, 1), t0.Add(10*time.Minute)); v != verdictDone || len(e.outcome.Result) != 10 {
		t.Errorf("when it is done: %v", v)
	}
	if _, v := r.begin(thief, t0.Add(10*time.Minute)); v != verdictMismatch {
		t.Errorf("another identity: %v", v)
	}
	if _, v := r.begin(retryID(1, 1), t0.Add(10*time.Minute+time.Second)); v != verdictRun {
		t.Errorf("after its age: %v", v)
	}
	if r.hits != 1 || r.updates != 1 || r.cleared != 1 || r.evicted != 0 {
		t.Errorf("counted %d %d %d %d", r.hits, r.updates, r.cleared, r.evicted)
	}
}

func TestRetryCacheForgetsTheOldestAndRemembersThatItDid(t *testing.T) {
	r := newRetryCache(64<<10, 10*time.Minute)
	for n := uint64(1); n <= 100; n++ {
		if _, v := r.begin(retryID(1, n), t0); v != verdictRun {
			t.Fatalf("call %d: %v", n, v)
		}
		r.complete(withResult(retryID(1, n), 4000), t0)
		if r.bytes > r.limit {
			t.Fatalf("%d bytes after call %d", r.bytes, n)
		}
	}
	oldest := r.done.Front().Value.(*retryEntry).outcome.Number
	if oldest < 80 || r.done.Len() != int(101-oldest) {
		t.Fatalf("%d outcomes from %d on", r.done.Len(), oldest)
	}
	if _, v := r.begin(retryID(1, oldest-1), t0); v != verdictForgotten {
		t.Errorf("a forgotten call: %v", v)
	}
	if _, v := r.begin(retryID(1, oldest), t0); v != verdictDone {
		t.Errorf("the oldest that is kept: %v", v)
	}
	if _, v := r.begin(retryID(1, 101), t0); v != verdictRun {
		t.Errorf("a new call: %v", v)
	}
	if _, v := r.begin(retryID(2, 1), t0); v != verdictRun {
		t.Errorf("another client's first call: %v", v)
	}
	// A mark lasts as long as an outcome would have.
	if _, v := r.begin(retryID(1, 1), t0.Add(10*time.Minute)); v != verdictRun {
		t.Errorf("after its age: %v", v)
	}
}

func TestRetryCacheLargeOutcome(t *testing.T) {
	r := newRetryCache(64<<10, time.Minute)
	r.begin(retryID(1, 1), t0)
	r.complete(withResult(retryID(1, 1), 100), t0)
	r.begin(retryID(1, 2), t0)
	r.complete(withResult(retryID(1, 2), 9<<10), t0) // over an eighth
	if _, v := r.begin(retryID(1, 2), t0); v != verdictForgotten {
		t.Errorf("the large one: %v", v)
	}
	if _, v := r.begin(retryID(1, 1), t0); v != verdictDone {
		t.Errorf("the small one: %v", v)
	}
}

func TestRetryCacheFull(t *testing.T) {
	r := newRetryCache(64<<10, time.Minute)
	n := uint64(0)
	for {
		n++
		if _, v := r.begin(retryID(1, n), t0); v == verdictFull {
			break
		} else if v != verdictRun {
			t.Fatalf("call %d: %v", n, v)
		}
	}
	if r.bytes > r.limit || int(n) < r.limit/retryOverhead {
		t.Errorf("full with %d calls, %d bytes", n-1, r.bytes)
	}
	if w := r.next(retryKey{rpc.ClientID{1}, 1}); w != nil {
		t.Error("a waiter from nowhere")
	}
	if _, v := r.begin(retryID(1, n), t0); v != verdictRun {
		t.Errorf("after one was given up: %v", v)
	}
}

func TestRetryCacheMarksAreBounded(t *testing.T) {
	r := newRetryCache(64<<10, time.Minute)
	refused := 0
	for i := range 10_000 {
		id := retryID(0, 1)
		id.ClientID = rpc.ClientID{byte(i), byte(i >> 8), 1}
		if _, v := r.begin(id, t0); v == verdictFull {
			refused++
			continue
		}
		id.Result = make([]byte, 7000)
		r.complete(id, t0)
		if r.bytes > r.limit+markOverhead {
			t.Fatalf("%d bytes", r.bytes)
		}
	}
	if refused == 0 || len(r.marks) > r.limit/markOverhead {
		t.Errorf("%d marks, %d refused", len(r.marks), refused)
	}
	if _, v := r.begin(retryID(9, 1), t0.Add(time.Minute)); v != verdictRun || len(r.marks) != 0 {
		t.Errorf("a minute later: %v, %d marks", v, len(r.marks))
	}
}

func TestRetryCacheRestore(t *testing.T) {
	r := newRetryCache(1<<20, time.Minute)
	fresh, old := withResult(retryID(1, 1), 1), withResult(retryID(1, 2), 2)
	fresh.Completed, old.Completed = t0.Add(-59*time.Second), t0.Add(-time.Minute)
	r.restore(fresh, t0)
	r.restore(old, t0)
	if _, v := r.begin(retryID(1, 1), t0); v != verdictDone {
		t.Errorf("the fresh one: %v", v)
	}
	if _, v := r.begin(retryID(1, 2), t0); v != verdictRun {
		t.Errorf("the old one: %v", v)
	}
	r.restore(withResult(retryID(1, 2), 9), t0) // it runs here by now
	if _, v := r.begin(retryID(1, 2), t0); v != verdictWait {
		t.Errorf("the running one: %v", v)
	}
	if _, v := r.begin(retryID(1, 1), t0.Add(time.Second)); v != verdictRun {
		t.Errorf("the fresh one, when a minute has passed since it was done: %v", v)
	}
}

func TestRetryCacheWaiters(t *testing.T) {
	r := newRetryCache(1<<20, time.Minute)
	e, _ := r.begin(retryID(1, 1), t0)
	var waiters []*waiter
	for range maxWaiters {
		w := new(waiter)
		if !e.wait(w) {
			t.Fatal("no room for a waiter")
		}
		waiters = append(waiters, w)
	}
	if e.wait(new(waiter)) {
		t.Error("one waiter too many")
	}
	if !e.unwait(waiters[3]) || e.unwait(waiters[3]) {
		t.Error("a waiter leaves once")
	}
	if w := r.next(e.key()); w != waiters[0] {
		t.Error("the first waiter takes over")
	}
	if got := r.complete(withResult(retryID(1, 1), 1), t0); len(got) != maxWaiters-2 || got[0] != waiters[1] {
		t.Errorf("%d waiters get the outcome", len(got))
	}
	if r.complete(withResult(retryID(1, 1), 2), t0) != nil || r.updates != 1 {
		t.Error("a call was completed twice")
	}
}

// Against a map that forgets nothing: no call that was executed within the age is ever to be run again, and what is
// replayed is what it came to.
func TestRetryCacheAgainstMap(t *testing.T) {
	const age = time.Minute
	type record struct {
		running bool
		done    time.Time
		size    int
	}
	seen := map[verdict]int{}
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 3))
		limit := 64<<10 + r.IntN(256<<10)
		cache := newRetryCache(limit, age)
		truth := make(map[retryKey]*record)
		last := make([]uint64, 4)
		now := t0
		for range 2000 {
			now = now.Add(time.Duration(r.IntN(200)) * time.Millisecond)
			client := r.IntN(4)
			if r.IntN(2) == 0 { // a new call, or one on its way again
				last[client]++
			}
			number := last[client] - uint64(r.IntN(int(min(last[client], 30)+1)))
			if number == 0 {
				continue
			}
			key := retryKey{rpc.ClientID{byte(client)}, number}
			known := truth[key]
			e, v := cache.begin(retryID(byte(client), number), now)
			seen[v]++
			switch v {
			case verdictRun:
				if known != nil && (known.running || now.Sub(known.done) < age) {
					t.Fatalf("seed %d: %v is executed twice", seed, key)
				}
				truth[key] = &record{running: true}
			case verdictWait:
				if known == nil || !known.running {
					t.Fatalf("seed %d: %v does not run", seed, key)
				}
			case verdictDone:
				if known == nil || known.running || len(e.outcome.Result) != known.size {
					t.Fatalf("seed %d: %v has another outcome", seed, key)
				}
			case verdictFull:
				if cache.done.Len() > 0 {
					t.Fatalf("seed %d: full with %d outcomes to drop", seed, cache.done.Len())
				}
			}
			for key, known := range truth { // some end
				if !known.running || r.IntN(6) > 0 {
					continue
				}
				if r.IntN(5) == 0 {
					cache.next(key)
					delete(truth, key) // it was not executed
					continue
				}
				known.running, known.done, known.size = false, now, r.IntN(limit/6)
				cache.complete(withResult(retryID(key.client[0], key.number), known.size), now)
			}
			bytes := len(cache.marks) * markOverhead
			for _, e := range cache.entries {
				bytes += e.size
			}
			if bytes != cache.bytes || cache.marked.Len() != len(cache.marks) {
				t.Fatalf("seed %d: %d bytes, counted %d", seed, bytes, cache.bytes)
			}
			if cache.bytes > limit+4*markOverhead {
				t.Fatalf("seed %d: %d bytes, the limit is %d", seed, cache.bytes, limit)
			}
		}
	}
	for v := verdictRun; v <= verdictForgotten; v++ {
		if v != verdictMismatch && seen[v] == 0 {
			t.Errorf("verdict %d was never seen: %s", v, fmt.Sprint(seen))
		}
	}
}
