package compress

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/golang/snappy"
)

// bodies are inputs of the shapes that matter: empty, tiny, around a chunk's size, dense, random, and mixed.
func bodies() map[string][]byte {
	random := func(n int) []byte {
		b := make([]byte, n)
		_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
		return b
	}
	text := func(n int) []byte {
		return bytes.Repeat([]byte("a call, a reply; "), n/17+1)[:n]
	}
	m := map[string][]byte{
		"empty": {}, "one": {7}, "mixed": slices.Concat(text(70_000), random(70_000), text(70_000), random(5)),
	}
	for _, n := range []int{16, 17, 1000, maxChunkData - 1, maxChunkData, maxChunkData + 1, 3*maxChunkData + 17} {
		m[fmt.Sprintf("text-%d", n)] = text(n)
		m[fmt.Sprintf("random-%d", n)] = random(n)
	}
	return m
}

func TestRoundTrip(t *testing.T) {
	prefix := []byte("before")
	for name, body := range bodies() {
		packed := AppendSnappy(slices.Clone(prefix), body)
		if !bytes.HasPrefix(packed, prefix) {
			t.Fatalf("%s: what was in dst is gone", name)
		}
		packed = packed[len(prefix):]
		if n := MaxSnappyLen(len(body)); len(packed) > n {
			t.Errorf("%s: %d bytes became %d, at most %d promised", name, len(body), len(packed), n)
		}
		got, err := DecodeSnappy(slices.Clone(prefix), packed, len(body), len(body))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !bytes.Equal(got, slices.Concat(prefix, body)) {
			t.Errorf("%s: came back different", name)
		}
	}
}

// What we write, golang/snappy's Reader reads, and the reverse.
func TestInteroperates(t *testing.T) {
	for name, body := range bodies() {
		got, err := io.ReadAll(snappy.NewReader(bytes.NewReader(AppendSnappy(nil, body))))
		if err != nil || !bytes.Equal(got, body) {
			t.Errorf("%s: the Reader got %d bytes, %v", name, len(got), err)
		}
		if len(body) == 0 {
			continue // the Writer writes nothing at all then, not even the identifier
		}
		var theirs bytes.Buffer
		w := snappy.NewBufferedWriter(&theirs)
		if _, err := w.Write(body); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		got, err = DecodeSnappy(nil, theirs.Bytes(), len(body), len(body))
		if err != nil || !bytes.Equal(got, body) {
			t.Errorf("%s: from the Writer we got %d bytes, %v", name, len(got), err)
		}
	}
}

func TestChunkThatDoesNotShrinkIsRaw(t *testing.T) {
	body := bodies()["mixed"] // text, then both in one chunk, then random bytes
	packed := AppendSnappy(nil, body)
	var kinds []byte
	for b := packed[len(identifier):]; len(b) > 0; {
		h := binary.LittleEndian.Uint32(b)
		kinds = append(kinds, byte(h))
		b = b[chunkHeader+h>>8:]
	}
	if want := []byte{chunkCompressed, chunkCompressed, chunkCompressed, chunkCompressed}; !bytes.Equal(kinds, want) {
		t.Errorf("mixed: chunk types %v, want %v", kinds, want)
	}
	if packed := AppendSnappy(nil, bodies()["random-65536"]); packed[len(identifier)] != chunkUncompressed {
		t.Errorf("random: chunk type %v", packed[len(identifier)])
	}
}

// chunk returns one chunk with a right checksum of data, whatever its content.
func chunk(kind byte, data, content []byte) []byte {
	b := make([]byte, chunkHeader+checksumSize, chunkHeader+checksumSize+len(content))
	putChunkHeader(b, kind, checksumSize+len(content))
	binary.LittleEndian.PutUint32(b[chunkHeader:], maskedCRC(data))
	return append(b, content...)
}

// plain returns a chunk without a checksum.
func plain(kind byte, content string) []byte {
	b := make([]byte, chunkHeader)
	putChunkHeader(b, kind, len(content))
	return append(b, content...)
}

func stream(chunks ...[]byte) []byte {
	return slices.Concat([]byte(identifier), slices.Concat(chunks...))
}

