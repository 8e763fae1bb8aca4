package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/peapod/peapod/rootless/container"
	"github.com/peapod/peapod/rootless/kube"
	"github.com/peapod/peapod/rootless/logs"
)

// How much of a container's last words is kept: of its file, and of its log in bytes and lines. These are the kubelet's numbers.
const (
	maxMessage      = 4 << 10
	maxMessageLog   = 2 << 10
	maxMessageLines = 80
)

// makeMessage makes the file in which a container may leave its last words, whoever it runs as.
func (p *pod) makeMessage(id string) (path string, err error) {
	path = p.node.paths.ContainerMessage(id)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return "", err
	}
	return path, errors.Join(f.Chmod(0o666), f.Close()) // apart from the umask
}

// lastWords is the termination message of a container that has ended.
func (p *pod) lastWords(c *container.Container, exit container.Exit) string {
	message, err := tailOf(p.node.paths.ContainerMessage(c.ID), maxMessage)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Sprintf("Error on reading termination log: %v", err)
	}
	if message == "" && exit.Code != 0 && p.fallsBack(c.Owner.Name) {
		message = p.lastLines(c)
	}
	return strings.ToValidUTF8(message, "\uFFFD")
}

// fallsBack says whether the end of a container's log stands for a message.
func (p *pod) fallsBack(name string) bool {
	object, err := p.node.registry.pod(p.namespace, p.name)
	if err != nil {
		return false
	}
	c := kube.FindContainer(object, name)
	return c != nil && c.TerminationMessagePolicy == corev1.TerminationMessageFallbackToLogsOnError
}

func (p *pod) lastLines(c *container.Container) string {
	said := lastBytes{limit: maxMessageLog}
	lines := int64(maxMessageLines)
	if err := logs.Read(context.Background(), p.logPath(c), logs.Options{Tail: &lines}, &said, nil); err != nil {
		return fmt.Sprintf("Error on reading termination message from logs: %v", err)
	}
	return said.kept.String()
}

// lastBytes keeps the last bytes of what is written; of its buffer see limited.
type lastBytes struct {
	kept  bytes.Buffer
	limit int
}

func (l *lastBytes) Write(b []byte) (int, error) {
	l.kept.Write(b)
	l.kept.Next(max(0, l.kept.Len()-l.limit))
	return len(b), nil
}

// tailOf reads the last bytes of a file. It was made by peapod; what is in it is the container's.
func tailOf(path string, limit int64) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	data, err := io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-limit), limit))
	return string(data), err
}
