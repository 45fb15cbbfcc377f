package listener

import (
	"fmt"
	"log/slog"

	"github.com/panjf2000/gnet/v2"
)

// events receives gnet's events. All but OnBoot and OnShutdown come on the connection's loop.
type events struct {
	gnet.BuiltinEventEngine
	l *Listener
}

func (e *events) OnOpen(gc gnet.Conn) ([]byte, gnet.Action) {
	c := gc.Context().(*Conn)
	c.gc, c.fd = gc, int32(gc.Fd())
	c.loop = e.l.loopOf(gc.EventLoop())
	c.loop.add(c)
	c.open(e.l.accept)
	return nil, gnet.None
}

func (e *events) OnTraffic(gc gnet.Conn) gnet.Action {
	// Everything is taken, so gnet never has anything to keep. The bytes lie in the loop's own buffer.
	b, err := gc.Next(-1)
	if c, ok := gc.Context().(*Conn); ok && err == nil {
		c.feed(b)
	}
	return gnet.None
}

func (e *events) OnClose(gc gnet.Conn, err error) gnet.Action {
	if c, ok := gc.Context().(*Conn); ok {
		c.finish(err)
	}
	return gnet.None
}

// gnetLogger passes gnet's logs on. What gnet calls fatal is an error here: it may not end the process.
type gnetLogger struct{ log *slog.Logger }

func (g gnetLogger) Debugf(format string, args ...any) {
	g.log.Debug("gnet: " + fmt.Sprintf(format, args...))
}
func (g gnetLogger) Infof(format string, args ...any) {
	g.log.Debug("gnet: " + fmt.Sprintf(format, args...))
}
func (g gnetLogger) Warnf(format string, args ...any) {
	g.log.Warn("gnet: " + fmt.Sprintf(format, args...))
}
func (g gnetLogger) Errorf(format string, args ...any) {
	g.log.Error("gnet: " + fmt.Sprintf(format, args...))
}
func (g gnetLogger) Fatalf(format string, args ...any) {
	g.log.Error("gnet: " + fmt.Sprintf(format, args...))
}
