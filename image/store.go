package image

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync"

	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"
	"go.podman.io/storage"
	"go.podman.io/storage/pkg/configfile"
	"go.podman.io/storage/pkg/reexec"
)

// Options say whose images and where. Empty fields take what podman and skopeo would take for this user.
type Options struct {
	// GraphRoot holds images and layers; RunRoot what does not outlive a boot. Empty: as in storage.conf, else
	// $XDG_DATA_HOME/containers/storage and $XDG_RUNTIME_DIR/containers.
	GraphRoot, RunRoot string
	// RootlessUID and RootlessGID are the user's ids outside the user namespace.
	RootlessUID, RootlessGID int
	// SingleID says that the user namespace maps one user and one group only. All files of layers then belong to them; the
	// record of a layer (its tar-split) keeps who they would have belonged to.
	SingleID bool
	// Home is the user's home directory. Empty: $HOME.
	Home string
	// AuthFile holds credentials (containers-auth.json(5)). Empty: $REGISTRY_AUTH_FILE, else the files that podman and
	// skopeo look into.
	AuthFile string
}

// Store is the user's images. Its methods may be called from any goroutine.
type Store struct {
	storage storage.Store
	system  *types.SystemContext // read only
	scratch *os.File             // locked while the store is open

	cache   cache
	flights flights // pulls
	layers  claims  // of layers on their way
	plain   bool    // leave the unpacking of layers to the library
	note    string  // why the store is not the user's usual one
	noted   sync.Once

	// arriving is held for reading while an image enters the store: its layers belong to no image until the end.
	arriving sync.RWMutex
}

// Init is to be called first in main. If it returns true, this process was a child that the store started to unpack a
// layer, its work is done and main must return. Otherwise it costs a look into a map.
func Init() bool { return reexec.Init() }

// Open opens the user's store and makes its directories if there are none. It sets environment variables of this
// process that the storage library, and the child processes it starts, go by.
func Open(o Options) (*Store, error) {
	divertLog()
	if err := enterRootless(o); err != nil {
		return nil, err
	}
	options, note, err := storeOptions(o)
	if err != nil {
		return nil, err
	}
	if note != "" {
		slog.Info(note)
	}
	s, err := storage.GetStore(options)
	if err != nil {
		return nil, fmt.Errorf("open image store %s: %w", options.GraphRoot, err)
	}
	if os.Getenv("XDG_RUNTIME_DIR") == "" {
		// Without it the registry library looks for credentials in /run/containers/UID, and takes us for user 0.
		if err := os.Setenv("XDG_RUNTIME_DIR", options.RunRoot); err != nil {
			return nil, err
		}
	}
	if err := sweepStaging(s); err != nil {
		s.Free()
		return nil, err
	}
	scratch, err := openScratch(options.GraphRoot)
	if err != nil {
		s.Free()
		return nil, err
	}
	opened := &Store{storage: s, scratch: scratch, system: systemContext(o, scratch.Name()), note: note}
	if err := opened.removeOrphans(orphanAge); err != nil {
		slog.Warn("layers of unfinished pulls stay", "error", err)
	}
	return opened, nil
}

// Root is the directory that images and layers are in.
func (s *Store) Root() string { return s.storage.GraphRoot() }

// Close ends pulls that are under way, waits for them, and releases the store. Images stay.
func (s *Store) Close() error {
	s.flights.stop()
	s.storage.Free()
	return s.scratch.Close() // and with it the lock
}

// enterRootless tells the storage library that this process is in the user namespace of an ordinary user already, and
// who that user is outside.
func enterRootless(o Options) error {
	set := map[string]string{
		"_CONTAINERS_USERNS_CONFIGURED": "done",
		"_CONTAINERS_ROOTLESS_UID":      strconv.Itoa(o.RootlessUID),
		"_CONTAINERS_ROOTLESS_GID":      strconv.Itoa(o.RootlessGID),
	}
	if o.Home != "" {
		set["HOME"] = o.Home
	}
	for name, value := range set {
		if err := os.Setenv(name, value); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	return nil
}

// systemContext says where to look for credentials and where to put blobs. What it leaves empty (registries.conf,
// certs.d, …) the library finds in the user's home and in /etc.
func systemContext(o Options, scratch string) *types.SystemContext {
	auth := o.AuthFile
	if auth == "" {
		// podman and skopeo honour this one in their option parsing, which the library is not part of.
		auth = os.Getenv("REGISTRY_AUTH_FILE")
	}
	return &types.SystemContext{
		AuthFilePath:         auth,
		BigFilesTemporaryDir: scratch,
		// This cache is for pushing and for stores that come and go. It needs SQLite, thus C; where its directory cannot be
		// made the library keeps it in memory for the time of one pull, and that is the same in every build.
		BlobInfoCacheDir:        os.DevNull,
		DockerRegistryUserAgent: "peapod",
	}
}

// policy reads policy.json where containers-policy.json(5) says. Where none is installed at all, every image is admitted:
// that is the policy containers-common would have brought, as Docker and the kubelet behave, and peapod must work on
// machines that never saw that package.
func policy(system *types.SystemContext) (*signature.Policy, error) {
	p, err := signature.DefaultPolicy(system)
	if errors.Is(err, configfile.ErrConfigFileNotFound) {
		p, err = &signature.Policy{Default: signature.PolicyRequirements{signature.NewPRInsecureAcceptAnything()}}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read policy.json: %w", err)
	}
	return p, nil
}

// wantsSignatures tells whether any image has to be signed.
func wantsSignatures(p *signature.Policy) bool {
	text, err := json.Marshal(p)
	return err != nil || bytes.Contains(text, []byte(`"signedBy"`)) || bytes.Contains(text, []byte(`"sigstoreSigned"`))
}
