module github.com/peapod/peapod

go 1.26.3

// Images. go.podman.io/image/v5 and go.podman.io/storage are github.com/containers/image/v5 and github.com/containers/storage: their
// project moved them to these module paths in 2025, and the old ones get no more releases.
require (
	github.com/klauspost/compress v1.19.1 // zstd
	github.com/docker/distribution v2.8.3+incompatible // error codes of registries
	github.com/opencontainers/go-digest v1.0.0
	github.com/opencontainers/image-spec v1.1.1
	github.com/sirupsen/logrus v1.10.2 // the storage library's words, on their way to the node's log
	github.com/ProtonMail/go-crypto v1.4.1 // for tests only: signatures
	github.com/vbatts/tar-split v0.12.3 // for tests only: reads what image/unpack records
	go.podman.io/image/v5 v5.41.2 // pulls, registries.conf, policy.json, credentials
	go.podman.io/storage v1.64.2 // the store that podman, buildah and skopeo use too
)

// Containers.
require (
	github.com/moby/profiles/seccomp v0.2.4 // the default profile of the ecosystem
	github.com/moby/sys/capability v0.4.0 // names and numbers of capabilities
	github.com/moby/sys/mountinfo v0.7.2
	github.com/moby/sys/user v0.4.1 // /etc/passwd and /etc/group of images
	github.com/opencontainers/runtime-spec v1.3.0
	github.com/opencontainers/runtime-tools v0.9.1-0.20260316125833-8a4db579f5c8 // makes a container's config.json
	github.com/rootless-containers/rootlesskit/v3 v3.3.0 // subordinate ids, newuidmap; types of published ports; what slirp4netns and pasta can do
)

// Network.
require (
	github.com/google/nftables v0.3.0 // rules without the nft program
	github.com/mdlayher/netlink v1.7.3-0.20250113171957-fbb4dce95f42
	golang.org/x/net v0.62.0 // DNS messages, packet filters
	gvisor.dev/gvisor v0.0.0-20260905035102-160fafc42237 // a TCP/IP stack, for kernels without tproxy
)

// The Kubernetes API.
require (
	github.com/google/uuid v1.6.0 // Pods' uids
	github.com/gorilla/websocket v1.5.3 // exec, port-forward
	github.com/moby/spdystream v0.5.1 // port-forward: what kubectl speaks, over WebSocket or not
	go.yaml.in/yaml/v3 v3.0.6 // lines for messages
	k8s.io/api v0.37.2 // its types
	k8s.io/apimachinery v0.37.2
	sigs.k8s.io/json v0.0.0-20260909141634-11ed52e25bc5 // decodes as an API server does
	sigs.k8s.io/yaml v1.6.0
)

// The rest.
require (
	github.com/docker/go-units v0.5.0 // times and sizes as docker prints them
	github.com/miekg/dns v1.1.73 // for tests only: a name server outside
	github.com/rogpeppe/go-internal v1.16.0 // for tests only: testscript
	github.com/spf13/cobra v1.10.2 // the command line
	go.etcd.io/bbolt v1.5.0 // the objects' database
	golang.org/x/sync v0.24.0
	golang.org/x/sys v0.49.0
	golang.org/x/term v0.47.0
)

