package rpc

import (
	"context"
	"encoding/binary"
	"iter"
)

// The limits of metadata, in each direction of a call. Both sides keep them.
const (
	MaxMetadata      = 8 << 10 // bytes, encoded
	MaxMetadataPairs = 64
)

// Metadata is a list of pairs that travels with a call or with its reply. A key is one or more of a-z, 0-9, '_', '.' and
// '-'; it may come several times, and order is kept. A value is any text but CR, LF and NUL. The zero value is empty and
// ready for use. It is not for concurrent use while it changes.
type Metadata struct {
	b     []byte // for each pair: uvarint length and bytes of the key, then of the value. Only ever appended to
	pairs int
}

// Add appends a pair. The error is an *Error: InvalidArgument for a bad key or value, ResourceExhausted over the limits;
// m is then as it was.
func (m *Metadata) Add(key, value string) error {
	if err := m.add(key, value); err != nil {
		return err
	}
	return nil
}

func (m *Metadata) add(key, value string) *Error {
	if bad := badPair(key, value); bad != "" {
		return &Error{Code: InvalidArgument, Message: "metadata: " + bad, Execution: NotExecuted}
	}
	if m.pairs == MaxMetadataPairs {
		return Errorf(ResourceExhausted, "metadata: more than %d pairs", MaxMetadataPairs).notExecuted()
	}
	var lengths [2 * binary.MaxVarintLen64]byte
	size := len(binary.AppendUvarint(binary.AppendUvarint(lengths[:0], uint64(len(key))), uint64(len(value))))
	if len(m.b)+size+len(key)+len(value) > MaxMetadata {
		return Errorf(ResourceExhausted, "metadata: more than %d bytes", MaxMetadata).notExecuted()
	}
	m.b = append(binary.AppendUvarint(m.b, uint64(len(key))), key...)
	m.b = append(binary.AppendUvarint(m.b, uint64(len(value))), value...)
	m.pairs++
	return nil
}

func (e *Error) notExecuted() *Error {
	e.Execution = NotExecuted
	return e
}

// badPair returns what is wrong with a pair; empty if nothing is.
func badPair(key, value string) string {
	if key == "" {
		return "an empty key"
	}
	for i := range len(key) {
		switch c := key[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '_', c == '.', c == '-':
		default:
			return "a character in a key that is none of a-z 0-9 _ . -"
		}
	}
	for i := range len(value) {
		if c := value[i]; c == '\r' || c == '\n' || c == 0 {
			return "a line break or NUL in a value"
		}
	}
	return ""
}

// Len returns the number of pairs.
func (m Metadata) Len() int { return m.pairs }

// Get returns the value of the first pair with this key; ok is false if there is none.
func (m Metadata) Get(key string) (value string, ok bool) {
	for k, v := range pairs(m.b) {
		if string(k) == key {
			return string(v), true
		}
	}
	return "", false
}

// Values returns the values of all pairs with this key, in order.
func (m Metadata) Values(key string) (values []string) {
	for k, v := range pairs(m.b) {
		if string(k) == key {
			values = append(values, string(v))
		}
	}
	return values
}

// All goes through the pairs in order.
func (m Metadata) All() iter.Seq2[string, string] {
	return func(yield func(key, value string) bool) {
		for k, v := range pairs(m.b) {
			if !yield(string(k), string(v)) {
				return
			}
		}
	}
}

// Encoded returns the pairs as wire formats carry them. The slice is m's: nobody may write to it, and it stays as it is
// when pairs are added.
func (m Metadata) Encoded() []byte { return m.b[:len(m.b):len(m.b)] }

// DecodeMetadata returns metadata that came encoded, of which it keeps b: nobody may write to that again. It ends with
// the last pair that is well-formed and within the limits; what wire formats hand on is both throughout.
func DecodeMetadata(b []byte) Metadata {
	b = b[:min(len(b), MaxMetadata)]
	m := Metadata{}
	end := 0
	for k, v := range pairs(b) {
		if m.pairs == MaxMetadataPairs {
			break
		}
		m.pairs++
		end += pairSize(k, v)
	}
	m.b = b[:end:end]
	return m
}

func pairSize(k, v []byte) int {
	var n [binary.MaxVarintLen64]byte
	return binary.PutUvarint(n[:], uint64(len(k))) + len(k) + binary.PutUvarint(n[:], uint64(len(v))) + len(v)
}

