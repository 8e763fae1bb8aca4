package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"time"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// pulledImage is what the registry says of an image.
type pulledImage struct {
	address, name string
	layers        []imgspecv1.Descriptor
}

// lookUp asks the registry for a manifest (OCI distribution specification, "Pulling manifests").
func lookUp(ctx context.Context, address, name string) (pulledImage, error) {
	image := pulledImage{address: address, name: name}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/v2/library/"+name+"/manifests/latest", http.NoBody)
	if err != nil {
		return image, err
	}
	request.Header.Set("Accept", imgspecv1.MediaTypeImageManifest)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return image, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return image, fmt.Errorf("%s: %s", request.URL, response.Status)
	}
	var manifest imgspecv1.Manifest
	err = json.NewDecoder(response.Body).Decode(&manifest)
	image.layers = manifest.Layers
	return image, err
}

// decompressors are the programs that can read the layers, which are all compressed alike.
func (i pulledImage) decompressors() []string {
	if len(i.layers) > 0 && i.layers[0].MediaType == imgspecv1.MediaTypeImageLayerZstd {
		return []string{"zstd"}
	}
	return []string{"gzip", "igzip"}
}

// pipeScript unpacks layers beside each other: curl | PROGRAM -dc | tar -x.
//
//	DIRECTORY PROGRAM URL LAYER…
const pipeScript = `
set -o pipefail
directory=$1 program=$2 url=$3
shift 3
pipes=()
for layer in "$@"; do
    mkdir "$directory/$layer" || exit 1
    { curl -sSf "$url/$layer" | "$program" -dc | tar -x -C "$directory/$layer"; } &
    pipes+=($!)
done
for pipe in "${pipes[@]}"; do
    wait "$pipe" || exit 1
done
`

// pipePuller is the floor: the ordinary programs of the system, which check and record nothing. It is in a user namespace,
// so that tar sets the owners.
type pipePuller struct {
	dir     string
	image   pulledImage
	program string
}

func (p *pipePuller) name() string { return "curl | " + p.program + " | tar" }

func (p *pipePuller) prepare(context.Context) error { return os.MkdirAll(p.dir, 0o755) }

func (p *pipePuller) pull(ctx context.Context) (cost, error) {
	args := []string{"bash", "-c", pipeScript, "bash", p.dir, p.program, "http://" + p.image.address + "/v2/library/" + p.image.name + "/blobs"}
	for _, layer := range p.image.layers {
		args = append(args, layer.Digest.String())
	}
	cmd := inNamespace(ctx, args...)
	cmd.Stderr = os.Stderr
	endAsGroup(cmd)
	c, err := costOf(cmd)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return c, err
}

func (p *pipePuller) clean(ctx context.Context) error { return removeAll(ctx, p.dir) }

// endAsGroup makes the end of the command's context end its children, too.
func endAsGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
}
