package probe

import (
	"context"
	"net"
	"time"
)

// manner is how a request wants its connection to be made. It is a value of the request's context: net/http goes on dialing when a request
// is given up, as another one might use the connection, so that the context's end is not the dial's.
type manner struct {
	until   time.Time // when nobody waits any more; zero: as long as it takes
	patient bool      // dial again when that has failed, until then
}

type mannerKey struct{}

func (m manner) in(ctx context.Context) context.Context {
	return context.WithValue(ctx, mannerKey{}, m)
}

// late is how long a dial outlives its request, whose own error says more.
const late = time.Second

// of makes a function dial in the manner that its context has.
func (manner) of(dial Dial) Dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		m, _ := ctx.Value(mannerKey{}).(manner)
		if !m.until.IsZero() {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, m.until.Add(late))
			defer cancel()
		}
		for wait := 20 * time.Millisecond; ; wait *= 2 {
			conn, err := dial(ctx, network, address)
			if err == nil || !m.patient {
				return conn, err
			}
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(wait):
			}
		}
	}
}
