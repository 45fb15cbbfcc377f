package codec

import (
	"math"
	"runtime"
	"testing"
	"unsafe"
)

// allocated returns how many bytes f allocates. Other goroutines may allocate at the same time, so it is the least of
// several tries.
func allocated(f func()) int64 {
	least := int64(math.MaxInt64)
	var before, after runtime.MemStats
	for range 5 {
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		least = min(least, int64(after.TotalAlloc-before.TotalAlloc))
	}
	return least
}

func TestAllocSizeCoversSizeClasses(t *testing.T) {
	for n := 1; n < 100<<10; n++ {
		if n > 4096 && n%61 != 0 {
			continue
		}
		// append rounds the capacity up to what the allocator takes.
		if got := cap(append([]byte(nil), make([]byte, n)...)); allocSize(int64(n)) < int64(got) {
			t.Fatalf("allocSize(%d) = %d, the allocator takes %d", n, allocSize(int64(n)), got)
		}
		if got := 8 * cap(append([]*int(nil), make([]*int, n)...)); allocSize(8*int64(n)) < int64(got) {
			t.Fatalf("allocSize(%d) = %d, the allocator takes %d for pointers", 8*n, allocSize(8*int64(n)), got)
		}
	}
}

func TestMapSizeCoversMaps(t *testing.T) {
	sizes := []int{0, 1, 7, 8, 9, 14, 15, 28, 29, 100, 112, 113, 447, 448, 449, 800, 895, 896, 897, 1000, 1592, 1593, 2000,
		3185, 5000, 12743, 30000, 102000}
	for _, n := range sizes {
		testMap(t, n, func(i int) int32 { return int32(i) }, false)
		testMap(t, n, func(i int) int64 { return int64(i) << 32 }, "value")
		testMap(t, n, func(i int) int16 { return int16(i) }, struct{}{})
		testMap(t, n, func(i int) [16]byte { return [16]byte{byte(i), byte(i >> 8), byte(i >> 16)} }, (*int)(nil))
		if n <= 5000 {
			testMap(t, n, func(i int) [200]byte { return [200]byte{byte(i), byte(i >> 8)} }, [130]*int{})
		}
	}
}

func testMap[K comparable, V any](t *testing.T, n int, key func(i int) K, v V) {
	t.Helper()
	var charged int64
	got := allocated(func() {
		d := Decoder{budget: math.MaxInt64}
		m := MakeMap[K, V](&d, n)
		for i := range n {
			m[key(i)] = v
		}
		charged = math.MaxInt64 - d.budget
		runtime.KeepAlive(m)
	})
	if got > charged {
		t.Errorf("map[%T]%T of %d entries allocates %d bytes, %d are charged", key(0), v, n, got, charged)
	}
	per := float64(charged) / float64(max(n, 1))
	if slot := unsafe.Sizeof(struct {
		k K
		v V
	}{}); n > 100 && per > 3.5*(float64(slot)+20) {
		t.Errorf("map[%T]%T of %d entries is charged %.1f bytes per entry of %d", key(0), v, n, per, slot)
	}
}
