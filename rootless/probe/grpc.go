package probe

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// GRPC calls grpc.health.v1.Health/Check. The protocol is gRPC over HTTP/2 (github.com/grpc/grpc, doc/PROTOCOL-HTTP2.md): a message has five
// bytes before it, and how the call went is in the trailers. Like gRPC's own client it waits for a server that is not there yet.
func (c *Client) GRPC(ctx context.Context, action *corev1.GRPCAction, to Target, timeout time.Duration) Outcome {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	host := net.JoinHostPort(to.IP, strconv.Itoa(int(action.Port)))
	service, scheme, transport := "", "http", c.h2c
	if action.Service != nil {
		service = *action.Service
	}
	if m := action.Mode; m != nil && *m == corev1.GRPCProbeModeTLS {
		scheme, transport = "https", c.h2
	}
	connected := false
	ctx = httptrace.WithClientTrace(manner{until: time.Now().Add(timeout), patient: true}.in(ctx), &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected = true },
	})
	status, err := c.callHealth(ctx, transport, scheme+"://"+host, service)
	var failed *grpcError
	switch {
	case errors.Is(err, context.DeadlineExceeded) && !connected:
		return Outcome{Text: fmt.Sprintf("timeout: failed to connect service %q within %v: %v", host, timeout, err)}
	case errors.Is(err, context.DeadlineExceeded):
		return Outcome{Text: fmt.Sprintf("timeout: health rpc did not complete within %v", timeout)}
	case errors.As(err, &failed) && failed.code == grpcUnimplemented:
		return Outcome{Text: "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): " + failed.message}
	case err != nil:
		return Outcome{Text: fmt.Sprintf("error: health rpc probe failed: %v", err)}
	case status != serving:
		return Outcome{Text: fmt.Sprintf("service unhealthy (responded with %q)", status)}
	}
	return Outcome{Good: true}
}

// grpcError is a call that the server, or what is there instead of one, has refused.
type grpcError struct {
	code    int
	message string
}

func (e *grpcError) Error() string {
	return fmt.Sprintf("rpc error: code = %s desc = %s", codeName(e.code), e.message)
}

// Codes of gRPC (google.golang.org/grpc/codes).
const (
	grpcUnknown          = 2
	grpcDeadlineExceeded = 4
	grpcUnimplemented    = 12
	grpcUnavailable      = 14
)

var grpcCodes = []string{"OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists", "PermissionDenied",
	"ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented", "Internal", "Unavailable", "DataLoss", "Unauthenticated"}

func codeName(code int) string {
	if code >= 0 && code < len(grpcCodes) {
		return grpcCodes[code]
	}
	return fmt.Sprintf("Code(%d)", code)
}

func (c *Client) callHealth(ctx context.Context, transport http.RoundTripper, base, service string) (healthStatus, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/grpc.health.v1.Health/Check", bytes.NewReader(healthRequest(service)))
	if err != nil {
		return 0, err
	}
	request.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "User-Agent": {"kube-probe/" + c.version}}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return 0, asGRPC(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return 0, asGRPC(err)
	}
	if err := callError(response); err != nil {
		return 0, err
	}
	return readHealth(body)
}

// asGRPC gives an error of the connection the words of gRPC's client. One that came too late stays what it is.
func asGRPC(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &grpcError{grpcUnavailable, err.Error()}
}

// callError is how the call went: grpc-status is in the trailers, or in the header if there is no message.
func callError(response *http.Response) error {
	if response.StatusCode != http.StatusOK {
		code := grpcUnknown
		if response.StatusCode == http.StatusNotFound {
			code = grpcUnimplemented
		}
		return &grpcError{code, fmt.Sprintf("unexpected HTTP status code received from server: %d (%s)", response.StatusCode, http.StatusText(response.StatusCode))}
	}
	from := response.Trailer
	if from.Get("Grpc-Status") == "" {
		from = response.Header
	}
	code, err := strconv.Atoi(from.Get("Grpc-Status"))
	switch {
	case err != nil:
		return &grpcError{grpcUnknown, "the server sent no grpc-status"}
	case code == grpcDeadlineExceeded:
		return context.DeadlineExceeded
	case code != 0:
		return &grpcError{code, from.Get("Grpc-Message")}
	}
	return nil
}

// healthStatus is grpc.health.v1.HealthCheckResponse.ServingStatus.
type healthStatus uint64

const serving healthStatus = 1

func (s healthStatus) String() string {
	names := []string{"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"}
	if s < healthStatus(len(names)) {
		return names[s]
	}
	return strconv.FormatUint(uint64(s), 10)
}

const grpcHeader = 5 // whether it is compressed, and four bytes of length

// healthRequest is a HealthCheckRequest as it goes over the wire: field 1 is the service's name.
func healthRequest(service string) []byte {
	var message []byte
	if service != "" {
		message = append(binary.AppendUvarint([]byte{1<<3 | wireBytes}, uint64(len(service))), service...)
	}
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)
}

// Wire types (protobuf.dev, Encoding).
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

var errHealthMessage = &grpcError{13, "the answer is no HealthCheckResponse"}

// readHealth reads a HealthCheckResponse as it comes over the wire: field 1 is the status, 0 if it is not there.
func readHealth(b []byte) (healthStatus, error) {
	if len(b) < grpcHeader || b[0] != 0 || int64(binary.BigEndian.Uint32(b[1:])) != int64(len(b)-grpcHeader) {
		return 0, errHealthMessage
	}
	var status healthStatus
	for b = b[grpcHeader:]; len(b) > 0; {
		tag, n := binary.Uvarint(b)
		if n <= 0 {
			return 0, errHealthMessage
		}
		b = b[n:]
		value, n := wireValue(b, tag&7)
		if n <= 0 {
			return 0, errHealthMessage
		}
		if tag == 1<<3|wireVarint {
			status = healthStatus(value)
		}
		b = b[n:]
	}
	return status, nil
}

// wireValue is a field's value, of those that are a number, and how many bytes it takes; not more than 0 if it is none.
func wireValue(b []byte, wire uint64) (value uint64, n int) {
	switch wire {
	case wireVarint:
		return binary.Uvarint(b)
	case wireFixed64:
		n = 8
	case wireFixed32:
		n = 4
	case wireBytes:
		length, head := binary.Uvarint(b)
		if head <= 0 || length > uint64(len(b)) {
			return 0, 0
		}
		n = head + int(length)
	}
	if n > len(b) {
		return 0, 0
	}
	return 0, n
}
