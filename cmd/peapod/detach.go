package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/peapod/peapod/rootless/api"
)

// defaultDetachKeys are docker's and podman's.
const defaultDetachKeys = "ctrl-p,ctrl-q"

// parseKeys reads keys such as "ctrl-p,ctrl-q": single characters, or ctrl- and a letter or one of @ [ \ ] ^ _. Nothing is no keys.
func parseKeys(text string) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	var keys []byte
	for _, name := range strings.Split(text, ",") {
		letter, ctrl := strings.CutPrefix(name, "ctrl-")
		if len(letter) != 1 {
			return nil, fmt.Errorf("%q is no key: expected one character, or ctrl- and one", name)
		}
		key := letter[0]
		if ctrl {
			upper := bytes.ToUpper([]byte{key})[0]
			if upper < '@' || upper > '_' {
				return nil, fmt.Errorf("%q is no key: there is no control character of %q", name, letter)
			}
			key = upper - '@'
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// detacher reads a keyboard until the detach keys come, one after the other: then it returns ErrDetached. Keys that could be the
// beginning are held back until it is clear that they are not.
type detacher struct {
	in   io.Reader
	keys []byte
	held int    // keys that have come
	out  []byte // read, and not asked for yet
	err  error  // behind out
}

func (d *detacher) Read(p []byte) (int, error) {
	for len(d.out) == 0 {
		if d.err != nil {
			return 0, d.err
		}
		buffer := make([]byte, len(p))
		n, err := d.in.Read(buffer)
		d.err = err
		if d.take(buffer[:n]) {
			d.err = api.ErrDetached
		} else if err != nil {
			d.out, d.held = append(d.out, d.keys[:d.held]...), 0
		}
	}
	n := copy(p, d.out)
	d.out = d.out[n:]
	return n, nil
}

// take looks at what was typed. It returns true when the keys are complete; what follows them is nobody's.
func (d *detacher) take(typed []byte) bool {
	for _, b := range typed {
		for {
			if b == d.keys[d.held] {
				d.held++
				break
			}
			if d.held == 0 {
				d.out = append(d.out, b)
				break
			}
			d.giveBack()
		}
		if d.held == len(d.keys) {
			return true
		}
	}
	return false
}

// giveBack lets go of as few of the keys held back as make the rest a beginning again.
func (d *detacher) giveBack() {
	held := d.keys[:d.held]
	for n := 1; n <= len(held); n++ {
		if bytes.HasPrefix(d.keys, held[n:]) {
			d.out = append(d.out, held[:n]...)
			d.held -= n
			return
		}
	}
}
