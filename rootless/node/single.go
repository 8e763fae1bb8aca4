package node

import (
	"os/user"
	"strconv"

	"github.com/peapod/peapod/rootless/userns"
)

// singleID says that all ids of containers are one, and what to do about it.
func (n *Node) singleID() string {
	const mode = "All users of its containers are one (single-ID mode): "
	u, err := user.LookupId(strconv.Itoa(n.maps.UIDs[0].HostID))
	if err == nil {
		_, err = userns.Ranges(u)
	}
	if err != nil {
		return mode + err.Error()
	}
	return mode + "the node began before you had subordinate ids; the next one will see them: delete the Pods, then peapod node stop"
}
