package gentest_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kuafu-rpc/kuafu/gen/internal/gentest/kitchen"
	"github.com/kuafu-rpc/kuafu/gen/internal/gentest/versions/after"
	"github.com/kuafu-rpc/kuafu/gen/internal/gentest/versions/before"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
)

// transfer writes a message as one version has it and reads it as the other does, in both encodings.
func transfer(t *testing.T, from codec.Encodable, to func() message, want message) {
	t.Helper()
	for _, enc := range encodings {
		got := to()
		decode(t, enc, encode(t, enc, from), got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", enc, diff)
		}
	}
}

// TestOldToNew: a field that was added has its default, one that was renamed keeps its value, one that was removed or has
// another type is skipped.
func TestOldToNew(t *testing.T) {
	old := &before.Person{
		Name: "Ann", Age: 30, Nick: new("A"), Tags: []string{}, Status: before.StatusActive,
		Contact: before.Contact{Phone: new(int64(5))}, Inner: before.Inner{A: 1, Gone: "x"}, Dropped: new(int64(1)),
		Scores: map[string]int32{"go": 1}, WasInt: 3, History: []before.Status{1, 0}, WasDefault: "set",
	}
	want := &after.Person{
		FullName: new("Ann"), Age: 30, Nick: "A", Tags: []string{}, Status: after.StatusActive,
		Contact: after.Contact{Phone: new(int64(5))}, Inner: after.Inner{A: 1}, Scores: map[string]int32{"go": 1},
		History: []after.Status{1, 0}, WasDefault: "set", Level: 7,
	}
	transfer(t, old, func() message { return &after.Person{} }, want)
}

// TestNewToOld: an enum value without a name survives, a union member that is not known leaves the union empty.
func TestNewToOld(t *testing.T) {
	newer := &after.Person{
		FullName: new("Bob"), Age: 40, Nick: "B", Status: after.StatusSuspended,
		Contact: after.Contact{Address: &after.Address{Street: "Main", Number: 1}},
		Inner:   after.Inner{A: 2, Added: []after.Address{{Street: "Side"}}}, WasInt: "text",
		History: []after.Status{after.StatusSuspended, 77}, WasDefault: "", Level: 9, More: &after.Inner{A: 3},
		Complicated: []map[string]after.Inner{{"k": {A: 4, Added: []after.Address{{Number: 5}}}}},
	}
	want := &before.Person{
		Name: "Bob", Age: 40, Nick: new("B"), Status: 2, Inner: before.Inner{A: 2}, Scores: map[string]int32{},
		History: []before.Status{2, 77},
	}
	transfer(t, newer, func() message { return &before.Person{} }, want)

	for _, enc := range encodings {
		var old before.Person
		decode(t, enc, encode(t, enc, newer), &old)
		if _, err := tryEncode(enc, &old); codec.KindOf(err) != codec.BadUnion {
			t.Errorf("an empty union was written: error %v", err)
		}
		old.Contact = before.Contact{Mail: new("m")}
		var back after.Person
		decode(t, enc, encode(t, enc, &old), &back)
		if back.Status != after.StatusSuspended || back.History[1] != 77 {
			t.Errorf("%s: enum values did not survive a peer that does not know them: %v", enc, back)
		}
	}
}

// TestMissingRequired: what one side made optional the other may still require.
func TestMissingRequired(t *testing.T) {
	newer := &after.Person{Age: 1, Contact: after.Contact{Mail: new("m")}}
	for _, enc := range encodings {
		err := tryDecode(enc, encode(t, enc, newer), &before.Person{})
		if codec.KindOf(err) != codec.FieldMissing {
			t.Fatalf("%s: error %v for an absent required field", enc, err)
		}
		if want := "required field Person.name is not set"; !containsText(err, want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
}

// TestWriteMissingRequired: a required struct that is a pointer, because it is part of a cycle, must be set.
func TestWriteMissingRequired(t *testing.T) {
	for _, enc := range encodings {
		if _, err := tryEncode(enc, &kitchen.Odd{N: 1}); codec.KindOf(err) != codec.FieldMissing {
			t.Errorf("%s: error %v for a nil required struct", enc, err)
		}
	}
}

// TestUnknownContent: unknown fields of every type are skipped.
func TestUnknownContent(t *testing.T) {
	everything := kitchen.NewDefaults()
	everything.Shape = kitchen.Shape{Named: new("s")}
	transfer(t, everything, func() message { return &kitchen.Nothing{} }, &kitchen.Nothing{})
	transfer(t, &kitchen.Containers{Blobs: [][]byte{{1}}}, func() message { return &kitchen.Nothing{} }, &kitchen.Nothing{})
}
