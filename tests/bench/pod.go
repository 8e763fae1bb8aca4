package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const (
	busyboxImage = "docker.io/library/busybox:latest"
	nginxImage   = "docker.io/library/nginx:1.21"
)

// The script of the busybox container. Its first process would not see SIGTERM unless it had a handler for it.
const script = `: workload; trap 'exit 0' TERM; sleep 3650d & wait`

// manifestText is the demonstration Pod, but its busybox ends when it is told to.
const manifestText = `apiVersion: v1
kind: Pod
metadata:
  name: %[1]s
  labels:
    app: %[1]s
spec:
  containers:
  - name: busybox
    image: %[2]s
    imagePullPolicy: IfNotPresent
    command: ["sh", "-c", "%[3]s"]
  - name: nginx
    image: %[4]s
    imagePullPolicy: IfNotPresent
`

// manifest writes the manifest of a Pod and returns its path.
func (e *engine) manifest(pod string) (string, error) {
	path := filepath.Join(e.home, pod+".yaml")
	return path, os.WriteFile(path, fmt.Appendf(nil, manifestText, pod, busyboxImage, script, nginxImage), 0o600)
}

// workload says which container a process is the first one of, by its arguments: "busybox", "nginx" or "".
func workload(args []string) string {
	switch {
	case len(args) == 3 && args[0] == "sh" && args[2] == script:
		return "busybox"
	case len(args) > 1 && args[1] == "/docker-entrypoint.sh", len(args) > 0 && (args[0] == "nginx" || strings.HasPrefix(args[0], "nginx: master")):
		return "nginx"
	}
	return ""
}

// workloadComms are the names of all processes in containers.
var workloadComms = map[string]bool{"sh": true, "sleep": true, "nginx": true, "docker-entrypoi": true}
