package reader

import "github.com/kuafu-rpc/kuafu/runtime/rpc"

// callTable is the calls in flight of a connection, by id. The zero value is empty, and stays small as long as there is never
// more than one call at a time.
type callTable struct {
	one  *rpc.Call // a call that came when this was nil
	more *callRing // the others; nil until there are some
}

// add enters a call. No call with its id may be in the table.
func (t *callTable) add(c *rpc.Call) {
	if t.one == nil {
		t.one = c
		return
	}
	if t.more == nil {
		t.more = new(callRing)
	}
	t.more.add(c)
}

// find returns the call with the given id; nil if it is not in flight.
func (t *callTable) find(id uint64) *rpc.Call {
	if t.one != nil && t.one.ID == id {
		return t.one
	}
	if t.more == nil {
		return nil
	}
	return t.more.find(id)
}

// remove takes out a call that was added.
func (t *callTable) remove(c *rpc.Call) {
	if t.one == c {
		t.one = nil
	} else {
		t.more.remove(c)
	}
}

// appendTo appends all calls to list.
func (t *callTable) appendTo(list []*rpc.Call) []*rpc.Call {
	if t.one != nil {
		list = append(list, t.one)
	}
	if t.more != nil {
		list = t.more.appendTo(list)
	}
	return list
}

// callRing is calls by id. Ids rise, by one as a rule, so the low bits of an id are its place. Ids are the peer's choice: a call
// whose place is taken goes into a map, and places grow with the number of calls, not of collisions. The zero value is empty.
type callRing struct {
	ring []*rpc.Call // its length is a power of two and at least twice n, or 0
	rest map[uint64]*rpc.Call
	n    int // calls in both
}

const (
	firstCalls = 4  // places when there is a call
	keepCalls  = 64 // more places than that are given up when there is no call left
)

// place returns where the call with the given id is, if it is in the ring.
func (t *callRing) place(id uint64) **rpc.Call { return &t.ring[id&uint64(len(t.ring)-1)] }

// add enters a call. No call with its id may be in the table.
func (t *callRing) add(c *rpc.Call) {
	t.n++
	if 2*t.n > len(t.ring) {
		t.grow()
	}
	if p := t.place(c.ID); *p == nil {
		*p = c
		return
	}
	if t.rest == nil {
		t.rest = make(map[uint64]*rpc.Call)
	}
	t.rest[c.ID] = c
}

// grow doubles the ring. Calls that were in different places still are.
func (t *callRing) grow() {
	old := t.ring
	t.ring = make([]*rpc.Call, max(firstCalls, 2*len(old)))
	for _, c := range old {
		if c != nil {
			*t.place(c.ID) = c
		}
	}
	for id, c := range t.rest {
		if p := t.place(id); *p == nil {
			*p = c
			delete(t.rest, id)
		}
	}
}

// find returns the call with the given id; nil if it is not in flight.
func (t *callRing) find(id uint64) *rpc.Call {
	if t.n == 0 {
		return nil
	}
	if c := *t.place(id); c != nil && c.ID == id {
		return c
	}
	return t.rest[id]
}

// remove takes out a call that was added.
func (t *callRing) remove(c *rpc.Call) {
	if p := t.place(c.ID); *p == c {
		*p = nil
	} else {
		delete(t.rest, c.ID)
	}
	if t.n--; t.n == 0 {
		t.rest = nil // a map never shrinks
		if len(t.ring) > keepCalls {
			t.ring = nil
		}
	}
}

// appendTo appends all calls to list.
func (t *callRing) appendTo(list []*rpc.Call) []*rpc.Call {
	for _, c := range t.ring {
		if c != nil {
			list = append(list, c)
		}
	}
	for _, c := range t.rest {
		list = append(list, c)
	}
	return list
}
