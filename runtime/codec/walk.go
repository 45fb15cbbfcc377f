package codec

import "encoding/binary"

// walker knows where inside a value a skip is. It reads headers only; the bytes that a header announces are counted in
// raw, and the walker's user passes over them before the next header. There is no recursion, and no memory but itself.
type walker struct {
	compact    bool
	over       Kind  // error kind for what announces more bytes than can follow
	at         Type  // type of the value whose header is next; Stop: a field header of the innermost struct is next
	structs    uint8 // open structs, those around the value included
	containers uint8 // open containers within the value
	top        uint8 // frames in use
	raw        int   // bytes to pass over before the next header
	frames     [2 * MaxDepth]frame
}

// frame is an open struct, or an open container whose elements do not all have one size.
type frame struct {
	isStruct bool
	elem     [2]Type // a map's key and value; a list has its element's type twice
	left     uint32  // elements to come; each entry of a map is two
}

// start makes a value of type t the one to walk over.
func (w *walker) start(t Type) error {
	if err := w.begin(t); err != nil {
		return err
	}
	return w.settle()
}

// done reports whether, after raw bytes more, the value is over.
func (w *walker) done() bool { return w.top == 0 && w.at == Stop }

// begin goes to the start of a value of type t.
func (w *walker) begin(t Type) error {
	switch {
	case !t.valid():
		return unplaced(Malformed, "value of unknown %s", t)
	case t == Struct:
		if w.structs >= MaxDepth {
			return unplaced(LimitReached, "more than %d nested structs", MaxDepth)
		}
		w.structs++
		w.frames[w.top] = frame{isStruct: true}
		w.top++
	case w.fixedSize(t) > 0:
		w.raw += w.fixedSize(t)
	default:
		w.at = t
	}
	return nil
}

// settle goes on until a header is needed or the value is over: it closes containers and begins elements.
func (w *walker) settle() error {
	for w.at == Stop && w.top > 0 {
		f := &w.frames[w.top-1]
		if f.isStruct {
			return nil
		}
		if f.left == 0 {
			w.top--
			w.containers--
			continue
		}
		t := f.elem[f.left&1] // a map's entries are even in number to begin with, and keys come first
		f.left--
		if err := w.begin(t); err != nil {
			return err
		}
	}
	return nil
}

// next reads the next header from b, which may be longer. It returns the header's length, 0 if b ends inside it. Not
// more than limit bytes, the header included, can follow.
func (w *walker) next(b []byte, limit int) (n int, err error) {
	t := w.at
	switch t {
	case Stop:
		n, err = w.field(b)
	case String:
		n, err = w.length(b, limit)
	case List, Set:
		n, err = w.list(b, limit)
	case Map:
		n, err = w.mapHeader(b, limit)
	default: // an integer of the compact encoding
		n, err = w.integer(b)
	}
	if n == 0 || err != nil {
		return 0, err
	}
	if t != Stop {
		w.at = Stop // the value's header is read; what is inside the value, if anything, is in raw and in the frames
	}
	return n, w.settle()
}

// field reads a field's header and begins the field's value.
func (w *walker) field(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if b[0] == 0 {
		w.top--
		w.structs--
		return 1, nil
	}
	if !w.compact {
		if t := Type(b[0]); !t.valid() {
			return 0, unplaced(Malformed, "field of unknown type %d", b[0])
		}
		if len(b) < 3 {
			return 0, nil
		}
		return 3, w.begin(Type(b[0]))
	}
	t := fromCompact[b[0]&15]
	if t == Stop {
		return 0, unplaced(Malformed, "field header 0x%02x has no type of the compact encoding", b[0])
	}
	n := 1
	if b[0]>>4 == 0 {
		_, m := parseUvarint32(b[1:])
		if m <= 0 {
			return 0, varintError(m)
		}
		n += m
	}
	if t == Bool { // the header was all of it
		return n, nil
	}
	return n, w.begin(t)
}

// integer reads a varint.
func (w *walker) integer(b []byte) (int, error) {
	if w.at == I64 {
		_, n := parseUvarint64(b)
		return max(n, 0), varintError(n)
	}
	_, n := parseUvarint32(b)
	return max(n, 0), varintError(n)
}

