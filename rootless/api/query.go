package api

import (
	"fmt"
	"net/url"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// query reads typed values from a URL's query. The first value that cannot be read is kept in err; after it every
// further read gives a zero value.
type query struct {
	values url.Values
	err    error
}

func (q *query) fail(name, value, want string) {
	if q.err == nil {
		q.err = apierrors.NewBadRequest(fmt.Sprintf("query parameter %s: %q is not %s", name, value, want))
	}
}

func (q *query) text(name string) string { return q.values.Get(name) }

// flag is true for a parameter without a value too (?follow), as it is for the API server.
func (q *query) flag(name string) bool {
	value := q.values.Get(name)
	if !q.values.Has(name) {
		return false
	}
	if value == "" {
		return true
	}
	b, err := strconv.ParseBool(value)
	if err != nil {
		q.fail(name, value, "true or false")
	}
	return b
}

// number is nil where the parameter is absent.
func (q *query) number(name string, least int64) *int64 {
	value := q.values.Get(name)
	if value == "" {
		return nil
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < least {
		q.fail(name, value, fmt.Sprintf("an integer of at least %d", least))
		return nil
	}
	return &n
}

func (q *query) time(name string) *metav1.Time {
	value := q.values.Get(name)
	if value == "" {
		return nil
	}
	t, err := time.Parse(time.RFC3339Nano, value)
	if err != nil {
		q.fail(name, value, "a time like 2006-01-02T15:04:05Z")
		return nil
	}
	return &metav1.Time{Time: t}
}

// dryRun knows the one value there is: All.
func (q *query) dryRun() []string {
	for _, value := range q.values["dryRun"] {
		if value != metav1.DryRunAll {
			q.fail("dryRun", value, metav1.DryRunAll)
		}
	}
	return q.values["dryRun"]
}

// logOptions reads the parameters of …/log.
func logOptions(values url.Values) (*corev1.PodLogOptions, error) {
	q := query{values: values}
	options := &corev1.PodLogOptions{
		Container:    q.text("container"),
		Follow:       q.flag("follow"),
		Previous:     q.flag("previous"),
		Timestamps:   q.flag("timestamps"),
		SinceSeconds: q.number("sinceSeconds", 1),
		SinceTime:    q.time("sinceTime"),
		TailLines:    q.number("tailLines", 0),
		LimitBytes:   q.number("limitBytes", 1),
	}
	if options.SinceSeconds != nil && options.SinceTime != nil && q.err == nil {
		q.err = apierrors.NewBadRequest("at most one of sinceTime and sinceSeconds may be given")
	}
	if stream := q.text("stream"); stream != "" {
		if stream != corev1.LogStreamAll && stream != corev1.LogStreamStdout && stream != corev1.LogStreamStderr {
			q.fail("stream", stream, "All, Stdout or Stderr")
		}
		options.Stream = &stream
	}
	return options, q.err
}

// execOptions reads the parameters of …/exec.
func execOptions(values url.Values) (*corev1.PodExecOptions, error) {
	q := query{values: values}
	options := &corev1.PodExecOptions{
		Container: q.text("container"),
		Command:   values["command"],
		Stdin:     q.flag("stdin"),
		Stdout:    q.flag("stdout"),
		Stderr:    q.flag("stderr"),
		TTY:       q.flag("tty"),
	}
	switch {
	case q.err != nil:
	case len(options.Command) == 0:
		q.err = apierrors.NewBadRequest("you must specify at least 1 command for the container")
	case !options.Stdin && !options.Stdout && !options.Stderr:
		q.err = apierrors.NewBadRequest("you must specify at least one of stdin, stdout, stderr")
	}
	return options, q.err
}

// attachOptions reads the parameters of …/attach.
func attachOptions(values url.Values) (*corev1.PodAttachOptions, error) {
	q := query{values: values}
	options := &corev1.PodAttachOptions{
		Container: q.text("container"), Stdin: q.flag("stdin"), Stdout: q.flag("stdout"), Stderr: q.flag("stderr"), TTY: q.flag("tty"),
	}
	if q.err == nil && !options.Stdin && !options.Stdout && !options.Stderr {
		q.err = apierrors.NewBadRequest("you must specify at least one of stdin, stdout, stderr")
	}
	return options, q.err
}

// applyOptions reads the parameters of an apply; server-side apply cannot do without a field manager.
func applyOptions(values url.Values) (ApplyOptions, error) {
	q := query{values: values}
	options := ApplyOptions{FieldManager: q.text("fieldManager"), DryRun: len(q.dryRun()) > 0}
	if q.err == nil && options.FieldManager == "" {
		kind := metav1.SchemeGroupVersion.WithKind("PatchOptions").GroupKind()
		q.err = apierrors.NewInvalid(kind, "", field.ErrorList{
			field.Required(field.NewPath("fieldManager"), "is required for apply patch"),
		})
	}
	return options, q.err
}
