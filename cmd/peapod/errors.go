package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/peapod/peapod/rootless/api/client"
)

// exitError ends with a code and says nothing more than its text, if it has one.
type exitError struct {
	code int
	text string
}

func (e *exitError) Error() string { return e.text }

// usageError is a command line that cannot be understood.
type usageError struct {
	cmd  *cobra.Command
	text string
}

func (e *usageError) Error() string { return e.text }

func usagef(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{cmd, fmt.Sprintf(format, args...)}
}

// hinter is an error that knows a way out. Packages below may have errors with this method.
type hinter interface{ Hint() string }

// report writes what an error has to say and returns the exit status.
func (a *app) report(err error) int {
	if err == nil {
		return 0
	}
	var exit *exitError
	if errors.As(err, &exit) {
		if exit.text != "" {
			fmt.Fprintln(a.err, exit.text)
		}
		return exit.code
	}
	for _, single := range split(err) {
		for _, line := range lines(single) {
			fmt.Fprintln(a.err, line)
		}
	}
	return 1
}

// split takes joined errors apart.
func split(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // only what was joined last, not what is wrapped inside
	if !ok {
		return []error{err}
	}
	var all []error
	for _, part := range joined.Unwrap() {
		all = append(all, split(part)...)
	}
	return all
}

// lines words one error.
func lines(err error) []string {
	var usage *usageError
	var status apierrors.APIStatus
	var hint hinter
	var unreachable *client.Unreachable
	switch {
	case errors.As(err, &usage):
		return []string{"error: " + usage.text, fmt.Sprintf("See '%s --help' for usage.", usage.cmd.CommandPath())}
	case errors.As(err, &status):
		return statusLines(err, status.Status())
	case errors.As(err, &hint):
		return []string{"error: " + err.Error(), "hint: " + hint.Hint()}
	case errors.As(err, &unreachable):
		return []string{"error: " + err.Error(), "hint: is a node running? `peapod node` runs one in the foreground and tells why it cannot"}
	}
	return []string{"error: " + err.Error()}
}

// statusLines words an error of the node as kubectl does. An invalid object's mistakes are listed one by one,
// with their lines where the object came from a file.
func statusLines(err error, status metav1.Status) []string {
	if status.Reason == metav1.StatusReasonInvalid && status.Details != nil && len(status.Details.Causes) > 0 {
		place := func(metav1.StatusCause) string { return "" }
		var located *locatedError
		if errors.As(err, &located) {
			place = located.place
		}
		return invalidLines(*status.Details, place)
	}
	text := err.Error()
	if strings.TrimSpace(text) == "" {
		text = "unknown error"
	}
	if status.Reason == "" {
		return []string{"Error from server: " + text}
	}
	return []string{fmt.Sprintf("Error from server (%s): %s", status.Reason, text)}
}

func invalidLines(details metav1.StatusDetails, place func(metav1.StatusCause) string) []string {
	head := "The request is invalid: "
	if details.Kind != "" || details.Name != "" {
		head = fmt.Sprintf("The %s %q is invalid: ", details.Kind, details.Name)
	}
	var causes []string
	for _, cause := range details.Causes {
		causes = append(causes, place(cause)+strings.TrimPrefix(cause.Field+": "+cause.Message, ": "))
	}
	if len(causes) == 1 {
		return []string{head + causes[0]}
	}
	all := []string{head}
	for _, cause := range causes {
		all = append(all, "* "+cause)
	}
	return all
}
