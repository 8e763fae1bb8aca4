package plan

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLimitReached(t *testing.T) {
	for _, test := range []struct {
		kinds  uint64
		limits map[string]string
		want   string
	}{
		{unix.CLONE_NEWNET, map[string]string{"max_net_namespaces": "0\n", "max_user_namespaces": "0\n"},
			"(sysctl user.max_net_namespaces = 0); an administrator can raise it: sysctl user.max_net_namespaces=15000"},
		{unix.CLONE_NEWUSER | unix.CLONE_NEWNET | unix.CLONE_NEWUTS, map[string]string{"max_net_namespaces": "3", "max_user_namespaces": "95000", "max_uts_namespaces": "95000"},
			"(sysctl user.max_net_namespaces = 3);"},
		{unix.CLONE_NEWUSER | unix.CLONE_NEWNET, map[string]string{"max_net_namespaces": "2147483647", "max_user_namespaces": "2147483647"},
			"(sysctl user.max_user_namespaces, user.max_net_namespaces);"},
		{unix.CLONE_NEWNS, map[string]string{"max_mnt_namespaces": "many"}, "(sysctl user.max_mnt_namespaces);"},
		{0, nil, "(sysctl user.max_user_namespaces and its siblings); an administrator can raise it: sysctl user.max_user_namespaces=15000"},
	} {
		got := limitReached(test.kinds, func(name string) ([]byte, error) {
			if text, ok := test.limits[name]; ok {
				return []byte(text), nil
			}
			return nil, os.ErrNotExist
		})
		if !strings.Contains(got, test.want) {
			t.Errorf("%#x: got %q, want %q", test.kinds, got, test.want)
		}
	}
}
