package codec

// DefaultSkipLimit is the largest value in bytes that a Skipper accepts unless SetLimit says otherwise.
const DefaultSkipLimit = 64 << 20

// maxHeader is the size in bytes of the longest header a walker reads: a varint of 64 bits. The others are a map's in
// the compact encoding, 6, and a map's in the binary encoding, 6.
const maxHeader = maxVarint64

// Skipper finds the end of a value that arrives in pieces, as the calls of an unframed connection do. It looks at every
// byte at most once or, around the seams between pieces, a small constant number of times, keeps no more than 10 bytes,
// and has the limits of Decoder.Skip. It is not safe for concurrent use.
type Skipper struct {
	w       walker
	limit   int
	used    int             // bytes passed, those in partial not included
	held    int             // bytes in partial
	partial [maxHeader]byte // the beginning of a header whose end has not arrived
	err     error
}

// NewSkipper returns a Skipper for one value of type t in encoding enc.
func NewSkipper(enc Encoding, t Type) *Skipper {
	s := &Skipper{limit: DefaultSkipLimit}
	s.Reset(enc, t)
	return s
}

// SetLimit sets the largest value in bytes that is accepted. A header that announces more than that is refused at once.
// Reset keeps the limit.
func (s *Skipper) SetLimit(n int) { s.limit = n }

// Reset prepares for another value.
func (s *Skipper) Reset(enc Encoding, t Type) {
	*s = Skipper{limit: s.limit, w: walker{compact: enc == Compact, over: LimitReached}}
	if !enc.Valid() {
		s.err = unplaced(Unsupported, "%s", enc)
		return
	}
	s.err = s.w.start(t)
}

// Push consumes bytes of the value: the first n of b. If done, they complete the value, and the rest of b is what comes
// after it; else n is len(b). An error, which is an *Error, is final. Once the value is done, Push consumes nothing.
func (s *Skipper) Push(b []byte) (n int, done bool, err error) {
	for s.err == nil {
		left := s.limit - s.used
		if s.w.raw > left {
			s.err = at(s.tooLong(), s.used)
			break
		}
		k := min(s.w.raw, len(b)-n)
		s.w.raw -= k
		s.used += k
		n += k
		switch {
		case s.w.raw > 0:
			return n, false, nil
		case s.w.done():
			return n, true, nil
		case n == len(b):
			return n, false, nil
		}
		k, err = s.header(b[n:], left-k)
		s.err = at(err, s.used)
		n += k
	}
	return n, false, s.err
}

// header reads one header, of not more than left bytes, from what is held and from b. It returns how much of b it took:
// all of it if b ends inside the header.
func (s *Skipper) header(b []byte, left int) (n int, err error) {
	if s.held == 0 {
		b = b[:min(len(b), left)]
		if n, err = s.w.next(b, left); n > 0 || err != nil {
			s.used += n
			return n, err
		}
		if len(b) == left {
			return 0, s.tooLong()
		}
		s.held = copy(s.partial[:], b)
		return s.held, nil
	}
	added := copy(s.partial[s.held:min(left, maxHeader)], b)
	n, err = s.w.next(s.partial[:s.held+added], left)
	switch {
	case err != nil:
		return 0, err
	case n > 0:
		s.used += n
		n -= s.held // positive, because what was held was not enough
		s.held = 0
		return n, nil
	case s.held+added == left:
		return 0, s.tooLong()
	}
	s.held += added
	return added, nil
}

func (s *Skipper) tooLong() error {
	return unplaced(LimitReached, "value of more than %d bytes", s.limit)
}
