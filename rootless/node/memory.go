package node

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/rootless/plan"
)

// freeMemory gives back what a burst of work has used: the heap's free pages, and the pages of this program's text, most of which only
// starting and pulling need. The kernel maps those that are needed again from its page cache.
func (n *Node) freeMemory() {
	// Twice, because pools let go of what is in them at the second collection only.
	debug.FreeOSMemory()
	debug.FreeOSMemory()
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer maps.Close()
	executable, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	for _, m := range readOnlyMappings(maps, executable) {
		// Private pages of a file that nobody has written to: dropping them loses nothing (madvise(2), MADV_DONTNEED).
		_ = plan.Madvise(m.start, m.end-m.start, unix.MADV_DONTNEED)
	}
}

type mapping struct{ start, end uintptr }

// readOnlyMappings finds in the content of /proc/<pid>/maps (proc(5)) the parts of a file that are mapped privately and cannot be written to.
func readOnlyMappings(maps io.Reader, file string) []mapping {
	var found []mapping
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 6 || strings.Join(fields[5:], " ") != file || fields[1] != "r-xp" && fields[1] != "r--p" {
			continue
		}
		var m mapping
		if _, err := fmt.Sscanf(fields[0], "%x-%x", &m.start, &m.end); err == nil {
			found = append(found, m)
		}
	}
	return found
}
