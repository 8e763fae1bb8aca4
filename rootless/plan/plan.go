package plan

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Layout of a Plan in memory. The interpreters know these numbers.
const (
	// Base is the address the Plan is mapped at: beside the interpreter (elfAddress), so that both are in the same page tables, which are made anew
	// for each process; 64 KiB above it, as pages may be that large on arm64. The interpreter has no heap, which would be here.
	Base = 0x41_0000
	// MaxSize is the length of the mapping, and so the largest Plan.
	MaxSize = 4 << 20

	headerSize   = 24 // magic, address of the operations, number of operations: uint64 each; then the bytes pointed at
	opSize       = 72
	resultOffset = 64
	magic        = 0x6e616c706f647061 // "apdoplan"

	firstInherited = 5 // descriptors: 0-2 stdio, 3 the Plan, 4 the report pipe
	planFD         = 3
	// ReportFD is the descriptor on which a Plan reports.
	ReportFD = 4
)

// checkNumber is the number of the operation that is no system call: see Check.
const checkNumber = 0xffffffff

// onError says what a negative result means.
type onError uint8

const (
	stopOnError onError = iota
	goOnAfterError
	// goOnIfMissing goes on after ENOENT, ENOTDIR and EACCES only: what execvp(3) does on its way through PATH.
	goOnIfMissing
)

// Plan is a list of operations under construction. The zero value is not ready; use New.
type Plan struct {
	ops     []operation
	args    []arg // of the operations: one piece of memory for many
	blob    []byte
	strings map[string]uint64 // strings that are in the blob already
	files   []string          // names of inherited descriptors
	cut     *string           // the first string with a NUL in it, where the kernel would end it
}

// operation is one call with what is needed to print it and to tell its failure.
type operation struct {
	what      string // the act in words, for errors; "" prints the call
	number    uint32
	args      []arg
	onError   onError
	skipError uint16 // operations to leave out after an error that is not fatal
	skipZero  uint16 // … when the result is 0
	skipOther uint16 // … when it is positive
}

// arg is one argument: the value handed to the interpreter, and what String makes a text of. Nobody reads most Plans.
type arg struct {
	kind  argKind
	value uint64 // by kind: the value itself, or the index of an operation
	shown any    // as it was given to Call, but for an FD, which is shown by its name; nil for NULL
}

type argKind uint8

const (
	immediate     argKind = iota // numbers and pointers
	result                       // what an earlier operation returned
	resultAddress                // where that is stored
)

// resultOf stands for the address of an operation's result.
type resultOf Ref

// Ref stands for the result of an operation.
type Ref int

// FD is a descriptor that the process inherits from the caller of Run.
type FD int

// Vector is a NULL-terminated array of pointers to strings: argv or envp.
type Vector []string

// Buffer is room for a system call to write to; Address tells where.
type Buffer struct {
	address uint64
	name    string
}

// Described is bytes to point at, printed by a text.
type Described struct {
	Bytes []byte
	Text  string
}

// Flags is a number printed by a name.
type Flags struct {
	Value uint64
	Name  string
}

// New returns a Plan whose first operation makes every descriptor but stdio close-on-exec. One that is to outlive the
// execve at the Plan's end is named with Keep.
func New() *Plan {
	p := &Plan{strings: map[string]uint64{}, ops: make([]operation, 0, 128), blob: make([]byte, 0, 8<<10)}
	p.CloseOnExec()
	return p
}

// Call appends a system call and returns its result. what is the act in words for the error that a failure becomes
// ("mount /proc"); it may be empty where a failure cannot be the user's doing.
//
// Arguments are int, int64, uint64, uintptr (numbers), Flags, Ref, FD, string (pointer to a NUL-terminated copy), []byte,
// Described and what OpenHow and MountAttr return (pointer to a copy), Vector, Buffer (pointers), or nil (NULL). Anything else panics: it is a mistake in this program.
func (p *Plan) Call(what string, number uintptr, args ...any) Ref {
	if len(args) > 6 {
		panic("plan: a system call has six arguments")
	}
	if cap(p.args)-len(p.args) < len(args) {
		p.args = make([]arg, 0, 256) // those that are full stay the operations'
	}
	first := len(p.args)
	for _, a := range args {
		p.args = append(p.args, p.arg(a))
	}
	op := operation{what: what, number: uint32(number), args: p.args[first:len(p.args):len(p.args)]}
	p.ops = append(p.ops, op)
	return Ref(len(p.ops) - 1)
}

// Try is Call for an operation whose failure does not matter.
func (p *Plan) Try(number uintptr, args ...any) Ref {
	r := p.Call("", number, args...)
	p.ops[r].onError = goOnAfterError
	return r
}

// Check appends a comparison: the eight bytes at buffer, masked, must be want, else the Plan fails with errno.
func (p *Plan) Check(what string, buffer Buffer, mask, want uint64, errno int) {
	p.Call(what, checkNumber, buffer, mask, want, -errno)
}

// Unless appends the operations that then adds, to be run only if the call before them, r, failed.
func (p *Plan) Unless(r Ref, then func()) {
	p.ops[r].onError = goOnAfterError
	n := p.appended(r, then)
	p.ops[r].skipZero, p.ops[r].skipOther = n, n
}

// When appends the operations that then adds, to be run only if the call before them, r, succeeded; its failure is no error.
func (p *Plan) When(r Ref, then func()) {
	p.ops[r].onError = goOnAfterError
	p.ops[r].skipError = p.appended(r, then)
}

