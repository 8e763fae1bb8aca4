package image

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/opencontainers/go-digest"
)

// An image is admitted by its signature, and not by that of another.
func TestSignedBy(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	r := startRegistry(t, registryOptions{})
	p := startProxy(t, r)
	r.useInsecure(t, p.address)
	manifest := r.push(t, "app:1", smallImage())
	other := smallImage()
	other.config.Cmd = []string{"other"}
	otherManifest := r.push(t, "app:2", other)

	key, err := openpgp.NewEntity("signer", "", "signer@example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var public bytes.Buffer
	if err := key.Serialize(&public); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "key.gpg"), public.String())
	writeConfig(t, "registries.d/default.yaml", fmt.Sprintf("default-docker: {lookaside: 'file://%s'}\n", dir))
	writeConfig(t, "policy.json", fmt.Sprintf(`{"default": [{"type": "signedBy", "keyType": "GPGKeys", "keyPath": %q}]}`, filepath.Join(dir, "key.gpg")))
	s := openStore(t)

	if _, err := s.Pull(t.Context(), p.address+"/app:1", PullOptions{}); !errors.Is(err, ErrPolicy) {
		t.Errorf("pull of an unsigned image: %v", err)
	}
	sign(t, key, dir, p.address+"/app:1", manifest)
	i, err := s.Pull(t.Context(), p.address+"/app:1", PullOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if keys, err := s.storage.ListImageBigData(i.ID); err != nil || !strings.Contains(fmt.Sprint(keys), "signature-"+manifest.Encoded()) {
		t.Errorf("the image's data is %v, %v; want its signature", keys, err)
	}
	// The same signature beside another image.
	if err := os.Rename(signatureDir(dir, "app", manifest), signatureDir(dir, "app", otherManifest)); err != nil {
		t.Fatal(err)
	}
	before := p.blobs.Load()
	if _, err := s.Pull(t.Context(), p.address+"/app:2", PullOptions{}); !errors.Is(err, ErrPolicy) {
		t.Errorf("pull with the signature of another image: %v", err)
	}
	if p.blobs.Load() != before {
		t.Error("blobs of an image that is not admitted were asked for")
	}
}

func signatureDir(base, repository string, manifest digest.Digest) string {
	return filepath.Join(base, fmt.Sprintf("%s@sha256=%s", repository, manifest.Encoded()))
}

// sign puts a signature (containers-signature(5)) where registries.d says.
func sign(t *testing.T, key *openpgp.Entity, base, name string, manifest digest.Digest) {
	t.Helper()
	payload := fmt.Sprintf(`{"critical": {"type": "atomic container signature", "image": {"docker-manifest-digest": %q},
		"identity": {"docker-reference": %q}}, "optional": {}}`, manifest, name)
	var signed bytes.Buffer
	w, err := openpgp.Sign(&signed, key, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, w, []byte(payload))
	repository := name[strings.LastIndex(name, "/")+1 : strings.LastIndex(name, ":")]
	dir := signatureDir(base, repository, manifest)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "signature-1"), signed.String())
}
