package unpack

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tree describes all that is in a directory, one line for each file. Times since start are "now": they are the clock's,
// not the tar's.
func tree(t testing.TB, root string, start time.Time) []string {
	t.Helper()
	var lines []string
	first := map[uint64]string{}
	err := filepath.WalkDir(root, func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); err != nil { // before anything is read: that would change the access time
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		line := fmt.Sprintf("%q mode=%o owner=%d:%d mtime=%s atime=%s", rel, st.Mode, st.Uid, st.Gid, stamp(st.Mtim, start), stamp(st.Atim, start))
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			line += fmt.Sprintf(" size=%d sum=%s", st.Size, sumFile(t, name))
		case unix.S_IFLNK:
			target, err := os.Readlink(name)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" target=%q", target)
		case unix.S_IFCHR, unix.S_IFBLK:
			line += fmt.Sprintf(" rdev=%d", st.Rdev)
		}
		if st.Mode&unix.S_IFMT != unix.S_IFDIR && st.Nlink > 1 {
			if first[st.Ino] == "" {
				first[st.Ino] = rel
			}
			line += fmt.Sprintf(" links=%d first=%q", st.Nlink, first[st.Ino])
		}
		lines = append(lines, line+attributes(t, name))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func stamp(ts unix.Timespec, start time.Time) string {
	if !time.Unix(ts.Unix()).Before(start) {
		return "now"
	}
	return fmt.Sprintf("%d.%09d", ts.Sec, ts.Nsec)
}

func sumFile(t testing.TB, name string) string {
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(b))[:16]
}

func attributes(t testing.TB, name string) string {
	t.Helper()
	buf := make([]byte, 1<<16)
	n, err := unix.Llistxattr(name, buf)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for key := range strings.SplitSeq(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
		if key == "" {
			continue
		}
		value := make([]byte, 1<<16)
		n, err := unix.Lgetxattr(name, key, value)
		if err != nil {
			t.Fatalf("%s: %s: %v", name, key, err)
		}
		all = append(all, fmt.Sprintf(" %s=%q", key, value[:n]))
	}
	slices.Sort(all)
	return strings.Join(all, "")
}

// sameTrees compares two descriptions.
func sameTrees(t *testing.T, want, got []string) {
	t.Helper()
	looked := lookedAt(append(slices.Clone(want), got...))
	want, got = withoutLooks(want, looked), withoutLooks(got, looked)
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("missing: %s", line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("too much: %s", line)
		}
	}
}

// lookedAt are the files that somebody read since they were made: whatever goes through the whole file system, a backup
// or another test, sees them as well.
func lookedAt(lines []string) map[string]bool {
	names := map[string]bool{}
	for _, line := range lines {
		if name, _, _ := strings.Cut(line, " mode="); strings.Contains(line, " atime=now") {
			names[name] = true
		}
	}
	return names
}

// withoutLooks leaves out the access times of these files.
func withoutLooks(lines []string, looked map[string]bool) (less []string) {
	for _, line := range lines {
		if name, _, _ := strings.Cut(line, " mode="); looked[name] {
			line = withoutAccess([]string{line})[0]
		}
		less = append(less, line)
	}
	return less
}

// withoutAccess leaves out access times, which looking changes.
func withoutAccess(lines []string) (less []string) {
	for _, line := range lines {
		before, after, _ := strings.Cut(line, " atime=")
		_, after, _ = strings.Cut(after, " ")
		less = append(less, before+" "+after)
	}
	return less
}
