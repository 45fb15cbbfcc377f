package codec

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// chunkSize is how much of a message is copied at once to cut strings from. A string that is kept keeps its chunk in
// memory, so chunks must not be large; a chunk is one allocation, so they must not be small.
const chunkSize = 32 << 10

// largeString is the length from which a string gets an allocation of its own: it is then neither kept in memory by the
// strings near it, nor copied twice.
const largeString = 8 << 10

// String reads a string. Thrift wants UTF-8; that is not checked.
func (d *Decoder) String() string {
	b := d.bytes()
	if d.lent {
		return d.ownString(b)
	}
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// ownString returns b as a string that does not change when b does.
func (d *Decoder) ownString(b []byte) string {
	if !d.charge(allocSize(int64(len(b)))) {
		return ""
	}
	return string(b)
}

// Binary reads bytes. They belong to the caller, unless the Decoder is shared or lent: then they are part of the message, and
// must not be written if it is shared. The result is never nil, and its capacity is its length.
func (d *Decoder) Binary() []byte {
	if b := d.bytes(); b != nil {
		return b
	}
	return []byte{}
}

// bytes reads a string's length and returns its bytes in memory that may be kept, nil if there are none.
func (d *Decoder) bytes() []byte {
	n, ok := d.length()
	if !ok || n == 0 {
		return nil
	}
	at := d.pos - d.chunkAt
	if at+n > len(d.chunk) {
		return d.copyString(n)
	}
	d.pos += n
	return d.chunk[at : at+n : at+n]
}

// length reads the length of a string and checks it against the bytes that remain. ok is false after an error.
func (d *Decoder) length() (n int, ok bool) {
	if d.compact {
		return d.compactLength()
	}
	b := d.b[d.pos:]
	if len(b) < 4 {
		d.short(String, 4)
		return 0, false
	}
	u := binary.BigEndian.Uint32(b)
	if uint64(u) > uint64(len(b)-4) {
		d.badLength(u, len(b)-4)
		return 0, false
	}
	d.pos += 4
	return int(u), true
}

func (d *Decoder) compactLength() (n int, ok bool) {
	b := d.b[d.pos:]
	u, size := parseUvarint32(b)
	if size <= 0 {
		d.badVarint(String, size)
		return 0, false
	}
	if uint64(u) > uint64(len(b)-size) {
		d.badLength(u, len(b)-size)
		return 0, false
	}
	d.pos += size
	return int(u), true
}

func (d *Decoder) badLength(n uint32, remain int) {
	if int32(n) < 0 {
		d.fail(Malformed, "string of length %d", int32(n))
		return
	}
	d.fail(Truncated, "string of %d bytes, %d remain", n, remain)
}

// copyString returns a copy of the next n bytes, which are not in the chunk.
func (d *Decoder) copyString(n int) []byte {
	size := n
	if n < largeString {
		size = min(chunkSize, d.Remaining())
	}
	if !d.charge(allocSize(int64(size))) {
		return nil
	}
	c := append([]byte(nil), d.b[d.pos:d.pos+size]...)
	if n < largeString {
		d.chunk, d.chunkAt = c, d.pos
	}
	d.pos += n
	return c[:n:n]
}

// charge takes n bytes from the message's budget; if it returns false, they must not be allocated.
func (d *Decoder) charge(n int64) bool {
	if n > d.budget {
		d.fail(LimitReached, "value needs %d bytes of memory, %d are left of what the message's size allows", n, d.budget)
		return false
	}
	d.budget -= n
	return true
}

// allocSize returns at least what the memory allocator takes for n bytes. It rounds up to one of its size classes,
// which are at most 1.45 times apart at 33 bytes, and less than 1.2 times from 100 bytes on, or, from 32 KiB on, to
// pages of 8 KiB.
func allocSize(n int64) int64 {
	switch {
	case n == 0:
		return 0
	case n <= 32<<10:
		return n + n/5 + 16
	}
	return n + 8<<10
}

// MakeSlice returns a slice of n zero values for the elements of a list whose header said n. Its memory is charged to
// the message; the result is empty, never nil, if that exceeds the message's budget.
func MakeSlice[T any](d *Decoder, n int) []T {
	var zero T
	if n <= 0 || !d.charge(allocSize(int64(n)*int64(unsafe.Sizeof(zero)))) {
		return []T{}
	}
	return make([]T, n)
}

// MakeMap returns an empty map with room for the n entries of a map whose header said n. Its memory is charged to the
// message. If that exceeds the message's budget, no room is reserved. After an error the map is nil if n is 0.
func MakeMap[K comparable, V any](d *Decoder, n int) map[K]V {
	if n <= 0 && d.err != nil {
		return nil
	}
	var slot struct {
		key   K
		value V
	}
	hint := mapHint(n)
	if !d.charge(mapSize(hint, unsafe.Sizeof(slot.key), unsafe.Sizeof(slot.value), unsafe.Sizeof(slot))) {
		return map[K]V{}
	}
	return make(map[K]V, hint)
}

// New returns a new zero value whose memory is charged to the message. After an error, that of exceeding the budget
// included, all calls for one T return the same value, because loops that are under way may ask for any number of them.
func New[T any](d *Decoder) *T {
	var zero T
	if d.err == nil && d.charge(allocSize(int64(unsafe.Sizeof(zero)))) {
		return new(T)
	}
	for _, p := range d.spare {
		if p, ok := p.(*T); ok {
			return p
		}
	}
	p := new(T)
	d.spare = append(d.spare, p)
	return p
}

// How Go lays out maps. A group is eight slots and eight control bytes. Up to eight entries are in one group; more are
// in tables of up to 1024 slots, a power of two, of which seven eighths are used; a table that overflows is replaced by
// two.
const (
	groupSlots  = 8
	tableSlots  = 1024
	inlineLimit = 128 // larger keys and values are allocated one by one
	mapOverhead = 64  // what a map, or a table, needs besides its groups
)

// mapHint returns the number of entries to ask of make for n entries. Entries spread unevenly over several tables; a
// little more room keeps nearly all tables from overflowing.
func mapHint(n int) int {
	if n <= tableSlots/8*7 {
		return max(n, 0)
	}
	return n + n/8
}

// mapSize returns at least what Go allocates for a map with room for hint entries, and for that many entries.
func mapSize(hint int, key, value, slot uintptr) int64 {
	const pointer = unsafe.Sizeof(uintptr(0))
	var each int64
	if key > inlineLimit {
		each += allocSize(int64(key))
		slot -= key - pointer
	}
	if value > inlineLimit {
		each += allocSize(int64(value))
		slot -= value - pointer
	}
	group := groupSlots * (1 + int64(slot))
	switch {
	case hint == 0:
		return mapOverhead
	case hint <= groupSlots:
		return mapOverhead + allocSize(group) + int64(hint)*each
	}
	slots := hint*8/7 + 1
	tables := ceilPow2((slots + tableSlots - 1) / tableSlots)
	perTable := max(ceilPow2((slots+tables-1)/tables), groupSlots)
	if tables > 1 {
		tables += tables/16 + 2 // for those that overflow all the same
	}
	return mapOverhead + int64(tables)*(mapOverhead+allocSize(int64(perTable)/groupSlots*group)) + int64(hint)*each
}

// ceilPow2 returns the smallest power of two that is at least n, which is positive.
func ceilPow2(n int) int { return 1 << bits.Len(uint(n-1)) }
