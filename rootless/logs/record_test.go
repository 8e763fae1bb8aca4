package logs

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

var someTime = time.Date(2016, 10, 6, 0, 17, 9, 669794202, time.FixedZone("east", 3600))

const someStamp = "2016-10-05T23:17:09.669794202Z"

func TestAppendRecords(t *testing.T) {
	long := strings.Repeat("x", maxPayload)
	for name, c := range map[string]struct {
		raw, want string
		used      int
	}{
		"nothing":            {"", "", 0},
		"a line":             {"hello\n", someStamp + " stdout F hello\n", 6},
		"an empty line":      {"\n", someStamp + " stdout F \n", 1},
		"no newline":         {"login: ", someStamp + " stdout P login: \n", 7},
		"a line and a tail":  {"a\nb", someStamp + " stdout F a\n", 2},
		"two lines":          {"a\nb\n", someStamp + " stdout F a\n" + someStamp + " stdout F b\n", 4},
		"bytes, not text":    {"\x00\xff\r\n", someStamp + " stdout F \x00\xff\r\n", 4},
		"just not too long":  {long + "\n", someStamp + " stdout F " + long + "\n", maxPayload + 1},
		"too long by one":    {long + "y\n", someStamp + " stdout P " + long + "\n" + someStamp + " stdout F y\n", maxPayload + 2},
		"too long, no end":   {long + "y", someStamp + " stdout P " + long + "\n", maxPayload},
		"as long as a piece": {long, someStamp + " stdout P " + long + "\n", maxPayload},
	} {
		t.Run(name, func(t *testing.T) {
			got, used := appendRecords(nil, someTime, Stdout, []byte(c.raw), 1<<20)
			if string(got) != c.want || used != c.used {
				t.Errorf("%q, %d bytes used; want %q, %d", got, used, c.want, c.used)
			}
		})
	}
}

func TestAppendRecordsIsBounded(t *testing.T) {
	raw := bytes.Repeat([]byte{'\n'}, window)
	out, used := appendRecords(nil, someTime, Stderr, raw, maxRecords)
	if len(out) > maxRecords+maxRecord || used == 0 || used == len(raw) {
		t.Errorf("%d bytes of records for %d of %d", len(out), used, len(raw))
	}
}

func TestParseRecord(t *testing.T) {
	for line, want := range map[string]record{
		someStamp + " stdout F hello world\n":                    {someTime, Stdout, false, []byte("hello world")},
		someStamp + " stderr P ":                                 {someTime, Stderr, true, []byte("")},
		someStamp + " stdout F:later:tags  x":                    {someTime, Stdout, false, []byte(" x")},
		"2016-10-06T00:17:09.669794202+01:00 stdout F of others": {someTime, Stdout, false, []byte("of others")},
	} {
		got, err := parseRecord([]byte(line))
		if err != nil || !got.at.Equal(want.at) || got.stream != want.stream || got.partial != want.partial || !bytes.Equal(got.payload, want.payload) {
			t.Errorf("%q: %+v, %v; want %+v", line, got, err, want)
		}
	}
	for _, line := range []string{
		"", "\n", " ", "x", "today stdout F x", someStamp, someStamp + " stdout", someStamp + " stdout F", someStamp + " stdin F x",
		someStamp + " stdout X x", someStamp + "  stdout F x",
	} {
		if r, err := parseRecord([]byte(line)); err == nil {
			t.Errorf("%q was understood as %+v", line, r)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add([]byte(someStamp + " stdout F hello"))
	f.Add([]byte(someStamp + " stderr P:x \x00\n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := parseRecord(line)
		if err == nil && (r.stream != Stdout && r.stream != Stderr || !bytes.Contains(line, r.payload)) {
			t.Errorf("%q gave %+v", line, r)
		}
	})
}

// Whatever a container writes comes back when its records are joined, however they were cut.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("a\n\nb\x00 c"), 100)
	f.Fuzz(func(t *testing.T, raw []byte, limit int) {
		var back []byte
		for rest := raw; len(rest) > 0; {
			out, used := appendRecords(nil, someTime, Stdout, rest, max(limit, 1))
			if used <= 0 {
				t.Fatalf("no progress with %d bytes left", len(rest))
			}
			rest = rest[used:]
			for line := range bytes.Lines(out) {
				r, err := parseRecord(line)
				if err != nil {
					t.Fatal(err)
				}
				if len(r.payload) > maxPayload || len(line) > maxRecord {
					t.Fatalf("a record of %d bytes", len(line))
				}
				if back = append(back, r.payload...); !r.partial {
					back = append(back, '\n')
				}
			}
		}
		if !bytes.Equal(back, raw) {
			t.Errorf("%q came back as %q", raw, back)
		}
	})
}