// pairs goes through encoded metadata. It stops at the first pair that is broken.
func pairs(b []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		for len(b) > 0 {
			key, rest, ok := takeText(b)
			if !ok {
				return
			}
			value, rest, ok := takeText(rest)
			if !ok || !yield(key, value) {
				return
			}
			b = rest
		}
	}
}

// takeText reads a uvarint length, in its shortest form, and so many bytes off the front of b.
func takeText(b []byte) (text, rest []byte, ok bool) {
	n, k := binary.Uvarint(b)
	if k <= 0 || k > 1 && b[k-1] == 0 || n > uint64(len(b)-k) {
		return nil, nil, false
	}
	return b[k : k+int(n) : k+int(n)], b[k+int(n):], true
}

// Outgoing is what a context says about the calls made with it. Clients read it; what user code calls is WithMetadata and
// WithReplyMetadata.
type Outgoing struct {
	Metadata []byte        // encoded; shared, so nobody may write to it
	Reply    *Metadata     // where the reply's metadata goes; nil if nobody asked
	Trace    *TraceContext // what WithTrace was given; nil if nothing. See TraceFrom

	pairs int
	err   *Error // why calls with this context must fail
}

type outgoingKey struct{}

// OutgoingFrom returns what ctx says about calls made with it, nil if nothing. The error is an *Error, of a pair that
// WithMetadata was given and that cannot be sent: the call must fail with it.
func OutgoingFrom(ctx context.Context) (*Outgoing, error) {
	o, _ := ctx.Value(outgoingKey{}).(*Outgoing)
	if o != nil && o.err != nil {
		return nil, o.err
	}
	return o, nil
}

// outgoing returns a copy of what ctx says, to be changed and put into a new context.
func outgoing(ctx context.Context) *Outgoing {
	next := new(Outgoing)
	if o, ok := ctx.Value(outgoingKey{}).(*Outgoing); ok {
		*next = *o
		next.Metadata = o.Metadata[:len(o.Metadata):len(o.Metadata)] // so that appending copies
	}
	return next
}

// WithMetadata returns a context whose calls carry a pair for each value, after those that ctx has already. Calls with
// a context that was given a bad pair, or too many, fail (InvalidArgument or ResourceExhausted, NotExecuted). A
// handler's context passes nothing of what came with its call on to calls made with it.
func WithMetadata(ctx context.Context, key string, values ...string) context.Context {
	o := outgoing(ctx)
	m := Metadata{b: o.Metadata, pairs: o.pairs}
	for _, v := range values {
		if err := m.add(key, v); err != nil && o.err == nil {
			o.err = err
		}
	}
	o.Metadata, o.pairs = m.b, m.pairs
	return context.WithValue(ctx, outgoingKey{}, o)
}

// WithReplyMetadata returns a context whose calls put the metadata of their replies, those that fail included, into
// reply, in place of what was there. It is to be read after the call has returned (for an asynchronous one: its Wait), so
// concurrent calls need a context each.
func WithReplyMetadata(ctx context.Context, reply *Metadata) context.Context {
	o := outgoing(ctx)
	o.Reply = reply
	return context.WithValue(ctx, outgoingKey{}, o)
}

// MetadataFrom returns what came with the call that a handler's context belongs to. It is empty for other contexts. It
// is valid until the handler returns; strings taken from it stay.
func MetadataFrom(ctx context.Context) Metadata {
	if c := CallFrom(ctx); c != nil {
		return DecodeMetadata(c.Metadata)
	}
	return Metadata{}
}

// SetReplyMetadata adds a pair to the reply of the call that a handler's context belongs to, whether it succeeds or
// fails. It may be called concurrently, until the handler returns. Stock Thrift callers never see it. The error is an
// *Error: of Metadata.Add, or FailedPrecondition if ctx belongs to no call.
func SetReplyMetadata(ctx context.Context, key, value string) error {
	c := CallFrom(ctx)
	if c == nil {
		return NewError(FailedPrecondition, "metadata: not the context of a handler")
	}
	c.ctx.mu.Lock()
	defer c.ctx.mu.Unlock()
	if c.ctx.reply == nil {
		c.ctx.reply = new(Metadata)
	}
	return c.ctx.reply.Add(key, value)
}

// ReplyMetadata returns the encoded metadata for the call's reply, nil if there is none. Dialects that can carry it put
// it into the reply's header. Nobody may write to it.
func (c *Call) ReplyMetadata() []byte {
	c.ctx.mu.Lock()
	defer c.ctx.mu.Unlock()
	if c.ctx.reply == nil {
		return nil
	}
	return c.ctx.reply.Encoded()
}
