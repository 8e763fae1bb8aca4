package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/testscript"
)

// image makes an image and puts it into the registry.
//
//	image NAME LAYER [CONFIG]
//
// LAYER and CONFIG are JSON, as in the image.json of ocipack. The image has busybox and /probe; LAYER goes over them. Packages
// named in LAYER come from $WORK/debs.
func image(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: image NAME LAYER [CONFIG]")
	}
	dir := filepath.Join(ts.Getenv("WORK"), "images", args[0])
	debs := filepath.Join(ts.Getenv("WORK"), "debs")
	ts.Check(os.MkdirAll(filepath.Join(dir, "files"), 0o755))
	ts.Check(os.MkdirAll(debs, 0o755))
	copyFile(ts, filepath.Join(ts.Getenv("STAGE"), "bin/probe"), filepath.Join(dir, "files/probe"))
	found, err := filepath.Glob(filepath.Join(ts.Getenv("STAGE"), "debs/*.deb"))
	ts.Check(err)
	for _, deb := range found {
		copyFile(ts, deb, filepath.Join(debs, filepath.Base(deb)))
	}
	over := parseObject(ts, args[1])
	layer := map[string]any{"packages": []any{"busybox-static"}, "without": []string{"usr"}, "applets": "bin/busybox", "files": "files"}
	if extra, ok := over["packages"].([]any); ok {
		over["packages"] = append(layer["packages"].([]any), extra...)
	}
	maps.Copy(layer, over)
	config := map[string]any{"Cmd": []string{"/bin/sleep", "3650d"}}
	if len(args) == 3 {
		maps.Copy(config, parseObject(ts, args[2]))
	}
	text, err := json.Marshal(map[string]any{"name": args[0] + ":latest", "config": config, "layers": []any{layer}})
	ts.Check(err)
	ts.Check(os.WriteFile(filepath.Join(dir, "image.json"), text, 0o644))
	layouts := filepath.Join(ts.Getenv("WORK"), "layouts")
	ts.Check(ts.Exec("ocipack", "pack", "-debs", debs, "-o", layouts, dir))
	ts.Check(ts.Exec("ocipack", "push", "-to", ts.Getenv("REGISTRY"), "-http", filepath.Join(layouts, args[0])))
}

func parseObject(ts *testscript.TestScript, text string) map[string]any {
	object := map[string]any{}
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		ts.Fatalf("%s: %v", text, err)
	}
	return object
}

func copyFile(ts *testscript.TestScript, from, to string) {
	in, err := os.Open(from)
	ts.Check(err)
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	ts.Check(err)
	_, err = io.Copy(out, in)
	ts.Check(err)
	ts.Check(out.Close())
}

// pod applies a Pod with one container.
//
//	pod NAME IMAGE [CONTAINER]
//
// CONTAINER is JSON: fields of the container. Without a command there it is the image's.
func pod(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: pod NAME IMAGE [CONTAINER]")
	}
	container := map[string]any{"name": "a", "image": args[1]}
	if len(args) == 3 {
		maps.Copy(container, parseObject(ts, args[2]))
	}
	text, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": args[0]},
		"spec": map[string]any{"containers": []any{container}},
	})
	ts.Check(err)
	file := ts.MkAbs(fmt.Sprintf("pod-%s.json", args[0]))
	ts.Check(os.WriteFile(file, text, 0o644))
	ts.Check(ts.Exec("peapod", "apply", "-f", file))
}
