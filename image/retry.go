package image

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/url"
	"syscall"
	"time"

	"go.podman.io/image/v5/docker"
)

// retryDelays are the waits between attempts, each drawn from half of it to all. The registry library by itself waits
// and tries again when a registry answers 429 (too many requests), and resumes a blob whose connection was lost; this is
// for what remains: 5xx answers, and connections lost again and again.
var retryDelays = []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second}

// retry calls try until it succeeds, fails for good, or has failed too often.
func retry(ctx context.Context, try func() error) error {
	for _, delay := range retryDelays {
		err := try()
		if err == nil || !passing(err) {
			return err
		}
		delay = delay/2 + rand.N(delay/2)
		slog.Info("registry: trying again", "after", delay, "error", err)
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return try()
}

// passing tells whether an error may be gone in a moment. A connection that is refused is not among them: nobody listens,
// and the user had better be told.
func passing(err error) bool {
	var status docker.UnexpectedHTTPStatusError
	if errors.As(err, &status) {
		return status.StatusCode >= 500
	}
	var damaged *badBlob
	var wrong *badContent
	if errors.As(err, &damaged) || errors.As(err, &wrong) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	var request *url.Error
	if errors.As(err, &request) && errors.Is(err, io.EOF) {
		return true // the connection was closed instead of an answer
	}
	var timeout net.Error
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.As(err, &timeout) && timeout.Timeout()
}
