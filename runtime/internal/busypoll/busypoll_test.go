package busypoll

import (
	"math/rand/v2"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

func TestWindow(t *testing.T) {
	const us = time.Microsecond
	for _, test := range []struct {
		name string
		most time.Duration
		now  time.Duration
		d    []time.Duration
		want time.Duration
	}{
		{"opens", 200 * us, 0, []time.Duration{150 * us}, first},
		{"doubles until it is wide enough", 200 * us, 0, []time.Duration{35 * us, 35 * us, 35 * us, 35 * us}, 40 * us},
		{"stays", 200 * us, 80 * us, []time.Duration{1 * us, 80 * us, 2 * us}, 80 * us},
		{"has a bound", 200 * us, 160 * us, []time.Duration{190 * us, 200 * us, 200 * us}, 200 * us},
		{"one that is late halves it", 200 * us, 160 * us, []time.Duration{time.Second}, 80 * us},
		{"those that are late close it", 200 * us, 160 * us, []time.Duration{201 * us, 201 * us, 201 * us, 201 * us, 201 * us}, 0},
		{"what takes its time never opens it", 200 * us, 0, []time.Duration{201 * us, time.Hour, 300 * us}, 0},
		{"a bound below the first step", 5 * us, 0, []time.Duration{3 * us, 4 * us}, 5 * us},
		{"off", 0, 0, []time.Duration{1 * us, 0}, 0},
	} {
		w := Window{Most: test.most, Now: test.now}
		for _, d := range test.d {
			w.Waited(d)
		}
		if w.Now != test.want {
			t.Errorf("%s: %v, want %v", test.name, w.Now, test.want)
		}
	}
	r := rand.New(rand.NewPCG(5, 6))
	for range 1000 {
		w := Window{Most: time.Duration(r.IntN(int(time.Millisecond)))}
		for range 100 {
			w.Waited(time.Duration(r.IntN(2 * int(time.Millisecond))))
			if w.Now < 0 || w.Now > w.Most {
				t.Fatalf("%+v", w)
			}
		}
	}
}

func TestHalfOfTheProcessorsLook(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	for procs, want := range map[int]int{1: 0, 2: 1, 3: 1, 8: 4} {
		runtime.GOMAXPROCS(procs)
		n := 0
		for n < 100 && Start() {
			n++
		}
		for range n {
			Done()
		}
		if n != want {
			t.Errorf("%d processors: %d look, want %d", procs, n, want)
		}
	}
	if n := lookers.Load(); n != 0 {
		t.Errorf("%d are still looking", n)
	}
}

func TestLook(t *testing.T) {
	const window = 5 * time.Millisecond
	began := time.Now()
	looks := 0
	for l := For(began, window); l.Again(); {
		looks++
	}
	if took := time.Since(began); took < window || looks == 0 {
		t.Errorf("%d looks in %v", looks, took)
	}
	if l := For(began, window); l.Again() {
		t.Error("a look after the end")
	}
	synctest.Test(t, func(t *testing.T) { // where looking takes no time
		looks := 0
		for l := For(time.Now(), window); l.Again(); {
			looks++
		}
		if want := int(window / least); looks != want {
			t.Errorf("%d looks, want %d", looks, want)
		}
	})
}
