package image

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.podman.io/storage"
	"go.podman.io/storage/pkg/homedir"
	"go.podman.io/storage/types"
	"golang.org/x/sys/unix"
)

// storeOptions decides which directories to use. It starts from what podman would use (storage.conf(5), else the
// built-in defaults) and leaves that only for a store that the kernel's overlay cannot mount.
// note says so in that case.
func storeOptions(o Options) (options storage.StoreOptions, note string, err error) {
	if options, err = types.LoadStoreOptions(types.LoadOptions{}); err != nil {
		return options, "", fmt.Errorf("read storage.conf: %w", err)
	}
	if err := ownDirectories(&options); err != nil {
		return options, "", err
	}
	switch {
	case o.GraphRoot != "":
		options.GraphRoot = o.GraphRoot
	case !kernelOverlay(options):
		theirs := options.GraphRoot
		if options, err = ownStore(); err != nil {
			return options, "", err
		}
		note = fmt.Sprintf("images are kept in %s: the store in %s is not of the kernel's overlay, and is left alone", options.GraphRoot, theirs)
	}
	if o.RunRoot != "" {
		options.RunRoot = o.RunRoot
	}
	options.GraphDriverName = "overlay"
	options.GraphDriverPriority = nil
	// The driver would bind its directory onto itself to keep its mounts private. We mount by ourselves, elsewhere, and
	// our mount namespace should hold nothing that nobody needs.
	options.GraphDriverOptions = append(slices.Clone(options.GraphDriverOptions), "overlay.skip_mount_home=true")
	if o.SingleID {
		options.GraphDriverOptions = append(options.GraphDriverOptions, "overlay.ignore_chown_errors=true")
	}
	return options, note, nil
}

// ownDirectories replaces directories that the user cannot write to by the built-in defaults of an ordinary user. Up to
// podman 5 the graphroot and runroot of the system's storage.conf were root's alone, and distributions' files still say so;
// the library has given up the difference.
func ownDirectories(options *storage.StoreOptions) error {
	if !writable(options.GraphRoot) {
		data, err := homedir.GetDataHome()
		if err != nil {
			return fmt.Errorf("find a directory for images: %w", err)
		}
		options.GraphRoot = filepath.Join(data, "containers", "storage")
	}
	if !writable(options.RunRoot) {
		runtime, err := homedir.GetRuntimeDir()
		if err != nil {
			return fmt.Errorf("find a runtime directory for images: %w", err)
		}
		options.RunRoot = filepath.Join(runtime, "containers")
	}
	return nil
}

// writable tells whether a directory could be made or used by this user.
func writable(dir string) bool {
	for {
		err := unix.Access(dir, unix.W_OK|unix.X_OK)
		if !errors.Is(err, unix.ENOENT) || dir == filepath.Dir(dir) {
			return err == nil
		}
		dir = filepath.Dir(dir)
	}
}

// ownStore is where images go when the user's own store is not for us.
func ownStore() (storage.StoreOptions, error) {
	data, err := homedir.GetDataHome()
	if err != nil {
		return storage.StoreOptions{}, fmt.Errorf("find a directory for images: %w", err)
	}
	runtime, err := homedir.GetRuntimeDir()
	if err != nil {
		return storage.StoreOptions{}, fmt.Errorf("find a runtime directory for images: %w", err)
	}
	return storage.StoreOptions{
		GraphRoot: filepath.Join(data, "peapod", "storage"),
		RunRoot:   filepath.Join(runtime, "peapod", "storage"),
	}, nil
}

// kernelOverlay reports whether the layers of a store, or those that podman would make in it, can be the lower
// directories of an overlay mount. The library leaves two traces: each driver keeps records in DRIVER-layers, and
// overlay/.has-mount-program says "true" where fuse-overlayfs is used, whose layers mark deletions its own way.
func kernelOverlay(options storage.StoreOptions) bool {
	if driver := options.GraphDriverName; driver != "" && driver != "overlay" {
		return false
	}
	for _, option := range options.GraphDriverOptions {
		name, value, _ := strings.Cut(option, "=")
		if strings.HasSuffix(name, "mount_program") && value != "" {
			return false
		}
	}
	if flag, err := os.ReadFile(filepath.Join(options.GraphRoot, "overlay", ".has-mount-program")); err == nil {
		return strings.TrimSpace(string(flag)) != "true"
	}
	records, err := filepath.Glob(filepath.Join(options.GraphRoot, "*-layers"))
	if err != nil || len(records) == 0 {
		return true // nothing there yet; podman will find ours and go along
	}
	return slices.Contains(records, filepath.Join(options.GraphRoot, "overlay-layers"))
}
