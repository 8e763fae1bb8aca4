package image

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"
)

// bigImage has layers of random-looking bytes, each of that many, so that they stay big when compressed.
func bigImage(size int, seeds ...byte) testImage {
	image := smallImage()
	image.layers = nil
	for _, seed := range seeds {
		image.layers = append(image.layers, []tar.Header{
			{Typeflag: tar.TypeDir, Name: fmt.Sprintf("layer%d/", seed), Mode: 0o755},
			{Typeflag: tar.TypeReg, Name: fmt.Sprintf("layer%d/file", seed), Mode: 0o644, Size: int64(size)},
		})
	}
	image.pack = packNothing
	return image
}

// Our own way and the library's make the same store, whatever the layers are packed with.
func TestSameAsLibrary(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	r := startRegistry(t, registryOptions{})
	r.useInsecure(t)
	trees := map[string]string{}
	for name, pack := range map[string]func(*testing.T, []byte) (string, []byte){
		"gzip": packGzip, "nothing": packNothing, "zstd": packZstd, "chunked": packChunked,
	} {
		small := smallImage()
		small.pack = pack
		r.push(t, name+":1", small)
		for _, plain := range []bool{false, true} {
			s := openStore(t)
			s.plain = plain
			i, err := s.Pull(t.Context(), name+":1", PullOptions{})
			if err != nil {
				t.Fatalf("%s, by the library alone %v: %v", name, plain, err)
			}
			key := fmt.Sprintf("%s %v", name, plain)
			for _, dir := range i.Lowers {
				trees[key] += describeTree(t, dir)
			}
			records, err := s.storage.Layers()
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range records {
				trees[key] += fmt.Sprintln(l.ID, l.Parent, l.CompressedDigest != "", l.UncompressedDigest, l.UncompressedSize, l.UIDs, l.GIDs)
			}
			if _, err := s.Remove(i.ID, RemoveOptions{}); err != nil {
				t.Fatal(err)
			}
			if trees[key] != trees["gzip true"] && trees["gzip true"] != "" {
				t.Errorf("%s differs from gzip by the library:\n%s\n%s", key, trees[key], trees["gzip true"])
			}
		}
	}
	if trees["gzip false"] != trees["gzip true"] || trees["chunked false"] != trees["gzip true"] || trees["gzip true"] == "" {
		t.Errorf("trees differ:\n%v", trees)
	}
}

