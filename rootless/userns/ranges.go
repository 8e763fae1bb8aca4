package userns

import (
	"errors"
	"fmt"
	"os/user"
	"strconv"
	"syscall"

	"github.com/rootless-containers/rootlesskit/v3/pkg/parent/dynidtools"
	"github.com/rootless-containers/rootlesskit/v3/pkg/parent/idtools"
)

// ErrNoRanges means that the user has no subordinate ids.
var ErrNoRanges = errors.New("no subordinate ids")

// Maps are the id maps of U, in the terms of user_namespaces(7): ContainerID is inside, HostID is outside.
type Maps struct {
	UIDs, GIDs []syscall.SysProcIDMap
}

// Single returns the maps of a user without subordinate ids: the own id is 0, and there is no other.
func Single(uid, gid int) Maps { return Maps{mapping(uid, nil), mapping(gid, nil)} }

// Single tells whether the maps have one user or one group only.
func (m Maps) Single() bool { return ids(m.UIDs) == 1 || ids(m.GIDs) == 1 }

// ids counts the ids of a map.
func ids(m []syscall.SysProcIDMap) int {
	n := 0
	for _, e := range m {
		n += e.Size
	}
	return n
}

// Ranges reads the subordinate ids of a user and returns the maps of U.
// Without any the error is ErrNoRanges, with the command that adds some.
func Ranges(u *user.User) (Maps, error) {
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return Maps{}, fmt.Errorf("user id %q: %w", u.Uid, err)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return Maps{}, fmt.Errorf("group id %q: %w", u.Gid, err)
	}
	uids, gids, err := idtools.GetSubIDRanges(uid, u.Username)
	if err != nil || len(uids) == 0 || len(gids) == 0 {
		// Ranges may come from a directory service instead of the files: getsubids(1) asks nsswitch's subid source.
		if u2, g2, err := dynidtools.GetSubIDRanges(uid, u.Username); err == nil {
			uids, gids = u2, g2
		}
	}
	for _, kind := range []struct {
		ranges []idtools.SubIDRange
		file   string
	}{{uids, "/etc/subuid"}, {gids, "/etc/subgid"}} {
		if len(kind.ranges) == 0 {
			return Maps{}, fmt.Errorf("user %s has %w in %s; an administrator can add some: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 %s",
				u.Username, ErrNoRanges, kind.file, u.Username)
		}
	}
	return Maps{mapping(uid, uids), mapping(gid, gids)}, nil
}

// mapping puts the own id at 0 and the ranges one after the other from 1 up.
func mapping(own int, ranges []idtools.SubIDRange) []syscall.SysProcIDMap {
	m := []syscall.SysProcIDMap{{ContainerID: 0, HostID: own, Size: 1}}
	next := 1
	for _, r := range ranges {
		m = append(m, syscall.SysProcIDMap{ContainerID: next, HostID: r.Start, Size: r.Length})
		next += r.Length
	}
	return m
}

// Nested returns the map of a user namespace within U that has the same ids. It has two extents where one would say the
// same: the kernel refuses a single extent that spans several of the parent's (EPERM), and two suffice
// because all but the own id are subordinate ids.
func Nested(m []syscall.SysProcIDMap) []syscall.SysProcIDMap {
	out := make([]syscall.SysProcIDMap, len(m))
	for i, e := range m {
		out[i] = syscall.SysProcIDMap{ContainerID: e.ContainerID, HostID: e.ContainerID, Size: e.Size}
	}
	return out
}

// Contain tells whether a user and a group exist in U; the error names the one that does not and the way out.
func (m Maps) Contain(uid, gid uint32) error {
	for _, id := range []struct {
		kind, option string
		id           uint32
		extents      []syscall.SysProcIDMap
	}{{"user", "--add-subuids", uid, m.UIDs}, {"group", "--add-subgids", gid, m.GIDs}} {
		last := id.extents[len(id.extents)-1]
		if size := last.ContainerID + last.Size; int64(id.id) >= int64(size) {
			return fmt.Errorf("%s %d is outside the %d ids that you have; an administrator can add more: usermod %s FIRST-LAST USER",
				id.kind, id.id, size, id.option)
		}
	}
	return nil
}
