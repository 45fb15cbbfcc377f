package client

// table finds the calls that wait for a reply by their ids. It is a ring: a call with id i sits in slot i modulo the
// ring's size. Ids only rise, as the wire format wants; one whose slot is still taken, by a call that has waited for a
// whole turn of the ring, is skipped. So adding and finding a call is one array access, and no id ever comes again: a
// late reply cannot find a later call.
//
// A slot with an id and no call stands for a call that nobody waits for any more, but whose reply is still to come.
type table struct {
	slots []entry // a power of two of them
	n     int     // taken slots
	last  uint64  // the highest id given out

	streams int // of the taken slots, those of streams
}

type entry struct {
	id   uint64 // 0 if the slot is free
	call *call
}

const minSlots = 64

func (t *table) slot(id uint64) *entry { return &t.slots[id&uint64(len(t.slots)-1)] }

// next returns the id for the next call.
func (t *table) next() uint64 {
	if t.n >= len(t.slots)/2 {
		t.grow()
	}
	id := t.last + 1
	for t.slot(id).id != 0 {
		id++
	}
	return id
}

func (t *table) grow() {
	old := t.slots
	t.slots = make([]entry, max(2*len(old), minSlots))
	for _, e := range old {
		if e.id != 0 {
			*t.slot(e.id) = e
		}
	}
}

// add enters a call under an id from next.
func (t *table) add(id uint64, c *call) {
	*t.slot(id) = entry{id, c}
	if c.stream != nil {
		t.streams++
	}
	t.n++
	t.last = id
}

// find returns the entry of an id, nil if there is none.
func (t *table) find(id uint64) *entry {
	if id == 0 || t.n == 0 {
		return nil
	}
	if e := t.slot(id); e.id == id {
		return e
	}
	return nil
}

// remove frees an entry that find returned.
func (t *table) remove(e *entry) {
	t.clear(e)
	if t.n == 0 && len(t.slots) > 1<<14 {
		t.slots = make([]entry, minSlots) // a burst is over
	}
}

// removeAbove removes the calls with ids higher than last and returns them. Entries without a call go too.
func (t *table) removeAbove(last uint64) (calls []*call) {
	for i := range t.slots {
		if e := &t.slots[i]; e.id > last {
			if e.call != nil {
				calls = append(calls, e.call)
			}
			t.clear(e)
		}
	}
	return calls
}

func (t *table) clear(e *entry) {
	if e.call != nil && e.call.stream != nil {
		t.streams--
	}
	*e = entry{}
	t.n--
}