// describeTree has a line for each file.
func describeTree(t *testing.T, root string) string {
	t.Helper()
	var text strings.Builder
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var stat unix.Stat_t
		if err := unix.Lstat(path, &stat); err != nil {
			return err
		}
		opaque := make([]byte, 16)
		n, _ := unix.Lgetxattr(path, "user.overlay.opaque", opaque)
		link, _ := os.Readlink(path)
		name, _ := filepath.Rel(root, path)
		size, nlink, mtime := stat.Size, stat.Nlink, stat.Mtim.Nano()
		if stat.Mode&unix.S_IFMT == unix.S_IFDIR {
			size = 0
		}
		if mtime != 0 {
			mtime = 1 // the layers say 0: it was made now
		}
		fmt.Fprintln(&text, name, stat.Mode, stat.Uid, stat.Gid, size, nlink, stat.Rdev, mtime, string(opaque[:max(n, 0)]), link)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// Two images that share layers, pulled at the same time, bring each layer once.
func TestSharedLayersOnce(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	r := startRegistry(t, registryOptions{})
	p := startProxy(t, r)
	r.useInsecure(t, p.address)
	one, two := bigImage(1<<20, 1, 2, 3), bigImage(1<<20, 1, 2, 4)
	two.config.Cmd = []string{"other"}
	r.push(t, "one:1", one)
	r.push(t, "two:1", two)
	var mu sync.Mutex
	asked := map[string]int{}
	p.answer.Store(func(_ http.ResponseWriter, q *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		asked[q.URL.Path[strings.LastIndex(q.URL.Path, "/")+1:]]++
		return false
	})
	s := openStore(t)
	var all sync.WaitGroup
	for _, name := range []string{"one", "two"} {
		all.Go(func() {
			if _, err := s.Pull(t.Context(), p.address+"/"+name+":1", PullOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if len(asked) != 6 {
		t.Errorf("%d blobs were asked for, want 4 layers and 2 configurations", len(asked))
	}
	for blob, times := range asked {
		if times != 1 {
			t.Errorf("%s was asked for %d times", blob, times)
		}
	}
}

// A pull that waits for another's layer takes over when that one gives up.
func TestLayerTakenOver(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	r := startRegistry(t, registryOptions{})
	p := startProxy(t, r)
	r.useInsecure(t, p.address)
	image := bigImage(1<<20, 1)
	r.push(t, "one:1", image)
	image.config.Cmd = []string{"other"}
	r.push(t, "two:1", image)
	layer := build(t, image).manifest.Layers[0].Digest.String()
	began, waiting := make(chan struct{}), make(chan struct{})
	var first atomic.Bool
	p.answer.Store(func(_ http.ResponseWriter, q *http.Request) bool {
		if strings.HasSuffix(q.URL.Path, layer) && first.CompareAndSwap(false, true) {
			close(began)
			<-waiting
			<-q.Context().Done()
			return true
		}
		return false
	})
	s := openStore(t)
	key := p.address + "/one:1"
	firstErr, secondErr := make(chan error), make(chan error)
	ctx, giveUp := context.WithCancel(t.Context())
	go func() { _, err := s.Pull(ctx, key, PullOptions{}); firstErr <- err }()
	<-began
	go func() {
		_, err := s.Pull(t.Context(), p.address+"/two:1", PullOptions{Report: func(Progress) {}})
		secondErr <- err
	}()
	waitFor(t, "the second pull to get to the layer", func() bool { return s.layers.waiters.Load() == 1 })
	close(waiting)
	giveUp()
	if err := <-firstErr; err == nil {
		t.Error("the first pull succeeded")
	}
	if err := <-secondErr; err != nil {
		t.Errorf("the second pull: %v", err)
	}
}

// A registry that stumbles, or is asked too often, is asked again; a connection that breaks off is taken up again.
func TestPullAgain(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	r := startRegistry(t, registryOptions{})
	p := startProxy(t, r)
	r.useInsecure(t, p.address)
	r.push(t, "app:1", bigImage(3<<20, 1, 2))
	s := openStore(t)
	for name, stumble := range map[string]func(http.ResponseWriter){
		"503": func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) },
		"429": func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		},
		"cut": func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "3000000")
			_, _ = w.Write(make([]byte, 100))
			panic(http.ErrAbortHandler)
		},
	} {
		var stumbled atomic.Int32
		p.answer.Store(func(w http.ResponseWriter, q *http.Request) bool {
			if stumbled.Add(1) > 2 {
				return false
			}
			stumble(w)
			return true
		})
		i, err := s.Pull(t.Context(), p.address+"/app:1", PullOptions{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if stumbled.Load() < 3 {
			t.Errorf("%s: the registry was asked %d times", name, stumbled.Load())
		}
		if _, err := s.Remove(i.ID, RemoveOptions{}); err != nil {
			t.Error(err)
		}
		checkNothingLeft(t, s)
	}
}

// What came whole before the connection was lost for good need not come again.
func TestPullResumes(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	r := startRegistry(t, registryOptions{})
	p := startProxy(t, r)
	r.useInsecure(t, p.address)
	image := bigImage(1<<20, 1, 2, 3)
	r.push(t, "app:1", image)
	layers := build(t, image).manifest.Layers
	s := openStore(t)
	var broken atomic.Bool
	broken.Store(true)
	asked := map[string]int{}
	var mu sync.Mutex
	p.answer.Store(func(w http.ResponseWriter, q *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		blob := q.URL.Path[strings.LastIndex(q.URL.Path, "/")+1:]
		asked[blob]++
		if blob == layers[2].Digest.String() && broken.Load() {
			mu.Unlock()
			waitFor(t, "two layers", func() bool { list, _ := s.storage.Layers(); return len(list) == 2 })
			mu.Lock()
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		return false
	})
	_, err := s.Pull(t.Context(), p.address+"/app:1", PullOptions{})
	if err == nil || !strings.Contains(err.Error(), "layer 3 of 3 ("+layers[2].Digest.String()+")") {
		t.Fatalf("pull of an image whose last layer is forbidden: %v; want the layer named", err)
	}
	checkNothingLeft(t, s)
	broken.Store(false)
	if _, err := s.Pull(t.Context(), p.address+"/app:1", PullOptions{}); err != nil {
		t.Fatal(err)
	}
	for n, want := range []int{1, 1, 2} {
		if got := asked[layers[n].Digest.String()]; got != want {
			t.Errorf("layer %d was asked for %d times, want %d", n+1, got, want)
		}
	}
}

// Whenever a pulling process is killed, the store works afterwards, nothing stays around, and the pull can be done again.
func TestPullKilled(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	r := startRegistry(t, registryOptions{})
	p := startProxy(t, r)
	r.useInsecure(t, p.address)
	r.push(t, "app:1", bigImage(4<<20, 1, 2, 3, 4))
	for round := range 12 {
		pulling := helperCommand("pull " + p.address + "/app:1")
		left := int64(1 + round*round*170_000)
		started := make(chan struct{})
		var mu sync.Mutex // over left
		p.answer.Store(func(w http.ResponseWriter, q *http.Request) bool {
			r.copyTo(t, w, q, func(n int64) bool {
				<-started
				mu.Lock()
				defer mu.Unlock()
				if left -= n; left <= 0 {
					_ = pulling.Process.Kill()
				}
				return left > 0
			})
			return true
		})
		if err := pulling.Start(); err != nil {
			t.Fatal(err)
		}
		close(started)
		if err := pulling.Wait(); err == nil {
			t.Logf("round %d: the pull was faster", round)
		}
		p.answer.Store(func(http.ResponseWriter, *http.Request) bool { return false })
		s, err := Open(testOptions())
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		list, err := s.List()
		if err != nil || len(list) > 1 {
			t.Errorf("round %d: list %v, %v", round, list, err)
		}
		if len(list) == 0 {
			checkNothingLeft(t, s)
		}
		i, err := s.Pull(t.Context(), p.address+"/app:1", PullOptions{})
		if err != nil {
			t.Fatalf("round %d: pull after a killed one: %v", round, err)
		}
		if _, err := s.Remove(i.ID, RemoveOptions{}); err != nil {
			t.Error(err)
		}
		if layers, err := s.storage.Layers(); err != nil || len(layers) != 0 {
			t.Errorf("round %d: layers left: %v, %v", round, layers, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// copyTo answers a request for a blob as the registry would, in small pieces, as long as more allows.
func (r *registry) copyTo(t *testing.T, w http.ResponseWriter, q *http.Request, more func(int64) bool) {
	answer, err := http.Get(r.url(q.URL.Path))
	if err != nil {
		t.Error(err)
		return
	}
	defer answer.Body.Close()
	w.Header().Set("Content-Length", answer.Header.Get("Content-Length"))
	piece := make([]byte, 32<<10)
	for {
		n, err := answer.Body.Read(piece)
		if _, failed := w.Write(piece[:n]); failed != nil || err != nil || !more(int64(n)) {
			return
		}
	}
}

// What an unfinished pull left is removed when nobody has come back for it.
func TestOrphans(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	r := startRegistry(t, registryOptions{})
	p := startProxy(t, r)
	r.useInsecure(t, p.address)
	r.push(t, "app:1", bigImage(1000, 1, 2))
	broken := bigImage(1000, 1, 3, 4)
	r.push(t, "broken:1", broken)
	last := build(t, broken).manifest.Layers[2].Digest.String()
	s := openStore(t)
	count := func() int {
		layers, _ := s.storage.Layers()
		return len(layers)
	}
	if _, err := s.Pull(t.Context(), "app:1", PullOptions{}); err != nil {
		t.Fatal(err)
	}
	p.answer.Store(func(w http.ResponseWriter, q *http.Request) bool {
		if !strings.HasSuffix(q.URL.Path, last) {
			return false
		}
		waitFor(t, "the other layer", func() bool { return count() == 3 })
		w.WriteHeader(http.StatusForbidden)
		return true
	})
	if _, err := s.Pull(t.Context(), p.address+"/broken:1", PullOptions{}); err == nil {
		t.Fatal("the broken image was pulled")
	}
	for _, c := range []struct {
		age  time.Duration
		want int
	}{{orphanAge, 3}, {0, 2}} {
		if err := s.removeOrphans(c.age); err != nil || count() != c.want {
			t.Errorf("after removing orphans of age %v: %d layers, %v; want %d", c.age, count(), err, c.want)
		}
	}
}

// A disk that is full is said so; nothing stays that makes it fuller.
func TestPullDiskFull(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	r := startRegistry(t, registryOptions{})
	r.useInsecure(t)
	r.push(t, "app:1", bigImage(6<<20, 1, 2))
	r.push(t, "small:1", smallImage())
	disk := t.TempDir()
	if err := syscall.Mount("small", disk, "tmpfs", 0, "size=8m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, 0) })
	o := testOptions()
	o.GraphRoot = filepath.Join(disk, "storage")
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	_, err = s.Pull(t.Context(), "app:1", PullOptions{})
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "layer ") || strings.Contains(err.Error(), "\n") {
		t.Errorf("pull to a full disk: %v; want ENOSPC and the layer", err)
	}
	checkNothingLeft(t, s)
	if _, err := s.Pull(t.Context(), "small:1", PullOptions{}); err != nil {
		t.Errorf("pull of a smaller image afterwards: %v", err)
	}
}

// Images that are not what they say they are.
func TestPullLies(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	r := startRegistry(t, registryOptions{})
	p := startProxy(t, r)
	r.useInsecure(t, p.address)
	s := openStore(t)
	lies := map[string]struct {
		change func(*builtImage)
		spoil  func([]byte) []byte // what the registry answers instead of the first layer
		text   string
	}{
		"size too small":    {func(b *builtImage) { b.manifest.Layers[0].Size -= 10 }, nil, "layer 1 of 2"},
		"size too big":      {func(b *builtImage) { b.manifest.Layers[0].Size += 10 }, nil, "layer 1 of 2"},
		"truncated":         {nil, func(b []byte) []byte { return b[:len(b)/2] }, "layer 1 of 2"},
		"damaged":           {nil, func(b []byte) []byte { b[len(b)/2] ^= 0xff; return b }, "Digest did not match"},
		"longer":            {nil, func(b []byte) []byte { return append(b, 0) }, "layer 1 of 2"},
		"other diff id":     {func(b *builtImage) { b.config.RootFS.DiffIDs[0] = digest.FromString("?") }, nil, "but the configuration says"},
		"too few diff ids":  {func(b *builtImage) { b.config.RootFS.DiffIDs = b.config.RootFS.DiffIDs[:1] }, nil, "manifest has 2 layers, configuration 1"},
		"too many diff ids": {func(b *builtImage) { b.config.RootFS.DiffIDs = append(b.config.RootFS.DiffIDs, digest.FromString("?")) }, nil, "manifest has 2 layers, configuration 3"},
		"no diff ids":       {func(b *builtImage) { b.config.RootFS.DiffIDs = nil }, nil, "manifest has 2 layers, configuration 0"},
		"not a tar file":    {func(b *builtImage) { b.replaceLayer(0, bytes.Repeat([]byte("x"), 5000)) }, nil, "layer 1 of 2"},
		"broken gzip":       {func(b *builtImage) { b.replaceLayer(0, []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff}) }, nil, "layer 1 of 2"},
		"climbing entry": {func(b *builtImage) {
			b.replaceLayer(0, packLayer(t, []tar.Header{{Typeflag: tar.TypeReg, Name: "../x"}}))
		}, nil, `"../x"`},
	}
	for name, lie := range lies {
		b := build(t, smallImage())
		if lie.change != nil {
			lie.change(b)
			b.setConfig(t)
		}
		tag := "lie:" + strings.ReplaceAll(name, " ", "-")
		r.pushBuilt(t, tag, b)
		p.answer.Store(func(w http.ResponseWriter, q *http.Request) bool {
			first := b.manifest.Layers[0].Digest
			if lie.spoil == nil || !strings.HasSuffix(q.URL.Path, first.String()) {
				return false
			}
			_, _ = w.Write(lie.spoil(bytes.Clone(b.blobs[first])))
			return true
		})
		_, err := s.Pull(t.Context(), p.address+"/"+tag, PullOptions{})
		switch {
		case err == nil:
			t.Errorf("%s: pulled", name)
		case !strings.Contains(err.Error(), lie.text) || strings.Contains(err.Error(), "\n"):
			t.Errorf("%s: %v; want one line with %q", name, err, lie.text)
		default:
			t.Logf("%s: %v", name, err)
		}
		checkNothingLeft(t, s)
	}
}

// replaceLayer puts other bytes in the place of a layer, truthfully.
func (b *builtImage) replaceLayer(n int, content []byte) {
	b.manifest.Layers[n] = b.add(imgspecv1.MediaTypeImageLayerGzip, content)
	b.config.RootFS.DiffIDs[n] = digest.FromBytes(content)
}

// Some kilobytes that unpack to gigabytes are refused before they fill the disk.
func TestPullBomb(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	r := startRegistry(t, registryOptions{})
	r.useInsecure(t)
	b := build(t, smallImage())
	var header, bomb bytes.Buffer
	w := tar.NewWriter(&header)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "zeros", Mode: 0o644, Size: 8 << 30}); err != nil {
		t.Fatal(err)
	}
	unlimited = 64 << 20
	t.Cleanup(func() { unlimited = 1 << 30 })
	writeBomb(t, &bomb, header.Bytes(), 128<<20)
	b.replaceLayer(0, bomb.Bytes())
	b.setConfig(t)
	r.pushBuilt(t, "bomb:1", b)
	s := openStore(t)
	_, err := s.Pull(t.Context(), "bomb:1", PullOptions{})
	if err == nil || !strings.Contains(err.Error(), "layer 1 of 2") || !strings.Contains(err.Error(), "bomb") {
		t.Errorf("pull of a bomb: %v", err)
	}
	t.Log(err)
	checkNothingLeft(t, s)
}

// An index leads to the image for this machine, or to a sentence that names the machine.
func TestPullIndex(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	r := startRegistry(t, registryOptions{})
	r.useInsecure(t)
	s := openStore(t)
	b := build(t, smallImage())
	r.pushBuilt(t, "app:single", b)
	content := marshal(t, b.manifest)
	entry := imgspecv1.Descriptor{MediaType: imgspecv1.MediaTypeImageManifest, Digest: digest.FromBytes(content), Size: int64(len(content))}
	index := func(architectures ...string) []byte {
		i := imgspecv1.Index{MediaType: imgspecv1.MediaTypeImageIndex}
		i.SchemaVersion = 2
		for _, a := range architectures {
			e := entry
			e.Platform = &imgspecv1.Platform{OS: "linux", Architecture: a}
			i.Manifests = append(i.Manifests, e)
		}
		return marshal(t, i)
	}
	ours := r.pushManifest(t, "app:ours", imgspecv1.MediaTypeImageIndex, index("s390x", runtime.GOARCH))
	r.pushManifest(t, "app:others", imgspecv1.MediaTypeImageIndex, index("s390x", "riscv64"))
	i, err := s.Pull(t.Context(), "app:ours", PullOptions{})
	if err != nil || i.Digest != ours {
		t.Fatalf("pull of an index %s with %s: %+v, %v", ours, entry.Digest, i, err)
	}
	if byDigest, err := s.Get(r.address + "/app@" + ours.String()); err != nil || byDigest.ID != i.ID {
		t.Errorf("by the index's digest: %v, %v", byDigest, err)
	}
	_, err = s.Pull(t.Context(), "app:others", PullOptions{})
	if err == nil || !strings.Contains(err.Error(), runtime.GOARCH) || strings.Contains(err.Error(), "\n") {
		t.Errorf("pull of an index without us: %v; want the architecture named", err)
	}
	t.Log("index", ours, "manifest", entry.Digest)
	if _, err = s.Pull(t.Context(), "app:others", PullOptions{Platform: "linux/riscv64"}); err != nil {
		t.Errorf("pull of an index for a platform that it has: %v", err)
	}
	if _, err = s.Pull(t.Context(), "app:others", PullOptions{Platform: "linux"}); err == nil || !strings.Contains(err.Error(), "OS/ARCH") {
		t.Errorf("pull for no platform: %v", err)
	}
	if i, err = s.Pull(t.Context(), r.address+"/app@"+ours.String(), PullOptions{}); err != nil || !slices.Contains(i.Names, r.address+"/app@"+ours.String()) {
		t.Errorf("pull by the index's digest: %+v, %v", i, err)
	}
}

// The policy is asked before a layer is.
func TestPolicyBeforeLayers(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	r := startRegistry(t, registryOptions{})
	p := startProxy(t, r)
	r.useInsecure(t, p.address)
	r.push(t, "app:1", smallImage())
	writeConfig(t, "policy.json", `{"default": [{"type": "reject"}]}`)
	s := openStore(t)
	if _, err := s.Pull(t.Context(), p.address+"/app:1", PullOptions{}); !errors.Is(err, ErrPolicy) {
		t.Errorf("pull against the policy: %v", err)
	}
	if n := p.blobs.Load(); n != 0 {
		t.Errorf("%d blobs were asked for", n)
	}
	checkNothingLeft(t, s)
}

// helperCommand is another process at the same store.
func helperCommand(command string) *exec.Cmd {
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), helperVariable+"="+command)
	return c
}

// writeBomb compresses a beginning and then zeros.
func writeBomb(t *testing.T, to io.Writer, beginning []byte, zeros int) {
	t.Helper()
	_, piece := packGzip(t, beginning)
	write := func(b []byte) {
		if _, err := to.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	write(piece)
	_, piece = packGzip(t, make([]byte, 1<<20))
	for range zeros >> 20 {
		write(piece) // members of one gzip file
	}
}
