package container

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"

	"github.com/moby/sys/user"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
)

// User is the identity of a container's first process.
type User struct {
	UID, GID uint32
	Groups   []uint32 // supplementary, sorted
	Home     string   // as the image's passwd has it; / if it has none
}

// ErrRunAsNonRoot means that a container that must not run as root would.
var ErrRunAsNonRoot = errors.New("container has runAsNonRoot and image will run as root")

// ResolveUser finds the identity a container runs as: the Pod's numbers before the image's user, names and groups
// from the image's own /etc/passwd and /etc/group, which are hostile input. root is a descriptor of its root file system.
func ResolveUser(root *os.File, imageUser string, pod *corev1.Pod, c *corev1.Container) (User, error) {
	passwd, err := openIn(root, "etc/passwd")
	if err != nil {
		return User{}, err
	}
	defer closeReader(passwd)
	group, err := openIn(root, "etc/group")
	if err != nil {
		return User{}, err
	}
	defer closeReader(group)
	context := mergedContext(pod, c)
	if context.user != nil {
		imageUser = strconv.FormatInt(*context.user, 10)
	}
	if imageUser == "" {
		imageUser = "0"
	}
	found, err := user.GetExecUser(imageUser, nil, limited(passwd), limited(group))
	if err != nil {
		return User{}, fmt.Errorf("user %q of the image: %w", imageUser, err)
	}
	u := User{UID: uint32(found.Uid), GID: uint32(found.Gid), Home: cmp.Or(found.Home, "/")}
	if context.group != nil {
		u.GID = uint32(*context.group)
	}
	if !context.strict {
		for _, g := range found.Sgids {
			u.Groups = append(u.Groups, uint32(g))
		}
	}
	for _, g := range context.groups {
		u.Groups = append(u.Groups, uint32(g))
	}
	// The primary group is listed too, so that a program which changes its gid does not lose it: files that deny it
	// something would be open to that program else (CVE-2022-36109).
	u.Groups = append(u.Groups, u.GID)
	slices.Sort(u.Groups)
	u.Groups = slices.Compact(u.Groups)
	if context.nonRoot && u.UID == 0 {
		return User{}, ErrRunAsNonRoot
	}
	return u, nil
}

// identity is what the security contexts say of users and groups.
type identity struct {
	user, group *int64
	groups      []int64
	nonRoot     bool
	strict      bool // not the groups of the image's /etc/group
}

func mergedContext(pod *corev1.Pod, c *corev1.Container) identity {
	var i identity
	if s := pod.Spec.SecurityContext; s != nil {
		i = identity{user: s.RunAsUser, group: s.RunAsGroup, groups: s.SupplementalGroups, nonRoot: s.RunAsNonRoot != nil && *s.RunAsNonRoot,
			strict: s.SupplementalGroupsPolicy != nil && *s.SupplementalGroupsPolicy == corev1.SupplementalGroupsPolicyStrict}
	}
	if s := pod.Spec.SecurityContext; s != nil && s.FSGroup != nil {
		i.groups = append(slices.Clone(i.groups), *s.FSGroup) // the group of volumes is one of every container's
	}
	if s := c.SecurityContext; s != nil {
		if s.RunAsUser != nil {
			i.user = s.RunAsUser
		}
		if s.RunAsGroup != nil {
			i.group = s.RunAsGroup
		}
		if s.RunAsNonRoot != nil {
			i.nonRoot = *s.RunAsNonRoot
		}
	}
	return i
}

// maxAccounts bounds what is read of a passwd or group file: ten thousand lines are more than any image has.
const maxAccounts = 1 << 20

// openIn opens a regular file of a root file system for reading. A missing file is an empty one.
func openIn(root *os.File, path string) (*os.File, error) {
	fd, err := unix.Openat2(int(root.Fd()), path, &unix.OpenHow{
		Flags: unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY, Resolve: inRoot,
	})
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: "the image's /" + path, Err: err}
	}
	f := os.NewFile(uintptr(fd), "/"+path)
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, &os.PathError{Op: "open", Path: "the image's /" + path, Err: errors.New("not a regular file")}
	}
	return f, nil
}

func closeReader(f *os.File) {
	if f != nil {
		f.Close()
	}
}

func limited(f *os.File) io.Reader {
	if f == nil {
		return nil
	}
	return io.LimitReader(f, maxAccounts)
}
