package kube

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestEnvFileValue(t *testing.T) {
	for _, test := range []struct{ content, key, want, err string }{
		{"A='1'\nB='2'\n", "B", "2", ""},
		{"  \t A='1'", "A", "1", ""},
		{"# A='0'\n\n \t\n  # more\nA='1' # one\n", "A", "1", ""},
		{"A='1'\n", "B", "", ""},
		{"A=''", "A", "", ""},
		{"A= '1'\nB='2'", "A", "", ""},
		{"A= '1'\nB='2'", "B", "2", ""},
		{"A='x=y#z $HOME ${B} \\n \"q\"'", "A", `x=y#z $HOME ${B} \n "q"`, ""},
		{"A=' one\n\n# two\n three='\nB='2'", "A", " one\n\n# two\n three=", ""},
		{"A='1\n2'\nB='3'", "B", "3", ""},
		{"A='1'\nA='2'", "A", "1", ""}, // where a shell takes the last
		{"A='1'\nwrong", "A", "1", ""},
		{"A='1'\nwrong\nB='2'", "B", "", "invalid environment variable format at line 2: missing '='"},
		{"='1'", "A", "", "invalid environment variable format at line 1: empty variable name"},
		{"A ='1'", "A", "", "invalid environment variable format at line 1: whitespace before '=' is not allowed"},
		{"\nA=1", "A", "", "invalid environment variable format at line 2: value must be enclosed in single quotes"},
		{"A=\"1\"", "A", "", "invalid environment variable format at line 1: value must be enclosed in single quotes"},
		{"A='1''2'", "A", "", "invalid environment variable format at line 1: unexpected content after closing quote"},
		{"A='1\n2'3", "A", "", "invalid environment variable format at line 2: unexpected content after closing quote"},
		{"#\nA='1\n2\n", "A", "", "invalid environment variable format starting at line 2: unclosed single quote"},
		{"A='" + strings.Repeat("1\n", maxEnvFile), "A", "", "more than 1048576 bytes"},
		{"#\n" + strings.Repeat("#\n", maxEnvFile) + "A='1'", "A", "", "more than 1048576 bytes"},
		{strings.Repeat("1", maxEnvFile), "A", "", "bufio.Scanner: token too long"},
	} {
		got, err := envFileValue(strings.NewReader(test.content), test.key)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if shown := test.content[:min(len(test.content), 60)]; got != test.want || text != test.err {
			t.Errorf("%q, %s: %q, %s; want %q, %s", shown, test.key, got, text, test.want, test.err)
		}
	}
}

// FuzzEnvFileValue holds what is read against the shell: whoever wrote the file may have tried it there.
func FuzzEnvFileValue(f *testing.F) {
	f.Add("# x\nA='1' # y\nB='2\n3'\n")
	f.Add("A= '1'\nB='$(A)'")
	f.Add("A='1\r\n'\r\n")
	shell, err := exec.LookPath("sh")
	if err != nil {
		f.Skip("no sh")
	}
	f.Fuzz(func(t *testing.T, content string) {
		value, err := envFileValue(strings.NewReader(content), "A")
		// A line that ends with \r\n ends before it here, and a NUL ends nothing; the first assignment counts, in a shell the last.
		if err != nil || value == "" || strings.ContainsAny(content, "\r\x00") || strings.Count(content, "A=") != 1 || !onlyA(content) {
			return
		}
		file := filepath.Join(t.TempDir(), "env")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(shell, "-c", `. "$0" && printf %s "$A"`, file).Output()
		if err != nil || string(out) != value {
			t.Errorf("%q: %q, in a shell %q (%v)", content, value, out, err)
		}
	})
}

// onlyA tells whether nothing but A, comments and blank lines are in a file: a shell would do what other lines say.
func onlyA(content string) bool {
	_, after, _ := strings.Cut(content, "A='")
	_, after, _ = strings.Cut(after, "'")
	before, _, _ := strings.Cut(content, "A='")
	return !slices.ContainsFunc(strings.Split(before+"#"+after, "\n"), func(line string) bool {
		line = strings.TrimLeft(line, blanks)
		return line != "" && line[0] != '#'
	})
}

func TestFileKeyRef(t *testing.T) {
	yes := true
	files := Sources{File: func(volume, path string) (io.ReadCloser, error) {
		switch {
		case volume == "v" && path == "f.env":
			return io.NopCloser(strings.NewReader("A='1'\nEMPTY=''\n!\n")), nil
		case path == "secret":
			return nil, errors.New("permission denied")
		}
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}}
	for _, test := range []struct {
		path, key string
		optional  *bool
		want, err string
	}{
		{"f.env", "A", nil, "X=1", ""},
		{"f.env", "EMPTY", nil, "", `environment variable key "EMPTY" not found in file "f.env"`},
		{"f.env", "EMPTY", &yes, "", ""},
		{"f.env", "B", &yes, "", "couldn't parse env file: f.env: invalid environment variable format at line 3: missing '='"},
		{"none", "A", nil, "", "couldn't parse env file: open none: file does not exist"},
		{"none", "A", &yes, "", ""},
		{"secret", "A", &yes, "", "couldn't parse env file: permission denied"},
	} {
		ref := &corev1.FileKeySelector{VolumeName: "v", Path: test.path, Key: test.key, Optional: test.optional}
		got, err := Environment(&corev1.Pod{}, &corev1.Container{Env: []corev1.EnvVar{{Name: "X", ValueFrom: &corev1.EnvVarSource{FileKeyRef: ref}}}}, files)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if strings.Join(got, " ") != test.want || text != test.err {
			t.Errorf("%+v: %q, %s; want %q, %s", ref, got, text, test.want, test.err)
		}
	}
}
