package handler

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// levelItem is a call of somebody who has no other.
func levelItem(id uint64, level int) item { return itemOf(new(caller), id, level) }

func itemOf(c *caller, id uint64, level int) item {
	return item{call: &rpc.Call{ID: id}, caller: c, level: uint8(level)}
}

func TestMultiplexer(t *testing.T) {
	m := multiplexer{weights: []int{8, 4, 2, 1}}
	served := make([]int, 4)
	var order []int
	for range 30 {
		level := m.next()
		served[level]++
		if n := len(order); n == 0 || order[n-1] != level {
			order = append(order, level)
		}
	}
	if got := fmt.Sprint(served, order); got != "[16 8 4 2] [0 1 2 3 0 1 2 3]" {
		t.Errorf("served and order: %s", got)
	}
}

func TestFairQueueCapacity(t *testing.T) {
	for _, tt := range []struct {
		capacity int
		weights  []int
		want     string
	}{
		{100, []int{1, 1, 1, 1}, "[25 25 25 25]"},
		{103, []int{1, 1, 1, 1}, "[25 25 25 28]"},
		{100, []int{8, 4, 2, 1}, "[53 26 13 8]"},
		{15, []int{8, 4, 2, 1}, "[8 4 2 1]"},
		{1, []int{1, 1, 1, 1}, "[1 1 1 1]"}, // no level without room
		{7, []int{3}, "[7]"},
	} {
		q := newFairQueue(tt.capacity, tt.weights, tt.weights)
		bounds := make([]int, len(q.levels))
		for i := range q.levels {
			bounds[i] = q.levels[i].part
		}
		if got := fmt.Sprint(bounds); got != tt.want {
			t.Errorf("%d by %v: %s, want %s", tt.capacity, tt.weights, got, tt.want)
		}
	}
}

func TestFairQueueCascades(t *testing.T) {
	q := newFairQueue(6, []int{1, 1, 1}, []int{4, 2, 1}) // two in each level
	for id := range uint64(6) {
		if !q.push(levelItem(id, 0)) {
			t.Fatalf("no room for call %d", id)
		}
	}
	if q.push(levelItem(6, 0)) || q.push(levelItem(7, 2)) {
		t.Error("a full queue took a call")
	}
	if got := fmt.Sprint(q.overflow); got != "[4 2 0]" {
		t.Errorf("overflow %s", got)
	}
	var order []uint64
	for it, ok := q.pop(); ok; it, ok = q.pop() {
		order = append(order, it.call.ID)
	}
	// Four turns of level 0, of which two find it empty and take the most urgent there is; then level 1's turn, which
	// finds it empty too.
	if got := fmt.Sprint(order); got != "[0 1 2 3 4 5]" {
		t.Errorf("order %s", got)
	}
	if q.size() != 0 {
		t.Errorf("size %d", q.size())
	}
	// The last level has what the others leave free.
	for id := range uint64(6) {
		if !q.push(levelItem(id, 2)) {
			t.Fatalf("no room on the last level for call %d", id)
		}
	}
	if q.push(levelItem(6, 2)) || q.push(levelItem(7, 0)) {
		t.Error("a full queue took a call")
	}
}

// One caller cannot fill the queue: the more there is in it, the less room has who has most of it.
func TestFairQueueLeavesRoom(t *testing.T) {
	q := newFairQueue(900, []int{1, 1, 1, 1}, []int{8, 4, 2, 1})
	fill := func(c *caller) (n int) {
		for q.push(itemOf(c, 0, 3)) {
			n++
		}
		return n
	}
	first, second, system := new(caller), new(caller), &caller{service: true}
	if n := fill(first); n != 800 {
		t.Errorf("one caller got room for %d calls, want eight ninths", n)
	}
	if n := fill(second); n != 89 {
		t.Errorf("a second one then got %d places of 100", n)
	}
	for range 450 { // those who left have done so in turns
		q.pop()
	}
	if first.queued != 800-361 || second.queued != 0 {
		t.Errorf("%d and %d are left", first.queued, second.queued)
	}
	if n := fill(second); second.queued != n || n < 400 {
		t.Errorf("now it got %d", n)
	}
	if n := fill(first); n != 0 {
		t.Errorf("the first one, with %d, got another %d", first.queued, n)
	}
	fill(system)
	if q.size() != 900 {
		t.Errorf("a service user found no room behind %d calls", q.size())
	}
}

// On one level, nobody waits behind another's backlog.
func TestFairQueueTakesTurnsByCaller(t *testing.T) {
	q := newFairQueue(100, []int{1}, []int{1})
	greedy, modest, third := new(caller), new(caller), new(caller)
	for id := range uint64(6) {
		q.push(itemOf(greedy, id, 0))
	}
	q.push(itemOf(modest, 10, 0))
	q.push(itemOf(modest, 11, 0))
	q.push(itemOf(third, 20, 0))
	var order []uint64
	next := func(n int) {
		for range n {
			it, _ := q.pop()
			order = append(order, it.call.ID)
		}
	}
	next(5)
	q.push(itemOf(third, 21, 0))
	next(5)
	if got := fmt.Sprint(order); got != "[0 10 20 1 11 2 21 3 4 5]" {
		t.Errorf("order %s", got)
	}
	for i, c := range []*caller{greedy, modest, third} {
		if c.queued != 0 || q.levels[0].last != nil {
			t.Errorf("caller %d has %d calls in an empty queue", i, c.queued)
		}
	}
	if len(q.nodes) != 10 {
		t.Errorf("room for %d calls was made; there were 9 at most", len(q.nodes)-1)
	}
}

