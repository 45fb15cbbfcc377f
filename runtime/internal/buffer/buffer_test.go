package buffer

import "testing"

// TestSizes: a slice has the length that was asked for, and an eighth more capacity at most.
func TestSizes(t *testing.T) {
	for n := 0; n <= 2*last; n += 1000 {
		for _, n := range []int{n, n | 1023, n | 1023 + 1} {
			b := Get(n)
			if len(b) != n || cap(b) > n+n/7+1 {
				t.Fatalf("Get(%d): length %d, capacity %d", n, len(b), cap(b))
			}
			Put(b)
		}
	}
}

// TestClasses: what fits a class has its capacity, so that Put knows it again, and no two classes share one.
func TestClasses(t *testing.T) {
	seen := make(map[int]int)
	for n := first - first/8 + 1; n <= last+last/8; n++ {
		i, size := class(n)
		if i < 0 {
			continue
		}
		if j, again := class(size); j != i || again != size {
			t.Fatalf("class(%d) is %d of %d bytes, class(%d) is %d of %d", n, i, size, size, j, again)
		}
		if other, ok := seen[i]; ok && other != size {
			t.Fatalf("class %d has %d and %d bytes", i, other, size)
		}
		seen[i] = size
	}
	if len(seen) != len(classes) {
		t.Errorf("%d classes are in use, there are %d", len(seen), len(classes))
	}
	if got, _ := class(last + last/8 + 1); got >= 0 {
		t.Errorf("%d bytes are in class %d", last+last/8+1, got)
	}
}

// TestForeign: what did not come from here is not taken, however it is cut.
func TestForeign(t *testing.T) {
	for _, b := range [][]byte{nil, {}, make([]byte, 100), make([]byte, 64<<10-1), make([]byte, 300<<10), make([]byte, 1<<20)} {
		if i, size := class(cap(b)); i >= 0 && size == cap(b) {
			t.Errorf("a slice of capacity %d would be kept", cap(b))
		}
		Put(b)
	}
	b := Get(64 << 10)
	if part := b[1:]; cap(part) == 64<<10 {
		t.Error("a part has the capacity of the whole")
	} else if i, size := class(cap(part)); i >= 0 && size == cap(part) {
		t.Error("a part of a buffer would be kept")
	}
}

// TestReuse: giving back and getting again allocates nothing.
func TestReuse(t *testing.T) {
	if allocs := testing.AllocsPerRun(100, func() { Put(Get(64 << 10)) }); allocs > 0.5 && !raceEnabled {
		t.Errorf("%v allocations", allocs)
	}
}
