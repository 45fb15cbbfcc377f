package listener

import (
	"net/netip"
	"sync"
)

// admission counts connections, in all and by address.
type admission struct {
	max, maxPerIP int

	mu    sync.Mutex
	open  int
	perIP map[netip.Addr]int
	empty chan struct{} // made by drain, closed when open is 0
}

type verdict uint8

const (
	admitted verdict = iota
	tooMany
	tooManyPerIP
)

func newAdmission(max, maxPerIP int) *admission {
	return &admission{max: max, maxPerIP: maxPerIP, perIP: make(map[netip.Addr]int)}
}

// addressKey is what connections are counted by: an IPv4 address, or the /64 of an IPv6 address, since whoever has one
// address of it has them all.
func addressKey(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		p, _ := a.Prefix(64) // cannot fail: 64 is in range
		return p.Addr()
	}
	return a
}

// enter counts a connection in if the limits allow it. ip is an addressKey; the zero Addr is not counted by address.
func (a *admission) enter(ip netip.Addr) verdict {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open >= a.max {
		return tooMany
	}
	if ip.IsValid() {
		if a.perIP[ip] >= a.maxPerIP {
			return tooManyPerIP
		}
		a.perIP[ip]++
	}
	a.open++
	return admitted
}

// leave undoes enter.
func (a *admission) leave(ip netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open--
	if ip.IsValid() {
		if a.perIP[ip]--; a.perIP[ip] == 0 {
			delete(a.perIP, ip)
		}
	}
	if a.empty != nil && a.open == 0 {
		close(a.empty)
	}
}

// drain returns a channel that is closed when the last connection has left. Call it once, when no more can enter.
func (a *admission) drain() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.empty = make(chan struct{})
	if a.open == 0 {
		close(a.empty)
	}
	return a.empty
}

func (a *admission) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.open
}
