package compress

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/golang/snappy"
)

// realistic returns 64 KiB each of what bodies hold: words with the frequencies of a language, records as JSON, and the two
// that do not shrink, random bytes and their base64.
func realistic() map[string][]byte {
	const size = maxChunkData
	r := rand.New(rand.NewPCG(1, 2))
	words := make([]string, 2000)
	for i := range words {
		w := make([]byte, 2+r.IntN(9))
		for j := range w {
			w[j] = "etaoinshrdlucmfw"[min(r.IntN(16), r.IntN(16))]
		}
		words[i] = string(w)
	}
	zipf := rand.NewZipf(r, 1.1, 1, uint64(len(words)-1))
	var text, records strings.Builder
	for text.Len() < size {
		text.WriteString(words[zipf.Uint64()] + " ")
	}
	for records.Len() < size {
		fmt.Fprintf(&records, `{"name":%q,"host":"node-%d","size":%d,"state":"open"},`, words[r.IntN(len(words))], r.IntN(10), r.IntN(1<<20))
	}
	random := make([]byte, size)
	for i := range random {
		random[i] = byte(r.Uint32())
	}
	return map[string][]byte{
		"words":   []byte(text.String()[:size]),
		"records": []byte(records.String()[:size]),
		"random":  random,
		"base64":  []byte(base64.StdEncoding.EncodeToString(random)[:size]),
	}
}

func TestPromising(t *testing.T) {
	all := realistic()
	words, random := all["words"], all["random"]
	for _, tc := range []struct {
		name string
		src  []byte
		want bool
	}{
		{"nothing", nil, true},
		{"short", random[:probeSamples*probeSize], true},
		{"words", words, true},
		{"records", all["records"], true},
		{"zeros", make([]byte, 1<<20), true},
		{"random", random, false},
		{"random, just long enough to ask", random[:probeSamples*probeSize+1], false},
		{"base64", all["base64"], false},
		{"words at the end", slices.Concat(random, random, words[:4096]), true},
		{"words in the middle", slices.Concat(random[:30_000], words, random[:30_000]), true},
	} {
		if got := Promising(tc.src); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
	if n := testing.AllocsPerRun(100, func() { Promising(random) }); n > 0.1 {
		t.Errorf("%v allocations", n)
	}
}

// TestShrinksAgreesWithSnappy mixes samples from what shrinks and what does not, and compares the estimate with what the
// encoder makes of them. Close to the threshold they may differ, and sometimes elsewhere: both take ever larger steps where
// nothing repeats, and it is luck where they come down.
func TestShrinksAgreesWithSnappy(t *testing.T) {
	all := realistic()
	r := rand.New(rand.NewPCG(3, 4))
	room := make([]byte, snappy.MaxEncodedLen(probeSize))
	verdicts := make(map[bool]int)
	wrong := 0
	for range 5000 {
		good, bad := all[[]string{"words", "records"}[r.IntN(2)]], all[[]string{"random", "base64"}[r.IntN(2)]]
		var sample []byte
		for share := r.Float64(); len(sample) < probeSize; {
			src, at := bad, r.IntN(len(bad)-300)
			if r.Float64() < share {
				src = good
			}
			sample = append(sample, src[at:at+20+r.IntN(280)]...)
		}
		sample = sample[:probeSize]
		packed, got := len(snappy.Encode(room, sample)), shrinks(sample)
		if got != Pays(packed, probeSize) && (packed < probeSize*3/4 || packed > probeSize*15/16) {
			wrong++
		}
		verdicts[got]++
	}
	t.Logf("%v, %d of them wrong", verdicts, wrong)
	if wrong > 10 {
		t.Errorf("%d of 5000 are wrong", wrong)
	}
	if verdicts[true] < 1000 || verdicts[false] < 1000 {
		t.Errorf("the samples are one-sided: %v", verdicts)
	}
}

// TestPromisingNeedsNoStack has many goroutines ask, each with a stack of its own: an encoder's table on it would be 32 KiB.
func TestPromisingNeedsNoStack(t *testing.T) {
	const n = 200
	random := realistic()["random"]
	stacks := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.StackInuse
	}
	before := stacks()
	var asked, done sync.WaitGroup
	release := make(chan struct{})
	asked.Add(n)
	for range n {
		done.Go(func() {
			Promising(random)
			asked.Done()
			<-release
		})
	}
	asked.Wait()
	each := (int64(stacks()) - int64(before)) / n
	close(release)
	done.Wait()
	if each > 16<<10 {
		t.Errorf("each goroutine has %d bytes of stack", each)
	}
}

func BenchmarkPromising(b *testing.B) {
	all := realistic()
	for _, name := range []string{"words", "records", "random", "base64"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Promising(all[name])
			}
		})
	}
}

// BenchmarkAgainstBlock compares the framing format, checksums included, with the bare block format of the same 64 KiB.
func BenchmarkAgainstBlock(b *testing.B) {
	all := realistic()
	for _, name := range []string{"words", "records"} {
		body := all[name]
		framed, block := AppendSnappy(nil, body), snappy.Encode(nil, body)
		room := make([]byte, 0, 2*len(body))
		run := func(what string, f func()) {
			b.Run(name+"/"+what, func(b *testing.B) {
				b.SetBytes(int64(len(body)))
				b.ReportAllocs()
				for b.Loop() {
					f()
				}
			})
		}
		run("encode/framed", func() { AppendSnappy(room, body) })
		run("encode/block", func() { snappy.Encode(room[:cap(room)], body) })
		run("decode/framed", func() {
			if _, err := DecodeSnappy(room, framed, len(body), len(body)); err != nil {
				b.Fatal(err)
			}
		})
		run("decode/block", func() {
			if _, err := snappy.Decode(room[:cap(room)], block); err != nil {
				b.Fatal(err)
			}
		})
	}
}
