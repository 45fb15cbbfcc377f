package listener

import "golang.org/x/sys/unix"

const (
	placeFrom  = 16 << 10  // an input of that size may be the beginning of bulk
	placeTurn  = 256 << 10 // bytes that are read into place before other connections have a turn, about
	placeAhead = 1 << 10   // of what follows, read with the end of a place: the header of the next, as a rule
)

// readOn reads the rest of what session has begun, and what follows it, as long as the socket has some and session a place for
// it. What gnet reads lies in the loop's buffer and is copied; this is not. The end of the stream, and an error, are gnet's to
// find.
func (c *Conn) readOn(session Placer) error {
	for left := placeTurn; left > 0; {
		place := session.Place()
		if len(place) == 0 {
			return nil
		}
		n, err := c.readPlace(place)
		switch {
		case err == unix.EINTR:
			continue
		case n <= 0:
			if err != nil && err != unix.EAGAIN && c.reason == nil {
				c.reason = wrapErrno("read", err) // which the kernel tells once
			}
			return nil
		}
		left -= n
		k := min(n, len(place))
		if err := session.Placed(k); err != nil {
			return err
		}
		if n > k {
			if err := session.Feed(c.loop.ahead[:n-k]); err != nil {
				return err
			}
		}
	}
	return nil
}

// readPlace makes one system call.
func (c *Conn) readPlace(place []byte) (int, error) {
	v := [2][]byte{place, c.loop.ahead[:]}
	return readv(int(c.fd), v[:])
}
