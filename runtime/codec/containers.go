package codec

import "encoding/binary"

// List reads the header of a list whose elements have type elem, which is not Stop, and returns their number. It is 0
// after an error: if there are elements of another type, more than MaxElements, or more than can be in the bytes that
// remain. The type that an empty list announces is not looked at.
func (d *Decoder) List(elem Type) int { return d.list(List, elem) }

// Set is List for a set. That its elements differ is not checked.
func (d *Decoder) Set(elem Type) int { return d.list(Set, elem) }

func (d *Decoder) list(t, elem Type) int {
	if d.compact {
		return d.compactList(t, elem)
	}
	b := d.b[d.pos:]
	if len(b) < 5 {
		d.short(t, 5)
		return 0
	}
	n := binary.BigEndian.Uint32(b[1:])
	if n == 0 { // some writers do not know the type of an empty list's elements
		d.pos += 5
		return 0
	}
	if got := Type(b[0]); got != elem {
		d.wrongElement(t, got, elem)
		return 0
	}
	return d.count(t, 5, n, int(binaryMinSizes[elem]))
}

func (d *Decoder) compactList(t, elem Type) int {
	b := d.b[d.pos:]
	if len(b) == 0 {
		d.short(t, 1)
		return 0
	}
	n, size := uint32(b[0]>>4), 1
	if n == 15 {
		var m int
		if n, m = parseUvarint32(b[1:]); m <= 0 {
			d.badVarint(t, m)
			return 0
		}
		size += m
	}
	if n == 0 {
		d.pos += size
		return 0
	}
	if got := fromCompact[b[0]&15]; got != elem {
		d.wrongElement(t, got, elem)
		return 0
	}
	return d.count(t, size, n, int(compactMinSizes[elem]))
}

// Map reads the header of a map with keys and values of these types, and returns the number of its entries, each a key
// followed by its value. It is 0 after an error; the checks are those of List.
func (d *Decoder) Map(key, value Type) int {
	if d.compact {
		return d.compactMap(key, value)
	}
	b := d.b[d.pos:]
	if len(b) < 6 {
		d.short(Map, 6)
		return 0
	}
	n := binary.BigEndian.Uint32(b[2:])
	if n == 0 {
		d.pos += 6
		return 0
	}
	if k, v := Type(b[0]), Type(b[1]); k != key || v != value {
		d.wrongEntry(k, v, key, value)
		return 0
	}
	return d.count(Map, 6, n, int(binaryMinSizes[key])+int(binaryMinSizes[value]))
}

func (d *Decoder) compactMap(key, value Type) int {
	b := d.b[d.pos:]
	n, size := parseUvarint32(b)
	if size <= 0 {
		d.badVarint(Map, size)
		return 0
	}
	if n == 0 { // an empty map is this one byte
		d.pos += size
		return 0
	}
	if len(b) == size {
		d.short(Map, size+1)
		return 0
	}
	if k, v := fromCompact[b[size]>>4], fromCompact[b[size]&15]; k != key || v != value {
		d.wrongEntry(k, v, key, value)
		return 0
	}
	return d.count(Map, size+1, n, int(compactMinSizes[key])+int(compactMinSizes[value]))
}

// count accepts or refuses the number of elements of a container whose header has size bytes. min is the size of the
// smallest element, or of the smallest entry.
func (d *Decoder) count(t Type, size int, n uint32, min int) int {
	if n > MaxElements { // also what is negative as i32
		d.badCount(t, n)
		return 0
	}
	if int(n)*min > d.Remaining()-size {
		d.fail(Truncated, "%s of %d elements needs %d bytes, %d remain", t, n, int(n)*min, d.Remaining()-size)
		return 0
	}
	d.pos += size
	return int(n)
}

func (d *Decoder) badCount(t Type, n uint32) {
	if int32(n) < 0 {
		d.fail(Malformed, "%s of %d elements", t, int32(n))
		return
	}
	d.fail(LimitReached, "%s of %d elements, the limit is %d", t, n, MaxElements)
}

func (d *Decoder) wrongElement(t, got, want Type) {
	d.fail(WrongType, "%s of %s, want %s of %s", t, got, t, want)
}

func (d *Decoder) wrongEntry(k, v, key, value Type) {
	d.fail(WrongType, "map of %s to %s, want map of %s to %s", k, v, key, value)
}