require (
	cyphar.com/go-pathrs v0.2.5 // indirect
	github.com/BurntSushi/toml v1.6.0 // indirect
	github.com/VividCortex/ewma v1.2.0 // indirect
	github.com/acarl005/stripansi v0.0.0-20180116102854-5a71ef0e047d // indirect
	github.com/clipperhouse/uax29/v2 v2.7.0 // indirect
	github.com/cloudflare/circl v1.6.3 // indirect
	github.com/containerd/stargz-snapshotter/estargz v0.18.2 // indirect
	github.com/containers/libtrust v0.0.0-20230121012942-c1716e8a8d01 // indirect
	github.com/containers/ocicrypt v1.3.2 // indirect
	github.com/cyberphone/json-canonicalization v0.0.0-20241213102144-19d51d7fe467 // indirect
	github.com/cyphar/filepath-securejoin v0.7.0 // indirect
	github.com/distribution/reference v0.6.0 // indirect
	github.com/docker/docker-credential-helpers v0.9.8 // indirect
	github.com/docker/go-connections v0.8.1 // indirect
	github.com/fxamacker/cbor/v2 v2.9.1 // indirect
	github.com/go-jose/go-jose/v4 v4.1.4 // indirect
	github.com/go-logr/logr v1.4.3 // indirect
	github.com/google/btree v1.1.3 // indirect
	github.com/google/go-cmp v0.7.0 // indirect
	github.com/google/go-containerregistry v0.21.6 // indirect
	github.com/google/go-intervals v0.0.2 // indirect
	github.com/gorilla/mux v1.8.1 // indirect
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/json-iterator/go v1.1.12 // indirect
	github.com/klauspost/pgzip v1.2.6 // indirect
	github.com/mattn/go-runewidth v0.0.31 // indirect
	github.com/mattn/go-sqlite3 v1.14.48 // indirect
	github.com/mdlayher/socket v0.5.1 // indirect
	github.com/miekg/pkcs11 v1.1.2 // indirect
	github.com/mistifyio/go-zfs/v4 v4.0.0 // indirect
	github.com/moby/moby/client v0.5.1 // indirect
	github.com/modern-go/concurrent v0.0.0-20180306012644-bacd9c7ef1dd // indirect
	github.com/modern-go/reflect2 v1.0.3-0.20250322232337-35a7c28c31ee // indirect
	github.com/opencontainers/selinux v1.15.1 // indirect
	github.com/proglottis/gpgme v0.1.6 // indirect
	github.com/secure-systems-lab/go-securesystemslib v0.11.0 // indirect
	github.com/sigstore/fulcio v1.8.7 // indirect
	github.com/sigstore/protobuf-specs v0.5.1 // indirect
	github.com/sigstore/sigstore v1.10.8 // indirect
	github.com/smallstep/pkcs7 v0.2.1 // indirect
	github.com/spf13/pflag v1.0.10 // indirect
	github.com/stefanberger/go-pkcs11uri v0.0.0-20230803200340-78284954bff6 // indirect
	github.com/tchap/go-patricia/v2 v2.3.3 // indirect
	github.com/ulikunitz/xz v0.5.16 // indirect
	github.com/vbauerster/cupwriter v0.0.4 // indirect
	github.com/vbauerster/mpb/v8 v8.14.0 // indirect
	github.com/vishvananda/netns v0.0.5 // indirect
	github.com/x448/float16 v0.8.4 // indirect
	github.com/youmark/pkcs8 v0.0.0-20240726163527-a2c0da244d78 // indirect
	go.yaml.in/yaml/v2 v2.4.4 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/exp v0.0.0-20250711185948-6ae5c78190dc // indirect
	golang.org/x/text v0.43.0 // indirect
	golang.org/x/time v0.15.0 // indirect
	golang.org/x/tools v0.51.0 // indirect
	google.golang.org/genproto/googleapis/api v0.0.0-20260526163538-3dc84a4a5aaa // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260526163538-3dc84a4a5aaa // indirect
	google.golang.org/grpc v1.82.0 // indirect
	google.golang.org/protobuf v1.36.12-0.20260120151049-f2248ac996af // indirect
	gopkg.in/inf.v0 v0.9.1 // indirect
	k8s.io/klog/v2 v2.140.0 // indirect
	k8s.io/kube-openapi v0.0.0-20260721132016-d427ff9ee9ad // indirect
	k8s.io/utils v0.0.0-20260626114624-be93311217bd // indirect
	sigs.k8s.io/randfill v1.0.0 // indirect
	sigs.k8s.io/structured-merge-diff/v6 v6.4.2 // indirect
)
