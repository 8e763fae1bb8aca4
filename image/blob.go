package image

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"syscall"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/pkg/compression"

	"github.com/peapod/peapod/image/inflate"
)

// verifier hands on a blob and compares it, at its end, with what was announced. It never hands on more than that.
type verifier struct {
	from io.Reader
	want digest.Digest
	size int64 // -1: not announced
	sum  hash.Hash
	got  int64
	err  error
}

func newVerifier(from io.Reader, want digest.Digest, size int64) *verifier {
	return &verifier{from: from, want: want, size: size, sum: want.Algorithm().Hash()}
}

func (v *verifier) Read(p []byte) (int, error) {
	if v.err != nil {
		return 0, v.err
	}
	n, err := v.from.Read(p)
	v.got += int64(n)
	if v.size >= 0 && v.got > v.size {
		v.err = &badBlob{fmt.Sprintf("has more than the %d bytes that the manifest says", v.size)}
		return 0, v.err
	}
	v.sum.Write(p[:n])
	if err == io.EOF {
		err = v.end()
	}
	v.err = err
	return n, err
}

// end returns io.EOF if all is well.
func (v *verifier) end() error {
	if v.size >= 0 && v.got < v.size {
		return &badBlob{fmt.Sprintf("ends after %d of %d bytes", v.got, v.size)}
	}
	if got := digest.NewDigest(v.want.Algorithm(), v.sum); got != v.want {
		return &badBlob{fmt.Sprintf("Digest did not match: it is %s", got)}
	}
	return io.EOF
}

// explain prefers what is known about the blob to the error of whoever made sense of its bytes. After such an error the rest
// of the blob is read: what is not the blob that was announced is damaged, and if it is, it was made so.
func (v *verifier) explain(err error) error {
	var local syscall.Errno
	if v.err == nil && !errors.As(err, &local) {
		_, _ = io.Copy(io.Discard, v)
	}
	if v.err != nil && v.err != io.EOF {
		return v.err // the connection's, or badBlob
	}
	return &badContent{err}
}

// badContent: the blob is the one that was announced, and cannot be unpacked.
type badContent struct{ err error }

func (b *badContent) Error() string { return b.err.Error() }
func (b *badContent) Unwrap() error { return b.err }

// badBlob: the bytes are not those that the manifest announced.
type badBlob struct{ text string }

func (b *badBlob) Error() string { return b.text }

// counter reports how much of a layer has come, and ends with its context: not every source does while it is read.
type counter struct {
	ctx    context.Context
	from   io.Reader
	layer  *layer
	report func(Progress)
	got    int64
	last   time.Time
}

func (c *counter) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.from.Read(p)
	c.got += int64(n)
	if now := time.Now(); now.Sub(c.last) >= progressInterval {
		c.last = now
		c.report(Progress{Layer: c.layer.blob.Digest, Offset: c.got, Total: c.layer.blob.Size, Message: "pulling"})
	}
	return n, err
}

// The first bytes of compressed files: RFC 1952, RFC 8878 (a zstd frame, or a skippable one, as zstd:chunked may have).
var (
	gzipMagic     = []byte{0x1f, 0x8b, 0x08}
	zstdMagic     = []byte{0x28, 0xb5, 0x2f, 0xfd}
	zstdSkipMagic = []byte{0x2a, 0x4d, 0x18} // after a first byte 0x50 to 0x5f
)

const (
	zstdMaxWindow = 64 << 20 // bytes that a stream may make us keep; RFC 8878 recommends to support 8 MiB
	readAtOnce    = 128 << 10
)

// decompress looks at the first bytes, for media types are not always right, and returns the plain stream.
func decompress(from io.Reader) (io.ReadCloser, error) {
	buffered := bufio.NewReaderSize(from, readAtOnce)
	magic, err := buffered.Peek(6)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(magic, gzipMagic):
		return inflate.NewReader(buffered), nil
	case bytes.HasPrefix(magic, zstdMagic), len(magic) >= 4 && magic[0]&0xf0 == 0x50 && bytes.HasPrefix(magic[1:], zstdSkipMagic):
		decoder, err := zstd.NewReader(buffered, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(zstdMaxWindow))
		if err != nil {
			return nil, err
		}
		return decoder.IOReadCloser(), nil
	}
	plain, _, err := compression.AutoDecompress(buffered) // bzip2, xz, or none
	return plain, err
}