func TestFairQueueUsesUpTurns(t *testing.T) {
	q := newFairQueue(100, []int{1, 1}, []int{2, 1})
	for id := range uint64(6) {
		q.push(levelItem(id, 1))
	}
	q.push(levelItem(10, 0))
	var order []uint64
	for it, ok := q.pop(); ok; it, ok = q.pop() {
		order = append(order, it.call.ID)
	}
	if got := fmt.Sprint(order); got != "[10 0 1 2 3 4 5]" {
		t.Errorf("order %s", got)
	}
}

// model is what a fairQueue does, said without rings and counters.
type model struct {
	parts    []int
	bound    int
	levels   [][]*line
	schedule []int
	at       int
}

// line is a caller's calls on a level.
type line struct {
	who int
	ids []uint64
}

func newModel(q *fairQueue, turns []int) *model {
	m := &model{levels: make([][]*line, len(turns)), bound: q.bound}
	for i, n := range turns {
		m.parts = append(m.parts, q.levels[i].part)
		for range n {
			m.schedule = append(m.schedule, i)
		}
	}
	return m
}

// count returns how many calls there are on a level, -1 for all, of a caller, -1 for all.
func (m *model) count(level, who int) (n int) {
	for i, lines := range m.levels {
		for _, l := range lines {
			if (level < 0 || level == i) && (who < 0 || who == l.who) {
				n += len(l.ids)
			}
		}
	}
	return n
}

func (m *model) push(id uint64, who, level int) bool {
	free := m.bound - m.count(-1, -1)
	if free == 0 || m.count(-1, who) >= 8*free {
		return false
	}
	for level < len(m.levels)-1 && m.count(level, -1) >= m.parts[level] {
		level++
	}
	for _, l := range m.levels[level] {
		if l.who == who {
			l.ids = append(l.ids, id)
			return true
		}
	}
	m.levels[level] = append(m.levels[level], &line{who, []uint64{id}})
	return true
}

func (m *model) pop() (uint64, bool) {
	candidates := []int{m.schedule[m.at]}
	for i := range m.levels {
		candidates = append(candidates, i)
	}
	for _, i := range candidates {
		if m.count(i, -1) == 0 {
			continue
		}
		m.at = (m.at + 1) % len(m.schedule)
		for {
			l := m.levels[i][0]
			m.levels[i] = m.levels[i][1:]
			if len(l.ids) == 0 { // dropped
				continue
			}
			id := l.ids[0]
			if l.ids = l.ids[1:]; len(l.ids) > 0 {
				m.levels[i] = append(m.levels[i], l)
			}
			return id, true
		}
	}
	return 0, false
}

func (m *model) drop(id uint64) {
	for _, lines := range m.levels {
		for _, l := range lines {
			if len(l.ids) > 0 && l.ids[0] == id {
				l.ids = l.ids[1:]
			}
		}
	}
}

func TestFairQueueAgainstModel(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		n := 1 + r.IntN(5)
		weights, turns := make([]int, n), make([]int, n)
		for i := range n {
			weights[i], turns[i] = 1+r.IntN(9), 1+r.IntN(9)
		}
		q := newFairQueue(1+r.IntN(300), weights, turns)
		m := newModel(q, turns)
		callers := make([]caller, 1+r.IntN(2*maxHeads))
		for id := range uint64(2000) {
			who := r.IntN(1 + r.IntN(len(callers))) // some have more calls than others
			switch r.IntN(20) {
			default:
				level := r.IntN(n)
				if got, want := q.push(itemOf(&callers[who], id, level)), m.push(id, who, level); got != want {
					t.Fatalf("seed %d: push of %d to level %d: %v, want %v", seed, id, level, got, want)
				}
			case 0, 1, 2, 3, 4, 5, 6, 7, 8:
				it, ok := q.pop()
				want, wantOK := m.pop()
				if ok != wantOK || ok && it.call.ID != want {
					t.Fatalf("seed %d: pop: %v %v, want %d %v", seed, it.call, ok, want, wantOK)
				}
			case 9:
				drops := 0
				q.heads(&callers[who], func(it item) bool {
					if it.call.ID%3 != 0 || drops == 10 {
						return false
					}
					drops++
					m.drop(it.call.ID)
					return true
				})
				for i := range n { // its own lanes were looked at in any case
					for _, l := range m.levels[i] {
						if drops < 10 && l.who == who && len(l.ids) > 0 && l.ids[0]%3 == 0 {
							t.Fatalf("seed %d: call %d was left at the front", seed, l.ids[0])
						}
					}
				}
			}
			if q.size() != m.count(-1, -1) {
				t.Fatalf("seed %d: size %d, want %d", seed, q.size(), m.count(-1, -1))
			}
			for i := range callers {
				if want := m.count(-1, i); callers[i].queued != want {
					t.Fatalf("seed %d: caller %d has %d queued, want %d", seed, i, callers[i].queued, want)
				}
			}
		}
	}
}

// Under a queue that is never empty on any level, each level gets its share of the workers, whatever arrives.
func TestFairQueueShares(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	weights := []int{8, 4, 2, 1}
	q := newFairQueue(400, []int{1, 1, 1, 1}, weights)
	served := make([]int, 4)
	for range 15_000 {
		for level := range weights {
			l := &q.levels[level]
			for l.n < l.part && (l.n == 0 || r.IntN(3) == 0) { // bursts of random length
				q.push(levelItem(uint64(level), level))
			}
		}
		it, _ := q.pop()
		served[it.level]++
	}
	for level, w := range weights {
		if share, want := float64(served[level])/15_000, float64(w)/15; share < want*0.9 || share > want*1.1 {
			t.Errorf("level %d got %.3f of the workers, want %.3f (%v)", level, share, want, served)
		}
	}
}
