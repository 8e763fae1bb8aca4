package plan

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// encode lays the Plan out as the interpreter reads it: header, bytes, operations.
func (p *Plan) encode() ([]byte, error) {
	if p.cut != nil {
		return nil, fmt.Errorf("%.80q contains a nul byte", *p.cut)
	}
	e := binary.NativeEndian
	operations := (headerSize + len(p.blob) + 7) &^ 7
	size := operations + len(p.ops)*opSize
	if size > MaxSize {
		return nil, fmt.Errorf("the plan has %d bytes, more than %d: arguments and environment are too long", size, MaxSize)
	}
	out := make([]byte, size)
	e.PutUint64(out[0:], magic)
	e.PutUint64(out[8:], Base+uint64(operations))
	e.PutUint64(out[16:], uint64(len(p.ops)))
	copy(out[headerSize:], p.blob)
	for i, op := range p.ops {
		op.encode(out[operations+i*opSize:], Base+uint64(operations))
	}
	return out, nil
}

// encode writes one operation: number u32, onError u8, unused u8, skipError u16, skipZero u16, skipOther u16, mask of the
// arguments that are Refs u32, six arguments u64, room for the result i64. A result is named by the offset of its
// operation from the first one, which is at the address operations.
func (op operation) encode(b []byte, operations uint64) {
	e := binary.NativeEndian
	e.PutUint32(b[0:], op.number)
	b[4] = byte(op.onError)
	e.PutUint16(b[6:], op.skipError)
	e.PutUint16(b[8:], op.skipZero)
	e.PutUint16(b[10:], op.skipOther)
	var refs uint32
	for i, a := range op.args {
		value := a.value
		switch a.kind {
		case result:
			refs |= 1 << i
			value *= opSize
		case resultAddress:
			value = operations + value*opSize + resultOffset
		}
		e.PutUint64(b[16+8*i:], value)
	}
	e.PutUint32(b[12:], refs)
}

// String prints the Plan, one line for each operation, as strace would. Numbers of operations are those of "r7".
func (p *Plan) String() string {
	var s strings.Builder
	for i, op := range p.ops {
		fmt.Fprintf(&s, "%3d  %s", i, op)
		if op.what != "" {
			fmt.Fprintf(&s, "    # %s", op.what)
		}
		s.WriteByte('\n')
	}
	return s.String()
}

func (op operation) String() string {
	texts := make([]string, len(op.args))
	for i, a := range op.args {
		texts[i] = a.String()
	}
	s := syscallName(op.number) + "(" + strings.Join(texts, ", ") + ")"
	switch op.onError {
	case goOnAfterError:
		s += " or go on"
	case goOnIfMissing:
		s += " or go on if missing"
	}
	for _, skip := range []struct {
		when string
		n    uint16
	}{{"<0", op.skipError}, {"=0", op.skipZero}, {">0", op.skipOther}} {
		if skip.n != 0 {
			s += fmt.Sprintf(" [%s: skip %d]", skip.when, skip.n)
		}
	}
	return s
}

// describe is the act of an operation, for an error.
func (op operation) describe() string {
	if op.what != "" {
		return op.what
	}
	return op.String()
}
