package reader

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// TestCallTable compares the table with a map, for ids that rise in all ways: by one, by chance, and by the number of places, so
// that they all collide.
func TestCallTable(t *testing.T) {
	steps := map[string]func() uint64{
		"one":       func() uint64 { return 1 },
		"few":       func() uint64 { return 1 + rand.Uint64N(5) },
		"far":       func() uint64 { return 1 + rand.Uint64N(1<<40) },
		"colliding": func() uint64 { return 1 << 20 },
	}
	for name, step := range steps {
		t.Run(name, func(t *testing.T) {
			var table callTable
			model := make(map[uint64]*rpc.Call)
			var ids []uint64 // of the model
			id := uint64(0)
			for round := range 20_000 {
				most := 300
				if round%4000 > 3000 { // runs empty
					most = 0
				}
				if len(ids) < most && rand.IntN(2) == 0 {
					id += step()
					c := &rpc.Call{ID: id}
					table.add(c)
					model[id] = c
					ids = append(ids, id)
				} else if k := len(ids); k > 0 {
					i := rand.IntN(k)
					table.remove(model[ids[i]])
					delete(model, ids[i])
					ids = slices.Delete(ids, i, i+1)
				}
				ring := callRing{}
				if table.more != nil {
					ring = *table.more
				}
				n := ring.n
				if table.one != nil {
					n++
				}
				if n != len(model) {
					t.Fatalf("%d calls, want %d", n, len(model))
				}
				for _, probe := range []uint64{id, id + 1, rand.Uint64N(id + 2), rand.Uint64()} {
					if table.find(probe) != model[probe] {
						t.Fatalf("call %d: %v, want %v", probe, table.find(probe), model[probe])
					}
				}
				if n == 0 && (len(ring.ring) > keepCalls || ring.rest != nil) {
					t.Fatalf("empty, the table has %d places", len(ring.ring))
				}
				if len(ring.ring) > 4*300 {
					t.Fatalf("%d places", len(ring.ring))
				}
			}
			all := table.appendTo(nil)
			if len(all) != len(model) {
				t.Errorf("%d calls listed, want %d", len(all), len(model))
			}
			for _, c := range all {
				if model[c.ID] != c {
					t.Errorf("call %d is listed", c.ID)
				}
			}
		})
	}
}

func BenchmarkCallTable(b *testing.B) {
	calls := make([]rpc.Call, 128)
	var table callTable
	id := uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		id++
		c := &calls[id%128]
		if c.ID != 0 {
			table.remove(c)
		}
		c.ID = id
		table.add(c)
	}
}