// WhenThere is When for a call that opens something: that it is missing is no error (ENOENT, ENOTDIR, EACCES), any other failure is.
func (p *Plan) WhenThere(r Ref, then func()) {
	p.When(r, then)
	p.ops[r].onError = goOnIfMissing
}

// WhenPositive appends the operations that then adds, to be run only if the result of r, the call before them, is greater
// than zero: the parent's side of a clone.
func (p *Plan) WhenPositive(r Ref, then func()) {
	p.ops[r].skipZero = p.appended(r, then)
}

// WhenZero appends the operations that then adds, to be run only if the result of r, the call before them, is zero: the
// child's side of a clone.
func (p *Plan) WhenZero(r Ref, then func()) {
	p.ops[r].skipOther = p.appended(r, then)
}

func (p *Plan) appended(r Ref, then func()) uint16 {
	if int(r) != len(p.ops)-1 {
		panic("plan: a branch must follow its condition")
	}
	then()
	return uint16(len(p.ops) - 1 - int(r))
}

// Inherit names a descriptor that the caller of Run hands over.
func (p *Plan) Inherit(name string) FD {
	for i, f := range p.files {
		if f == name {
			return FD(firstInherited + i)
		}
	}
	p.files = append(p.files, name)
	return FD(firstInherited + len(p.files) - 1)
}

// Room reserves size zero bytes, aligned to 8, for a system call to write to.
func (p *Plan) Room(name string, size int) Buffer {
	return Buffer{p.add(make([]byte, size)), name}
}

func (p *Plan) arg(a any) arg {
	switch a := a.(type) {
	case nil:
		return arg{}
	case int:
		return arg{value: uint64(a), shown: a}
	case int64:
		return arg{value: uint64(a), shown: a}
	case uint64:
		return arg{value: a, shown: a}
	case uintptr:
		return arg{value: uint64(a), shown: a}
	case Flags:
		return arg{value: a.Value, shown: a}
	case Ref:
		return arg{kind: result, value: uint64(a), shown: a}
	case resultOf:
		return arg{kind: resultAddress, value: uint64(a), shown: a}
	case FD:
		return arg{value: uint64(a), shown: inherited(p.files[int(a)-firstInherited])}
	case string:
		return arg{value: p.str(a), shown: a}
	case []byte:
		return arg{value: p.add(a), shown: a}
	case Described:
		return arg{value: p.add(a.Bytes), shown: a}
	case structure:
		return arg{value: p.add(a.bytes()), shown: a}
	case Vector:
		return arg{value: p.vector(a), shown: a}
	case Buffer:
		return arg{value: a.address, shown: a}
	}
	panic(fmt.Sprintf("plan: argument of type %T", a))
}

// inherited is the name of an FD.
type inherited string

// structure is a struct of the kernel's.
type structure interface {
	bytes() []byte
	fmt.Stringer
}

func (a arg) String() string {
	switch shown := a.shown.(type) {
	case nil:
		return "NULL"
	case Flags:
		return shown.Name
	case Ref:
		return fmt.Sprintf("r%d", int(shown))
	case resultOf:
		return fmt.Sprintf("&r%d", int(shown))
	case inherited:
		return "<" + string(shown) + ">"
	case string:
		return fmt.Sprintf("%q", shown)
	case []byte:
		return fmt.Sprintf("%x", abbreviate(shown))
	case Described:
		return shown.Text
	case structure:
		return shown.String()
	case Vector:
		return fmt.Sprintf("%q", []string(shown))
	case Buffer:
		return "&" + shown.name
	}
	return number(a.value)
}

func number(v uint64) string {
	if int64(v) < 0 || v < 10 {
		return fmt.Sprint(int64(v))
	}
	return fmt.Sprintf("%#x", v)
}

func abbreviate(b []byte) []byte {
	if len(b) > 32 {
		return b[:32]
	}
	return b
}

// add puts bytes into the blob, aligned as the strictest system call wants it, and returns their address.
func (p *Plan) add(b []byte) uint64 {
	for len(p.blob)%8 != 0 {
		p.blob = append(p.blob, 0)
	}
	p.blob = append(p.blob, b...)
	return p.address(len(p.blob) - len(b))
}

func (p *Plan) str(s string) uint64 {
	if p.cut == nil && strings.IndexByte(s, 0) >= 0 {
		p.cut = &s
	}
	if address, ok := p.strings[s]; ok {
		return address
	}
	p.blob = append(append(p.blob, s...), 0)
	address := p.address(len(p.blob) - len(s) - 1)
	p.strings[s] = address
	return address
}

func (p *Plan) vector(v []string) uint64 {
	array := make([]byte, 0, 8*(len(v)+1))
	for _, s := range v {
		array = binary.NativeEndian.AppendUint64(array, p.str(s))
	}
	return p.add(append(array, make([]byte, 8)...))
}

func (p *Plan) address(offset int) uint64 { return Base + headerSize + uint64(offset) }

// Either appends the operations of then, to be run if the call before them, r, succeeded, and those of otherwise, to be run if not.
func (p *Plan) Either(r Ref, then, otherwise func()) {
	over := Ref(-1)
	p.When(r, func() {
		then()
		over = p.Call("", checkNumber, p.Room("nothing", 8), 0, 0, 0) // always 0: a jump
	})
	p.ops[over].skipZero = p.appended(over, otherwise)
}

// Last is the result of the operation appended last.
func (p *Plan) Last() Ref { return Ref(len(p.ops) - 1) }

// At is the part of a buffer that begins at an offset.
func (b Buffer) At(offset int) Buffer {
	return Buffer{b.address + uint64(offset), fmt.Sprintf("%s+%d", b.name, offset)}
}
