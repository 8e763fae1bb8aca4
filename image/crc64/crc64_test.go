package crc64

import (
	"hash/crc64"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
)

func noise(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}

// TestUpdate compares with hash/crc64: all short lengths from all places in a block, with what came before and without.
func TestUpdate(t *testing.T) {
	p := noise(1 << 20)
	for length := range 420 { // minimum, one stride more, and blocks
		for offset := range block {
			same(t, 0, p[offset:offset+length])
			same(t, 0x0123456789abcdef*uint64(length), p[offset:offset+length])
		}
	}
	for length := len(p) - 300; length <= len(p); length++ {
		same(t, ^uint64(length), p[:length])
	}
	if testing.Verbose() {
		t.Log("folds:", folds)
	}
}

func same(t *testing.T, crc uint64, p []byte) {
	t.Helper()
	if got, want := Update(crc, p), crc64.Update(crc, table, p); got != want {
		t.Fatalf("%d bytes after %#x: %#x, want %#x", len(p), crc, got, want)
	}
}

// TestCheck is the check value of the catalogue of CRCs for this one, CRC-64/GO-ISO.
func TestCheck(t *testing.T) {
	if got := Update(0, []byte("123456789")); got != 0xb90956c775a41001 {
		t.Errorf("%#x", got)
	}
}

func FuzzUpdate(f *testing.F) {
	f.Add(uint64(0), []byte{}, uint(0))
	f.Add(uint64(1), noise(1000), uint(500))
	f.Fuzz(func(t *testing.T, crc uint64, p []byte, cut uint) {
		same(t, crc, p)
		n := cut % uint(len(p)+1)
		if got, want := Update(Update(crc, p[:n]), p[n:]), Update(crc, p); got != want {
			t.Errorf("in two pieces %#x, in one %#x", got, want)
		}
	})
}

// TestArm64 runs the other tests as an arm64 program under qemu's user emulation, where that is installed.
func TestArm64(t *testing.T) {
	qemu, err := exec.LookPath("qemu-aarch64")
	if err != nil || runtime.GOARCH != "amd64" {
		if os.Getenv("PEAPOD_TEST_REQUIRE") != "" && runtime.GOARCH == "amd64" {
			t.Fatal("needs qemu-aarch64")
		}
		t.Skip("needs qemu-aarch64 on amd64")
	}
	binary := filepath.Join(t.TempDir(), "test")
	build := exec.Command("go", "test", "-c", "-o", binary, ".")
	build.Env = append(os.Environ(), "GOARCH=arm64", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	if out, err := exec.Command(qemu, binary, "-test.v", "-test.run=Update|Check").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	} else {
		t.Logf("%s", out)
	}
}

func BenchmarkUpdate(b *testing.B) {
	p := noise(256 << 10)
	for name, f := range map[string]func(uint64, []byte) uint64{
		"here": Update,
		"hash": func(crc uint64, p []byte) uint64 { return crc64.Update(crc, table, p) },
	} {
		for _, size := range []int{256, 4 << 10, len(p)} {
			b.Run(name+"/"+strconv.Itoa(size), func(b *testing.B) {
				b.SetBytes(int64(size))
				for b.Loop() {
					f(0, p[:size])
				}
			})
		}
	}
}
