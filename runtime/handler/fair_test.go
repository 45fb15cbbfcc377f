package handler

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

func levelItem(id uint64, level int) item { return item{call: &rpc.Call{ID: id}, level: uint8(level)} }

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
			bounds[i] = q.levels[i].bound
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
	if got := fmt.Sprint(q.overflow); got != "[5 3 2]" {
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
	// Calls never go up: those of the last level have only that.
	q.push(levelItem(1, 2))
	q.push(levelItem(2, 2))
	if q.push(levelItem(3, 2)) {
		t.Error("a call of the last level found room elsewhere")
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
	bounds   []int
	levels   [][]uint64
	schedule []int
	at       int
}

func newModel(q *fairQueue, turns []int) *model {
	m := &model{levels: make([][]uint64, len(turns))}
	for i, n := range turns {
		m.bounds = append(m.bounds, q.levels[i].bound)
		for range n {
			m.schedule = append(m.schedule, i)
		}
	}
	return m
}

func (m *model) push(id uint64, level int) bool {
	for i := level; i < len(m.levels); i++ {
		if len(m.levels[i]) < m.bounds[i] {
			m.levels[i] = append(m.levels[i], id)
			return true
		}
	}
	return false
}

func (m *model) pop() (uint64, bool) {
	candidates := []int{m.schedule[m.at]}
	for i := range m.levels {
		candidates = append(candidates, i)
	}
	for _, i := range candidates {
		if len(m.levels[i]) > 0 {
			id := m.levels[i][0]
			m.levels[i] = m.levels[i][1:]
			m.at = (m.at + 1) % len(m.schedule)
			return id, true
		}
	}
	return 0, false
}

func (m *model) drop(id uint64) {
	for i := range m.levels {
		if len(m.levels[i]) > 0 && m.levels[i][0] == id {
			m.levels[i] = m.levels[i][1:]
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
		for id := range uint64(2000) {
			switch r.IntN(20) {
			default:
				level := r.IntN(n)
				if got, want := q.push(levelItem(id, level)), m.push(id, level); got != want {
					t.Fatalf("seed %d: push of %d to level %d: %v, want %v", seed, id, level, got, want)
				}
			case 0, 1, 2, 3, 4, 5, 6, 7, 8:
				it, ok := q.pop()
				want, wantOK := m.pop()
				if ok != wantOK || ok && it.call.ID != want {
					t.Fatalf("seed %d: pop: %v %v, want %d %v", seed, it.call, ok, want, wantOK)
				}
			case 9:
				q.heads(func(it item) bool {
					if it.call.ID%3 != 0 {
						return false
					}
					m.drop(it.call.ID)
					return true
				})
			}
			size := 0
			for _, l := range m.levels {
				size += len(l)
			}
			if q.size() != size {
				t.Fatalf("seed %d: size %d, want %d", seed, q.size(), size)
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
			for l.n < l.bound && (l.n == 0 || r.IntN(3) == 0) { // bursts of random length
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
