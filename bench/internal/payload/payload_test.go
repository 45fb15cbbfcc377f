package payload

import (
	"errors"
	"maps"
	"slices"
	"testing"
)

func TestSizes(t *testing.T) {
	for size, want := range map[string][2]int{"64B": {64, 64}, "1k": {950, 1100}, "4k": {4000, 4096}, "64k": {64 << 10, 65 << 10}, "1M": {1 << 20, 1<<20 + 500}} {
		m, err := New(size)
		if err != nil {
			t.Fatal(err)
		}
		n := len(m.Body)
		for _, tag := range m.Tags {
			n += len(tag)
		}
		for k, v := range m.Attributes {
			n += len(k) + len(v)
		}
		if n < want[0] || n > want[1] {
			t.Errorf("%s has %d bytes of text", size, n)
		}
		again, _ := New(size)
		if err := m.Check(0, Message{0, again.Body, again.Tags, again.Attributes}); err != nil {
			t.Errorf("%s is another one the second time", size)
		}
	}
	for _, size := range []string{"", "k", "0B", "-1k", "1 k", "1G", "33M", "9223372036854775807M"} {
		if _, err := New(size); err == nil {
			t.Errorf("there is a payload of %q", size)
		}
	}
}

func TestCheck(t *testing.T) {
	m, err := New("1k")
	if err != nil {
		t.Fatal(err)
	}
	reply := func(change func(*Message)) Message {
		r := Message{ID: 2048, Body: m.Body, Tags: slices.Clone(m.Tags), Attributes: maps.Clone(m.Attributes)}
		change(&r)
		return r
	}
	if err := m.Check(2048, reply(func(*Message) {})); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Message){
		"id":         func(r *Message) { r.ID++ },
		"length":     func(r *Message) { r.Body += "." },
		"body":       func(r *Message) { r.Body = r.Body[1:] + "." },
		"tags":       func(r *Message) { r.Tags[0] = "" },
		"attributes": func(r *Message) { r.Attributes["trace-id"] = "" },
	} {
		if err := m.Check(2048, reply(change)); !errors.Is(err, ErrMismatch) {
			t.Errorf("a reply with another %s: %v", name, err)
		}
	}
}
