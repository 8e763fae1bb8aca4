package main

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/peapod/peapod/rootless/api"
)

func TestParseKeys(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "ctrl-p,ctrl-q": "\x10\x11", "a,ctrl-]": "a\x1d", "ctrl-@,ctrl-[,ctrl-_": "\x00\x1b\x1f", "ctrl-A": "\x01",
	} {
		if got, err := parseKeys(text); err != nil || string(got) != want {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{",", "ctrl-", "ctrl-1", "ctrl-pp", "pq", "a,", "ctrl-é"} {
		if got, err := parseKeys(text); err == nil {
			t.Errorf("%q: %q", text, got)
		}
	}
}

func TestDetacher(t *testing.T) {
	for _, test := range []struct {
		typed, want string
		detached    bool
	}{
		{"hello", "hello", false},
		{"a\x10\x11b", "a", true},
		{"\x10\x10\x11", "\x10", true},
		{"\x10x\x11", "\x10x\x11", false},
		{"ends\x10", "ends\x10", false},
	} {
		for name, in := range map[string]io.Reader{"whole": strings.NewReader(test.typed), "slow": iotest.OneByteReader(strings.NewReader(test.typed))} {
			got, err := io.ReadAll(&detacher{in: in, keys: []byte{0x10, 0x11}})
			if string(got) != test.want || errors.Is(err, api.ErrDetached) != test.detached || err != nil && !test.detached {
				t.Errorf("%q, %s: %q, %v; want %q", test.typed, name, got, err, test.want)
			}
		}
	}
}

// Whatever is typed is passed on up to the first time that the keys stand in it.
func FuzzDetacher(f *testing.F) {
	f.Add("aab", "aaaab")
	f.Add("abab", "ababab")
	f.Add("\x10\x11", "\x10\x10\x11\x11")
	f.Fuzz(func(t *testing.T, keys, typed string) {
		if keys == "" {
			t.Skip("no keys")
		}
		want, _, found := strings.Cut(typed, keys)
		got, err := io.ReadAll(&detacher{in: iotest.HalfReader(strings.NewReader(typed)), keys: slices.Clone([]byte(keys))})
		if string(got) != want || errors.Is(err, api.ErrDetached) != found {
			t.Errorf("keys %q, typed %q: %q, %v", keys, typed, got, err)
		}
	})
}
