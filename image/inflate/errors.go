package inflate

import (
	"errors"
	"fmt"
	"io"
)

// What can be wrong with the compressed bytes; to be told apart with errors.Is. They come inside an *Error.
var (
	// ErrHeader: a member does not begin as RFC 1952 says, or its header's own checksum is wrong.
	ErrHeader = errors.New("invalid gzip header")
	// ErrBlockType: a block is of the reserved type 3.
	ErrBlockType = errors.New("invalid block type")
	// ErrStoredLength: the length of a stored block and its complement do not agree.
	ErrStoredLength = errors.New("invalid length of a stored block")
	// ErrCodeLengths: the code lengths of a block do not make prefix codes, or there are too many of them.
	ErrCodeLengths = errors.New("invalid code lengths")
	// ErrCode: bits that stand for no symbol.
	ErrCode = errors.New("invalid code")
	// ErrDistance: a match begins before the member does.
	ErrDistance = errors.New("distance too far back")
	// ErrChecksum: the CRC-32 of what came out is not the one in the trailer.
	ErrChecksum = errors.New("checksum mismatch")
	// ErrLength: the length of what came out is not the one in the trailer.
	ErrLength = errors.New("wrong length")
	// ErrTrailing: after the last member comes something that is neither another one nor zeros.
	ErrTrailing = errors.New("trailing garbage")
	// ErrUnexpectedEnd: the file ends inside a member. It is also an io.ErrUnexpectedEOF.
	ErrUnexpectedEnd = fmt.Errorf("unexpected end (%w)", io.ErrUnexpectedEOF)
	// ErrClosed: Read or WriteTo after Close. Not inside an *Error.
	ErrClosed = errors.New("inflate: closed")
)

// Error says what is wrong and where.
type Error struct {
	Offset int64 // bytes of the compressed file before the byte at which it was noticed
	Cause  error // one of the sentinels
}

func (e *Error) Error() string { return fmt.Sprintf("inflate: byte %d: %v", e.Offset, e.Cause) }

func (e *Error) Unwrap() error { return e.Cause }