func TestDecode(t *testing.T) {
	hello := []byte("hello, hello, hello, hello")
	packed := chunk(chunkCompressed, hello, snappy.Encode(nil, hello))
	raw := chunk(chunkUncompressed, hello, hello)
	damaged := slices.Clone(raw)
	damaged[len(damaged)-1] ^= 1
	big := bytes.Repeat([]byte{'x'}, maxChunkData+1)
	// A block that says it holds 1 GiB, and one that says 64 KiB, which is allowed but for its own length.
	lie := []byte{0x80, 0x80, 0x80, 0x80, 0x04, 0}
	smallLie := []byte{0x80, 0x80, 0x04, 0}
	const (
		n     = 26
		limit = 1 << 20
	)
	for _, tc := range []struct {
		name    string
		src     []byte
		rawSize int
		err     error
	}{
		{"compressed", stream(packed), n, nil},
		{"raw", stream(raw), n, nil},
		{"both", stream(packed, raw), 2 * n, nil},
		{"identifier only", stream(), 0, nil},
		{"identifier again", stream(packed, []byte(identifier), raw), 2 * n, nil},
		{"padding", stream(plain(0xfe, "\x00\x00\x00"), packed, plain(0xfe, "")), n, nil},
		{"skippable", stream(plain(0x80, "new"), packed, plain(0xfd, "")), n, nil},
		{"many skippable", stream(bytes.Repeat(plain(0x80, ""), 100_000), packed), n, nil},
		{"skippable, over a chunk's size", stream(plain(0x90, string(make([]byte, 100_000))), packed), n, nil},
		{"no data in a raw chunk", stream(chunk(chunkUncompressed, nil, nil), packed), n, nil},
		{"no data in a compressed chunk", stream(chunk(chunkCompressed, nil, []byte{0}), packed), n, nil},

		{"nothing", nil, 0, ErrCorrupt},
		{"no identifier", packed, n, ErrCorrupt},
		{"skippable before the identifier", slices.Concat(plain(0xfe, ""), stream(packed)), n, ErrCorrupt},
		{"another identifier", stream(plain(chunkIdentifier, "sNaPpX"), packed), n, ErrCorrupt},
		{"empty identifier", stream(plain(chunkIdentifier, ""), packed), n, ErrCorrupt},
		{"must be understood, lowest", stream(plain(0x02, ""), packed), n, ErrCorrupt},
		{"must be understood, highest", stream(plain(0x7f, ""), packed), n, ErrCorrupt},
		{"negative size", stream(packed), -1, ErrCorrupt},
		{"one byte less declared", stream(packed), n - 1, ErrCorrupt},
		{"one byte more declared", stream(packed), n + 1, ErrCorrupt},
		{"one raw byte less declared", stream(raw), n - 1, ErrCorrupt},
		{"one raw byte more declared", stream(raw), n + 1, ErrCorrupt},
		{"over the limit", stream(make([]byte, limit)), limit + 1, ErrTooLarge},
		{"more than it can hold", stream(packed), 22*len(stream(packed)) + 65, ErrCorrupt},
		{"largest int", stream(packed), math.MaxInt, ErrTooLarge},
		{"checksum, compressed", stream(chunk(chunkCompressed, []byte("other"), snappy.Encode(nil, hello))), n, ErrCorrupt},
		{"checksum, raw", stream(damaged), n, ErrCorrupt},
		{"raw chunk over 64 KiB", stream(chunk(chunkUncompressed, big, big)), len(big), ErrCorrupt},
		{"compressed chunk over 64 KiB", stream(chunk(chunkCompressed, big, snappy.Encode(nil, big))), len(big), ErrCorrupt},
		{"block of no bytes", stream(chunk(chunkCompressed, nil, nil)), 0, ErrCorrupt},
		{"block that lies by 1 GiB", stream(chunk(chunkCompressed, nil, lie), make([]byte, 500)), 1000, ErrCorrupt},
		{"block that lies a little", stream(chunk(chunkCompressed, nil, smallLie)), 64, ErrCorrupt},
		{"block with an endless size", stream(chunk(chunkCompressed, nil, bytes.Repeat([]byte{0xff}, 20))), 64, ErrCorrupt},
		{"truncated header", stream(packed, []byte{0xfe, 0, 0}), n, ErrCorrupt},
		{"truncated chunk", stream(packed[:len(packed)-1]), n, ErrCorrupt},
		{"truncated skippable", stream(packed, []byte{0xfe, 1, 0, 0}), n, ErrCorrupt},
		{"chunk of 16 MiB", stream(packed, []byte{0xfe, 0xff, 0xff, 0xff}), n, ErrCorrupt},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dst := []byte("before")
			got, err := DecodeSnappy(dst, tc.src, tc.rawSize, limit)
			if !errors.Is(err, tc.err) { // for nil: if there is one
				t.Fatalf("error %v, want %v", err, tc.err)
			}
			want := "before"
			if err == nil {
				want += string(bytes.Repeat(hello, tc.rawSize/n))
			}
			if string(got) != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// A data chunk too short for its checksum made some readers spin without getting anywhere (CVE-2026-44302). So try
// every chunk type with every length around that size, whole and cut off.
func TestShortChunks(t *testing.T) {
	for kind := range 0x100 {
		for declared := range 12 {
			for given := range declared + 1 {
				src := stream(plain(byte(kind), string(make([]byte, declared)))[:chunkHeader+given])
				_, err := DecodeSnappy(nil, src, 0, 100)
				skippable := kind >= chunkSkippable && kind != chunkIdentifier
				if ok := skippable && given == declared; ok != (err == nil) {
					t.Errorf("type %#02x, length %d of %d: %v", kind, given, declared, err)
				}
			}
		}
	}
}

// allocated returns how many bytes f allocates. Others may allocate at the same time, so it is the least of three tries.
func allocated(f func()) uint64 {
	least := uint64(math.MaxUint64)
	var before, after runtime.MemStats
	for range 3 {
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}

func TestBombsAllocateNothing(t *testing.T) {
	gib := []byte{0x80, 0x80, 0x80, 0x80, 0x04, 0} // a block that says it holds 1 GiB
	for name, tc := range map[string]struct {
		src     []byte
		rawSize int
	}{
		"declared":           {stream(make([]byte, 100)), 1 << 30},
		"in the block":       {stream(chunk(chunkCompressed, nil, gib)), 100},
		"as much as allowed": {stream(chunk(chunkCompressed, nil, gib)), 22 * 24},
	} {
		var err error
		n := allocated(func() { _, err = DecodeSnappy(nil, tc.src, tc.rawSize, 1<<31-1) })
		if err == nil || n > 64<<10 {
			t.Errorf("%s: allocated %d bytes for %d, error %v", name, n, len(tc.src), err)
		}
	}
}

// The densest body there is gets through: the bound on the ratio refuses nothing that is real.
func TestDensestBody(t *testing.T) {
	body := make([]byte, 16<<20)
	packed := AppendSnappy(nil, body)
	got, err := DecodeSnappy(nil, packed, len(body), len(body))
	if err != nil || !bytes.Equal(got, body) {
		t.Fatal(err)
	}
	if ratio := len(body) / len(packed); ratio < 20 {
		t.Errorf("ratio %d: this is not the densest body", ratio)
	}
}

func TestReuseAllocatesNothing(t *testing.T) {
	for name, body := range bodies() {
		packed := AppendSnappy(nil, body)
		dst := make([]byte, 0, MaxSnappyLen(len(body))+11<<10)
		if n := testing.AllocsPerRun(10, func() { AppendSnappy(dst, body) }); n != 0 {
			t.Errorf("%s: AppendSnappy allocates %v times", name, n)
		}
		dst = make([]byte, 0, len(body))
		if n := testing.AllocsPerRun(10, func() { _, _ = DecodeSnappy(dst, packed, len(body), len(body)) }); n != 0 {
			t.Errorf("%s: DecodeSnappy allocates %v times", name, n)
		}
	}
}

// FuzzSnappyFraming takes any input as a stream and as a body. As a stream: whatever golang/snappy's Reader makes of it,
// so do we, within the promised memory. As a body: it comes back.
func FuzzSnappyFraming(f *testing.F) {
	hello := []byte("hello, hello, hello, hello")
	f.Add([]byte{}, 0)
	f.Add(hello, 26)
	f.Add(stream(chunk(chunkCompressed, hello, snappy.Encode(nil, hello)), chunk(chunkUncompressed, hello, hello)), 52)
	f.Add(stream(plain(0xfe, "\x00\x00"), plain(0x80, "")), 0)
	f.Add([]byte(identifier+"\x00\x01\x00\x00\x00"), 1)
	f.Add(stream(chunk(chunkCompressed, nil, []byte{0x80, 0x80, 0x80, 0x80, 0x04, 0})), 1<<30)
	f.Fuzz(func(t *testing.T, b []byte, rawSize int) {
		const limit = 1 << 20
		var err error
		if n := allocated(func() { _, err = DecodeSnappy(nil, b, rawSize, limit) }); n > uint64(maxRatio*len(b)+ratioPad+64<<10) {
			t.Errorf("allocated %d bytes for %d", n, len(b))
		}

		theirs, theirErr := io.ReadAll(snappy.NewReader(bytes.NewReader(b)))
		ours, err := DecodeSnappy(nil, b, len(theirs), math.MaxInt)
		switch {
		case err == nil && !bytes.Equal(ours, theirs):
			t.Errorf("decoded to %x, by the Reader to %x", ours, theirs)
		case theirErr == nil && err != nil && len(b) > 0:
			t.Errorf("the Reader takes it, we say %v", err)
		case theirErr != nil && err == nil && !errors.Is(theirErr, snappy.ErrUnsupported):
			t.Errorf("we take it, the Reader says %v", theirErr)
		}

		back, err := DecodeSnappy(nil, AppendSnappy(nil, b), len(b), len(b))
		if err != nil || !bytes.Equal(back, b) {
			t.Errorf("round trip: %v", err)
		}
	})
}

func BenchmarkAppendSnappy(b *testing.B) {
	for _, name := range []string{"text-65536", "random-65536"} {
		b.Run(name, func(b *testing.B) {
			body := bodies()[name]
			var dst []byte
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				dst = AppendSnappy(dst[:0], body)
			}
		})
	}
}

func BenchmarkDecodeSnappy(b *testing.B) {
	for _, name := range []string{"text-65536", "random-65536"} {
		b.Run(name, func(b *testing.B) {
			body := bodies()[name]
			packed := AppendSnappy(nil, body)
			dst := make([]byte, 0, len(body))
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := DecodeSnappy(dst, packed, len(body), len(body)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