// length reads a string's length and puts its bytes into raw.
func (w *walker) length(b []byte, limit int) (n int, err error) {
	var u uint32
	if w.compact {
		if u, n = parseUvarint32(b); n <= 0 {
			return 0, varintError(n)
		}
	} else {
		if len(b) < 4 {
			return 0, nil
		}
		u, n = binary.BigEndian.Uint32(b), 4
	}
	switch {
	case int32(u) < 0:
		return 0, unplaced(Malformed, "string of length %d", int32(u))
	case int(u) > limit-n:
		return 0, unplaced(w.over, "string of %d bytes, %d remain", u, limit-n)
	}
	w.raw += int(u)
	return n, nil
}

// list reads the header of a list or set.
func (w *walker) list(b []byte, limit int) (n int, err error) {
	var count uint32
	var elem Type
	if w.compact {
		if len(b) == 0 {
			return 0, nil
		}
		count, elem, n = uint32(b[0]>>4), fromCompact[b[0]&15], 1
		if count == 15 {
			var m int
			if count, m = parseUvarint32(b[1:]); m <= 0 {
				return 0, varintError(m)
			}
			n += m
		}
	} else {
		if len(b) < 5 {
			return 0, nil
		}
		count, elem, n = binary.BigEndian.Uint32(b[1:]), Type(b[0]), 5
	}
	if count == 0 {
		return n, nil
	}
	return n, w.open([2]Type{elem, elem}, count, 1, limit-n)
}

// mapHeader reads the header of a map.
func (w *walker) mapHeader(b []byte, limit int) (n int, err error) {
	var count uint32
	var elem [2]Type
	if w.compact {
		if count, n = parseUvarint32(b); n <= 0 {
			return 0, varintError(n)
		}
		if count == 0 {
			return n, nil
		}
		if len(b) == n {
			return 0, nil
		}
		elem = [2]Type{fromCompact[b[n]>>4], fromCompact[b[n]&15]}
		n++
	} else {
		if len(b) < 6 {
			return 0, nil
		}
		count, elem, n = binary.BigEndian.Uint32(b[2:]), [2]Type{Type(b[0]), Type(b[1])}, 6
	}
	if count == 0 {
		return n, nil
	}
	return n, w.open(elem, count, 2, limit-n)
}

// open begins the elements of a container of count elements, or of count entries of two elements each, in at most limit
// bytes.
func (w *walker) open(elem [2]Type, count uint32, perEntry int, limit int) error {
	for _, t := range elem {
		if !t.valid() {
			return unplaced(Malformed, "%s of unknown %s", w.at, t)
		}
	}
	if int32(count) < 0 {
		return unplaced(Malformed, "%s of %d elements", w.at, int32(count))
	}
	if count > MaxElements {
		return unplaced(LimitReached, "%s of %d elements, the limit is %d", w.at, count, MaxElements)
	}
	if w.containers >= MaxDepth {
		return unplaced(LimitReached, "more than %d nested containers", MaxDepth)
	}
	elements := int(count) * perEntry
	least := elements * (w.minSize(elem[0]) + w.minSize(elem[1])) / 2
	if least > limit {
		return unplaced(w.over, "%s of %d elements needs %d bytes, %d remain", w.at, count, least, limit)
	}
	if a, b := w.fixedSize(elem[0]), w.fixedSize(elem[1]); a > 0 && b > 0 {
		w.raw += least
		return nil
	}
	w.containers++
	w.frames[w.top] = frame{elem: elem, left: uint32(elements)}
	w.top++
	return nil
}

func (w *walker) fixedSize(t Type) int {
	if w.compact {
		return int(compactFixedSizes[t])
	}
	return int(binaryFixedSizes[t])
}

func (w *walker) minSize(t Type) int {
	if w.compact {
		return int(compactMinSizes[t])
	}
	return int(binaryMinSizes[t])
}

// varintError returns the error for a varint of length n as parseUvarint32 gives it: none unless it is negative.
func varintError(n int) error {
	if n < 0 {
		return unplaced(Malformed, "varint is too long")
	}
	return nil
}
