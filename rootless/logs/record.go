package logs

import (
	"bytes"
	"fmt"
	"time"
)

// Streams, as they are named in the log.
const (
	Stdout = "stdout"
	Stderr = "stderr"
)

// timeFormat is RFC 3339 with all nine digits, so that all records have the payload in the same column.
const timeFormat = "2006-01-02T15:04:05.000000000Z07:00"

// maxPayload is where a line is cut, in bytes: the default of containerd and CRI-O, which log shippers expect.
const maxPayload = 16 << 10

// maxRecord is the longest record that appendRecords makes.
const maxRecord = len(timeFormat) + len(" stdout F \n") + maxPayload

// appendRecords turns bytes that a container wrote into records. It stops before an unfinished line, unless the bytes
// begin with it, and when out has grown to limit. It returns the number of bytes that the records stand for, at
// least one if there are any.
func appendRecords(out []byte, at time.Time, stream string, raw []byte, limit int) ([]byte, int) {
	stamp := at.UTC().AppendFormat(make([]byte, 0, 64), timeFormat)
	stamp = append(append(append(stamp, ' '), stream...), ' ')
	used := 0
	for used < len(raw) && len(out) < limit {
		rest := raw[used:]
		line := rest[:min(len(rest), maxPayload+1)]
		end := bytes.IndexByte(line, '\n')
		tag := byte('F')
		switch {
		case end >= 0:
			used++ // the newline
		case len(line) > maxPayload:
			tag, end = 'P', maxPayload
		case used > 0:
			return out, used
		default:
			tag, end = 'P', len(line)
		}
		out = append(append(append(out, stamp...), tag, ' '), line[:end]...)
		out = append(out, '\n')
		used += end
	}
	return out, used
}

// A record of a log file. Payload is without the newline.
type record struct {
	at      time.Time
	stream  string
	partial bool
	payload []byte
}

// parseRecord reads one line of a log file, with or without its newline.
func parseRecord(line []byte) (record, error) {
	line = bytes.TrimSuffix(line, []byte("\n"))
	stamp, rest, ok1 := bytes.Cut(line, []byte(" "))
	stream, rest, ok2 := bytes.Cut(rest, []byte(" "))
	tags, payload, ok3 := bytes.Cut(rest, []byte(" "))
	if !ok1 || !ok2 || !ok3 {
		return record{}, fmt.Errorf("log record %.60q: expected TIME STREAM TAG PAYLOAD", line)
	}
	at, err := time.Parse(time.RFC3339Nano, string(stamp))
	if err != nil {
		return record{}, fmt.Errorf("log record %.60q: %w", line, err)
	}
	r := record{at: at, payload: payload}
	switch string(stream) {
	case Stdout:
		r.stream = Stdout
	case Stderr:
		r.stream = Stderr
	default:
		return record{}, fmt.Errorf("log record %.60q: stream %q", line, stream)
	}
	// The format leaves room for more tags after a colon; the first one is F or P.
	tag, _, _ := bytes.Cut(tags, []byte(":"))
	switch string(tag) {
	case "F":
	case "P":
		r.partial = true
	default:
		return record{}, fmt.Errorf("log record %.60q: tag %q", line, tag)
	}
	return r, nil
}
