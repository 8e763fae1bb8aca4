package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Dial connects to an address as net.Dialer.DialContext does.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Client makes checks over the network.
type Client struct {
	version string // of Kubernetes, as its user agents have it: 1.37
	dial    Dial
	http    http.RoundTripper
	h2c     *http.Transport // HTTP/2 without TLS
	h2      *http.Transport // HTTP/2 with TLS
}

// NewClient returns a client that connects by a function.
func NewClient(version string, dial Dial) *Client {
	transport := func() *http.Transport {
		return &http.Transport{
			DialContext: manner{}.of(dial), DisableKeepAlives: true, DisableCompression: true, // which would add a header
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // a Pod's certificate is made out to its name, and it is asked by its address
			ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second,
		}
	}
	c := &Client{version: version, dial: dial, http: plain{manner{}.of(dial), transport()}, h2c: transport(), h2: transport()}
	c.h2c.Protocols, c.h2.Protocols = new(http.Protocols), new(http.Protocols)
	c.h2c.Protocols.SetUnencryptedHTTP2(true)
	c.h2.Protocols.SetHTTP2(true)
	return c
}

// Target is what a check is about: a container, whose ports may be named, and its Pod's address, unless the check says another.
type Target struct {
	Container *corev1.Container
	IP        string
}

// The limits of what is read of an answer.
const maxBody = 10 << 10

// HTTP makes a GET request. Anything from 200 to 399 is good; a redirect to another host is not followed, and good with a warning.
func (c *Client) HTTP(ctx context.Context, action *corev1.HTTPGetAction, to Target, timeout time.Duration) Outcome {
	deadline := time.Now().Add(timeout)
	ctx, cancel := context.WithDeadline(manner{until: deadline}.in(ctx), deadline)
	defer cancel()
	request, err := c.request(ctx, action, to, "probe")
	if err != nil {
		return Outcome{Err: err}
	}
	client := http.Client{Transport: c.http, CheckRedirect: checkRedirect}
	if p := action.Protocol; p != nil && *p == corev1.HTTPProtocolHTTP2 {
		client.Transport = c.h2c
	}
	response, err := client.Do(request)
	if errors.Is(err, context.DeadlineExceeded) {
		// What http.Client adds for its own limit, which takes a goroutine more.
		return Outcome{Text: err.Error() + " (Client.Timeout exceeded while awaiting headers)"}
	}
	if err != nil {
		return Outcome{Text: err.Error()}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	switch code := response.StatusCode; {
	case err != nil:
		return Outcome{Err: err}
	case code < 200 || code >= 400:
		return Outcome{Text: fmt.Sprintf("HTTP probe failed with statuscode: %d", code)} // the body may hold secrets
	case code >= 300:
		return Outcome{Good: true, Text: fmt.Sprintf("Probe terminated redirects, Response body: %s", body)}
	}
	return Outcome{Good: true}
}

// Hook makes the request of a life-cycle hook: whatever is answered is good. Where a server of HTTP is asked for HTTPS it is asked
// again, and fellBack is true if it answers then. With patience a server that does not listen yet gets that time to begin.
func (c *Client) Hook(ctx context.Context, action *corev1.HTTPGetAction, to Target, patience time.Duration) (fellBack bool, err error) {
	if patience > 0 {
		ctx = manner{until: time.Now().Add(patience), patient: true}.in(ctx)
	}
	request, err := c.request(ctx, action, to, "lifecycle")
	if err != nil {
		return false, err
	}
	client := http.Client{Transport: c.http, CheckRedirect: checkRedirect}
	err = discard(client.Do(request))
	if err == nil || !strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") {
		return false, err
	}
	request = request.Clone(ctx)
	request.URL.Scheme = "http"
	request.Header.Del("Authorization")
	if discard(client.Do(request)) == nil {
		return true, nil
	}
	return false, err
}

func discard(response *http.Response, err error) error {
	if err == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxBody))
		response.Body.Close()
	}
	return err
}

func checkRedirect(next *http.Request, via []*http.Request) error {
	switch {
	case next.URL.Hostname() != via[0].URL.Hostname():
		return http.ErrUseLastResponse
	case len(via) >= 10:
		return errors.New("stopped after 10 redirects")
	}
	return nil
}

func (c *Client) request(ctx context.Context, action *corev1.HTTPGetAction, to Target, purpose string) (*http.Request, error) {
	port, err := resolve(action.Port, to.Container)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(action.Path)
	if err != nil {
		u = &url.URL{Path: action.Path}
	}
	u.Scheme = "http"
	if action.Scheme != "" {
		u.Scheme = strings.ToLower(string(action.Scheme))
	}
	u.Host = address(action.Host, to.IP, port)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	for _, h := range action.HTTPHeaders {
		request.Header.Add(h.Name, h.Value)
	}
	if _, given := request.Header["User-Agent"]; !given {
		request.Header.Set("User-Agent", "kube-"+purpose+"/"+c.version)
	}
	if _, given := request.Header["Accept"]; !given {
		request.Header.Set("Accept", "*/*")
	} else if request.Header.Get("Accept") == "" {
		request.Header.Del("Accept")
	}
	request.Host = request.Header.Get("Host")
	return request, nil
}

func address(host, ip string, port int) string {
	if host == "" {
		host = ip
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// resolve finds a port by its number, or by its name in the container.
func resolve(port intstr.IntOrString, c *corev1.Container) (int, error) {
	number := port.IntValue()
	if port.Type == intstr.String {
		var err error
		if number, err = named(port.StrVal, c); err != nil {
			return 0, err
		}
	}
	if number < 1 || number > 65535 {
		return 0, fmt.Errorf("invalid port number: %v", number)
	}
	return number, nil
}

func named(name string, c *corev1.Container) (int, error) {
	for _, p := range c.Ports {
		if p.Name == name {
			return int(p.ContainerPort), nil
		}
	}
	number, err := strconv.Atoi(name)
	if err != nil {
		return 0, fmt.Errorf("couldn't find port: %v in container %s", name, c.Name)
	}
	return number, nil
}

// TCP opens a connection and closes it.
func (c *Client) TCP(ctx context.Context, action *corev1.TCPSocketAction, to Target, timeout time.Duration) Outcome {
	port, err := resolve(action.Port, to.Container)
	if err != nil {
		return Outcome{Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := c.dial(ctx, "tcp", address(action.Host, to.IP, port))
	if err != nil {
		return Outcome{Text: dialText(err)}
	}
	conn.Close()
	return Outcome{Good: true}
}

// dialText says of a dial that took too long what net.Dialer says.
func dialText(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && errors.Is(err, context.DeadlineExceeded) {
		timedOut := *op
		timedOut.Err = errors.New("i/o timeout")
		err = &timedOut
	}
	return err.Error()
}
