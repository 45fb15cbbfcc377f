package codec

// Skip passes over a value of type t, as generated code does for fields it does not know. It takes no memory from the
// heap, and its depth is limited as MaxDepth says. The values of bools are not looked at.
func (d *Decoder) Skip(t Type) {
	if t == Bool && d.pending != 0 {
		d.pending = 0
		return
	}
	if size := d.fixedSize(t); size > 0 {
		if size > d.Remaining() {
			d.short(t, size)
			return
		}
		d.pos += size
		return
	}
	if t == String {
		n, _ := d.length()
		d.pos += n
		return
	}
	d.walk(t)
}

// fixedSize returns the size of a value of type t if all of them have one, else 0.
func (d *Decoder) fixedSize(t Type) int {
	if d.compact {
		return int(compactFixedSizes[t])
	}
	return int(binaryFixedSizes[t])
}

func (d *Decoder) walk(t Type) {
	var w walker // not a literal, which would be built elsewhere and copied
	w.compact, w.structs, w.over = d.compact, d.depth, Truncated
	if err := w.start(t); err != nil {
		d.Fail(err)
		return
	}
	for {
		if w.raw > d.Remaining() {
			d.fail(Truncated, "%d bytes to skip, %d remain", w.raw, d.Remaining())
			return
		}
		d.pos += w.raw
		w.raw = 0
		if w.done() {
			return
		}
		n, err := w.next(d.b[d.pos:], d.Remaining())
		if err != nil {
			d.Fail(err)
			return
		}
		if n == 0 {
			d.fail(Truncated, "%s to skip is cut off", t)
			return
		}
		d.pos += n
	}
}
