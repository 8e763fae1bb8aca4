package netstack

import (
	"github.com/peapod/peapod/netstack/egress"
	"github.com/peapod/peapod/netstack/relay"
)

type relayEngine struct {
	relay *relay.Relay
}

// openRelayEngine listens first and then leads flows to the new ports, so that a hub that was left behind loses nothing more.
func openRelayEngine(h *Hub, cfg egress.Config) (engine, error) {
	r, err := relay.Open(cfg)
	if err != nil {
		return nil, err
	}
	err = h.thread.do(func() error { return installRules(h.v4, h.v6, r.Ports(), h.cfg.Log) })
	if err != nil {
		_ = r.Close()
		return nil, err
	}
	return relayEngine{r}, nil
}

func clearRelayEngine(h *Hub) error {
	return h.thread.do(func() error { return removeRules(nftTable) })
}

func (e relayEngine) Drop(pod Addrs) {
	e.relay.Drop(pod.V4)
	e.relay.Drop(pod.V6)
}

func (e relayEngine) Close() error { return e.relay.Close() }
