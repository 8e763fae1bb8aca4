package plan

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// namespaceLimits are the sysctls that bound how many namespaces of a kind a user has: namespaces(7), "The /proc/sys/user directory".
var namespaceLimits = []struct {
	kind uint64
	name string
}{
	{unix.CLONE_NEWUSER, "max_user_namespaces"}, {unix.CLONE_NEWNS, "max_mnt_namespaces"}, {unix.CLONE_NEWPID, "max_pid_namespaces"},
	{unix.CLONE_NEWNET, "max_net_namespaces"}, {unix.CLONE_NEWIPC, "max_ipc_namespaces"}, {unix.CLONE_NEWUTS, "max_uts_namespaces"},
	{unix.CLONE_NEWCGROUP, "max_cgroup_namespaces"},
}

// limitReached names what keeps somebody from making one more namespace of these kinds: the smallest limit is the first to be reached. A user
// namespace has limits of its own, which are none (INT_MAX) at first, and those of all that it is in, which cannot be read from inside: then
// the limits are named without a value.
func limitReached(kinds uint64, read func(name string) ([]byte, error)) string {
	least := int64(math.MaxInt32)
	var names []string
	for _, l := range namespaceLimits {
		if kinds&l.kind == 0 {
			continue
		}
		limit := int64(math.MaxInt32)
		if text, err := read(l.name); err == nil {
			if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
				limit = n
			}
		}
		if limit < least {
			least, names = limit, nil
		}
		if limit == least {
			names = append(names, "user."+l.name)
		}
	}
	if len(names) == 0 { // none of them was asked for by flags
		names = []string{"user.max_user_namespaces and its siblings"}
	}
	said := "sysctl " + strings.Join(names, ", ")
	if least < math.MaxInt32 {
		said += fmt.Sprintf(" = %d", least)
	}
	return fmt.Sprintf("the limit on namespaces is reached (%s); an administrator can raise it: sysctl %s=15000", said, strings.Fields(names[len(names)-1])[0])
}

func readUserLimit(name string) ([]byte, error) { return os.ReadFile("/proc/sys/user/" + name) }
