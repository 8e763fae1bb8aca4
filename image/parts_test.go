package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/types"
)

func TestPassing(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{docker.UnexpectedHTTPStatusError{StatusCode: 503}, true},
		{fmt.Errorf("fetching blob: %w", docker.UnexpectedHTTPStatusError{StatusCode: 500}), true},
		{docker.UnexpectedHTTPStatusError{StatusCode: 404}, false},
		{&url.Error{Op: "Get", URL: "/", Err: io.EOF}, true},
		{io.EOF, false},
		{io.ErrUnexpectedEOF, true},
		{&badContent{io.ErrUnexpectedEOF}, false},
		{&badBlob{"short"}, false},
		{&layerError{"layer 1", syscall.ECONNRESET}, true},
		{syscall.ECONNREFUSED, false},
		{syscall.ENOSPC, false},
		{context.Canceled, false},
		{context.DeadlineExceeded, false},
		{errors.New("?"), false},
	} {
		if got := passing(c.err); got != c.want {
			t.Errorf("passing(%v) = %v", c.err, got)
		}
	}
}

// A wait between attempts ends with its context.
func TestRetryCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	tries := 0
	err := retry(ctx, func() error {
		tries++
		cancel()
		return syscall.ECONNRESET
	})
	if !errors.Is(err, context.Canceled) || tries != 1 {
		t.Errorf("%v after %d tries", err, tries)
	}
}

// The ids of the example in the OCI image specification, config.md, section "Layer ChainID", and where we must step aside.
func TestChain(t *testing.T) {
	a, b := digest.FromString("a"), digest.FromString("b")
	blobs := []types.BlobInfo{{Digest: digest.FromString("blob a")}, {Digest: digest.FromString("blob b")}}
	config := fmt.Sprintf(`{"rootfs": {"diff_ids": [%q, %q]}}`, a, b)
	layers, err := chain(blobs, []byte(config))
	if err != nil {
		t.Fatal(err)
	}
	second := digest.FromString(a.Encoded() + "+" + b.Encoded()).Encoded()
	if layers[0].id != a.Encoded() || layers[0].parent != "" || layers[1].id != second || layers[1].parent != a.Encoded() {
		t.Errorf("layers %+v", layers)
	}
	for config, want := range map[string]string{
		`{`:                            "read configuration",
		`{"rootfs": {"diff_ids": []}}`: "manifest has 2 layers, configuration 0",
		`{"rootfs": {"diff_ids": ["sha256:../../x", "y"]}}`:                 "the digest",
		fmt.Sprintf(`{"rootfs": {"diff_ids": [%q, "sha512:00"]}}`, a):       "the digest",
		fmt.Sprintf(`{"rootfs": {"diff_ids": [%q, %q, %q]}}`, a, b, a):      "configuration 3",
		fmt.Sprintf(`{"rootfs": {"diff_ids": [%q, "sha256:%064d"]}}`, a, 0): "",
	} {
		if _, err := chain(blobs, []byte(config)); err == nil != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", config, err, want)
		}
	}
	blobs[0].MediaType = "application/vnd.oci.image.layer.v1.tar+gzip+encrypted"
	var other *otherwise
	if _, err := chain(blobs, []byte(config)); !errors.As(err, &other) {
		t.Errorf("an encrypted layer: %v", err)
	}
}

func FuzzChain(f *testing.F) {
	f.Add([]byte(fmt.Sprintf(`{"rootfs": {"diff_ids": [%q]}}`, digest.FromString("a"))))
	f.Add([]byte(`{"rootfs": {"diff_ids": ["sha256:../../../../../../../../../../../../../../../../../../../../../../"]}}`))
	f.Fuzz(func(t *testing.T, config []byte) {
		layers, err := chain([]types.BlobInfo{{Digest: digest.FromString("blob")}}, config)
		if err != nil {
			return
		}
		for _, l := range layers {
			if len(l.id) != 64 || !isHex(l.id) {
				t.Errorf("layer id %q would become the name of a directory", l.id)
			}
		}
	})
}

func TestVerifier(t *testing.T) {
	const content = "the blob"
	sum := digest.FromString(content)
	for _, c := range []struct {
		name, content string
		want          digest.Digest
		size          int64
		text          string
	}{
		{"as announced", content, sum, int64(len(content)), ""},
		{"no size announced", content, sum, -1, ""},
		{"short", content[1:], sum, int64(len(content)), "ends after 7 of 8 bytes"},
		{"long", content + "!", sum, int64(len(content)), "more than the 8 bytes"},
		{"other", "The blob", sum, int64(len(content)), "Digest did not match"},
		{"other, no size", "?", sum, -1, "Digest did not match"},
	} {
		got, err := io.ReadAll(newVerifier(strings.NewReader(c.content), c.want, c.size))
		switch {
		case c.text == "" && (err != nil || string(got) != c.content):
			t.Errorf("%s: %q, %v", c.name, got, err)
		case c.text != "" && (err == nil || !strings.Contains(err.Error(), c.text)):
			t.Errorf("%s: %v, want %q", c.name, err, c.text)
		case c.size >= 0 && int64(len(got)) > c.size:
			t.Errorf("%s: handed on %d bytes of %d", c.name, len(got), c.size)
		}
	}
}

// Streams are told apart by their first bytes, and end with an error or as what they are.
func TestDecompress(t *testing.T) {
	plain := bytes.Repeat([]byte("content "), 1000)
	_, zipped := packGzip(t, plain)
	_, zstandard := packZstd(t, plain)
	_, chunked := packChunked(t, plain)
	skipFirst := append([]byte{0x5f, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 'x'}, zstandard...)
	for name, packed := range map[string][]byte{
		"gzip": zipped, "two members": append(bytes.Clone(zipped), zipped...), "zstd": zstandard, "chunked": chunked,
		"skippable frame first": skipFirst, "plain": plain, "empty": {}, "short": []byte("ab"),
	} {
		want := plain
		switch name {
		case "two members":
			want = append(bytes.Clone(plain), plain...)
		case "empty", "short":
			want = packed
		}
		r, err := decompress(bytes.NewReader(packed))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v; want %d", name, len(got), err, len(want))
		}
		if err := r.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A frame that wants a window of 1 GiB (RFC 8878, section 3.1.1.1.2: exponent 20).
	greedy := append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 20 << 3}, make([]byte, 100)...)
	r, err := decompress(bytes.NewReader(greedy))
	if err == nil {
		_, err = io.ReadAll(r)
		_ = r.Close()
	}
	if err == nil {
		t.Error("a window of 1 GiB was granted")
	}
}

func FuzzDecompress(f *testing.F) {
	for _, seed := range [][]byte{{0x1f, 0x8b, 8, 0}, {0x28, 0xb5, 0x2f, 0xfd}, {0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0}, []byte("BZh9"), {0xfd, '7', 'z', 'X', 'Z', 0}} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, packed []byte) {
		r, err := decompress(bytes.NewReader(packed))
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(r, 1<<20))
		_ = r.Close()
	})
}
