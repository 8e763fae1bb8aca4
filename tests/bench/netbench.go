package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/peapod/peapod/netstack"
)

// The verbs of the network's comparison: itself, the process that serves a hub, and the client in a Pod.
const (
	netVerb       = "net"
	netHubVerb    = "net-hub"
	netClientVerb = "net-client"
)

// netHost is the host's address: a machine of the documentation ranges.
const netHost = "198.51.100.7"

// A way leads from a network namespace to a service of the host, or by a published port from the host to a service in the namespace.
type way struct {
	name      string
	to        string // the address where the service is, seen by the client
	pod       int    // a process in the namespace; 0: the host itself
	published bool
	port      int   // of the host: leads to the same port in the namespace, where iperf3 is; the next one to that of the echo service. 0: none
	cpu       []int // processes that carry the bytes
	stop      func()
}

// iperfPort is where iperf3 is on the host. The others are published.
const (
	iperfPort  = 5201
	peapodPort = 5301
	pastaPort  = 5311
	slirpPort  = 5321
)

// netMeasures in the order in which they are printed. More is better of all but the CPU times and the round trip.
var netMeasures = []string{
	"up, Gbit/s", "down, Gbit/s", "up, 4 streams", "down, 4 streams",
	"up, CPU s/GB", "down, CPU s/GB", "connects/s", "round trip, us", "idle: memory kB", "idle connections: kB",
}

// netResults are values by measure and way.
type netResults map[string]map[string][]float64

func (r netResults) keep(measure string, w *way, value float64) {
	if r[measure] == nil {
		r[measure] = map[string][]float64{}
	}
	r[measure][w.name] = append(r[measure][w.name], value)
}

func compareNet(args []string) error {
	flags := flag.NewFlagSet("bench net", flag.ExitOnError)
	rounds := flags.Int("rounds", 5, "how often everything is measured")
	seconds := flags.Int("seconds", 2, "how long a stream runs")
	idle := flags.Int("idle", 10000, "how many idle connections to hold; each takes up to four descriptors of the limit of open files")
	_ = flags.Parse(args)
	ctx, stop := limited(20 * time.Minute)
	defer stop()
	if err := prepareNetHost(ctx); err != nil {
		return err
	}
	echo, err := serveNetEcho(0)
	if err != nil {
		return err
	}
	ways, err := openWays(ctx, echo)
	defer func() {
		for _, w := range ways {
			w.stop()
		}
	}()
	if err != nil {
		return err
	}
	results := netResults{}
	for round := range *rounds {
		for i := range ways {
			w := ways[(i+round)%len(ways)]
			if err := w.measure(ctx, *seconds, echo, results); err != nil {
				return fmt.Errorf("%s, round %d: %w", w.name, round+1, err)
			}
		}
	}
	for _, w := range ways {
		if err := w.idle(ctx, echo, *idle, results); err != nil {
			fmt.Printf("%s: %d idle connections: %v\n", w.name, *idle, err)
		}
	}
	printNet(os.Stdout, ways, results)
	return comparePublished(ctx, ways, *rounds, *seconds)
}

// prepareNetHost makes a host of this network namespace: an address, and a link for a default route, which pasta looks for.
func prepareNetHost(ctx context.Context) error {
	for _, line := range []string{
		"link set lo up", "link add out0 type veth peer name out1", "link set out0 up", "link set out1 up",
		"addr add " + netHost + "/24 dev out0", "route add default via 198.51.100.1 dev out0",
	} {
		if out, err := exec.CommandContext(ctx, "ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", line, err, out)
		}
	}
	_ = os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("1024 65535"), 0)
	return unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: hardFiles(), Max: hardFiles()})
}

func hardFiles() uint64 {
	var limit unix.Rlimit
	_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	return limit.Max
}

// thisProgram by a name that others may start it by.
func thisProgram() string {
	path, _ := os.Executable()
	return path
}

// serveNetEcho answers byte for byte on every address, and returns the port; 0 is any.
func serveNetEcho(port int) (int, error) {
	l, err := net.Listen("tcp", fmt.Sprintf("0.0.0.0:%d", port))
	if err != nil {
		return 0, err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				b := make([]byte, 64)
				for {
					n, err := c.Read(b)
					if err != nil {
						return
					}
					_, _ = c.Write(b[:n])
				}
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// openWays leaves out what is not installed or does not come up.
func openWays(ctx context.Context, echo int) (ways []*way, err error) {
	ways = []*way{{name: "host", to: netHost, stop: func() {}}}
	for _, open := range []func(context.Context, int) (*way, error){peapodWay, pastaWay("pasta tap", netHost, 0), pastaWay("pasta splice", "127.0.0.1", pastaPort), slirpWay} {
		w, err := open(ctx, echo)
		if err == nil {
			if _, err = w.client(ctx, echo, "rtt", 1); err == nil {
				ways = append(ways, w)
				continue
			}
			w.stop()
		}
		if len(ways) == 1 {
			return ways, fmt.Errorf("peapod: %w", err)
		}
		fmt.Printf("left out: %v\n", err)
	}
	return ways, nil
}

// start starts a program that lives until stop. Its output goes nowhere unless it is read.
func startWay(ctx context.Context, name string, args ...string) (cmd *exec.Cmd, stop func(), err error) {
	cmd = exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	return cmd, func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}, nil
}

// sleeper is a process in a network namespace of its own.
func sleeper(ctx context.Context) (pid int, stop func(), err error) {
	cmd, stop, err := startWay(ctx, "unshare", "--net", "sleep", "3600")
	if err != nil {
		return 0, nil, err
	}
	time.Sleep(200 * time.Millisecond)
	return cmd.Process.Pid, stop, nil
}

func peapodWay(ctx context.Context, _ int) (*way, error) {
	hub, stopHub, err := sleeper(ctx)
	if err != nil {
		return nil, err
	}
	pod, stopPod, err := sleeper(ctx)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "/proc/self/exe", netHubVerb, strconv.Itoa(hub), strconv.Itoa(pod))
	cmd.Stderr = os.Stderr
	ready, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(ready).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the hub does not come up: %w", err)
	}
	name := strings.TrimSpace(line)
	return &way{name: name, to: netHost, pod: pod, port: peapodPort, cpu: []int{cmd.Process.Pid}, stop: func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		stopHub()
		stopPod()
	}}, nil
}

// serveNetHub is the process that serves a hub, as a node would.
func serveNetHub(hubPid, podPid string) error {
	open := func(pid string) (*os.File, error) { return os.Open("/proc/" + pid + "/ns/net") }
	hubNetns, err := open(hubPid)
	if err != nil {
		return err
	}
	podNetns, err := open(podPid)
	if err != nil {
		return err
	}
	hub, err := netstack.Open(netstack.Config{Netns: hubNetns, ResolvConf: os.DevNull})
	if err != nil {
		return err
	}
	if _, err := hub.Attach(podNetns, netstack.Endpoint{ID: "bench", Name: "bench", Namespace: "default"}); err != nil {
		return err
	}
	var ports []netstack.Port
	for port := range uint16(2) {
		ports = append(ports, netstack.Port{Protocol: "tcp", HostPort: peapodPort + port, PodPort: peapodPort + port})
	}
	if err := hub.Publish("bench", ports); err != nil {
		return err
	}
	fmt.Println("peapod " + hub.Engine())
	runtime.GC()
	select {}
}

func pastaWay(name, to string, port int) func(context.Context, int) (*way, error) {
	return func(ctx context.Context, echo int) (*way, error) {
		publish := "none"
		if port != 0 {
			publish = fmt.Sprintf("%d,%d", port, port+1)
		}
		args := []string{"--foreground", "--quiet", "--config-net", "-a", "10.99.0.2", "-n", "24", "-g", "10.99.0.1", "-t", publish, "-u", "none", "-U", "none",
			"-T", fmt.Sprintf("%d,%d", iperfPort, echo), "sleep", "3600"}
		cmd, stop, err := startWay(ctx, "pasta", args...)
		if err != nil {
			return nil, err
		}
		time.Sleep(time.Second)
		pids, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", cmd.Process.Pid, cmd.Process.Pid))
		var pod int
		if _, err := fmt.Sscan(string(pids), &pod); err != nil {
			stop()
			return nil, fmt.Errorf("%s does not come up", name)
		}
		return &way{name: name, to: to, pod: pod, port: port, cpu: []int{cmd.Process.Pid}, stop: stop}, nil
	}
}

func slirpWay(ctx context.Context, _ int) (*way, error) {
	pod, stopPod, err := sleeper(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "slirp")
	if err != nil {
		return nil, err
	}
	api := filepath.Join(dir, "api")
	cmd, stop, err := startWay(ctx, "slirp4netns", "-c", "--mtu=65520", "--api-socket", api, strconv.Itoa(pod), "tap0")
	if err != nil {
		stopPod()
		return nil, err
	}
	time.Sleep(time.Second)
	for port := slirpPort; port <= slirpPort+1; port++ {
		if err := forwardBySlirp(api, port); err != nil {
			fmt.Printf("slirp4netns publishes nothing: %v\n", err)
		}
	}
	return &way{name: "slirp4netns", to: netHost, pod: pod, port: slirpPort, cpu: []int{cmd.Process.Pid}, stop: func() {
		stop()
		stopPod()
		_ = os.RemoveAll(dir)
	}}, nil
}

// enter is a command in the way's namespace.
func (w *way) enter(args ...string) []string {
	if w.pod == 0 {
		return args
	}
	enter := []string{"nsenter", "--target", strconv.Itoa(w.pod), "--net"}
	if strings.HasPrefix(w.name, "pasta") {
		enter = append(enter, "--user", "--preserve-credentials")
	}
	return append(enter, args...)
}

// ask runs a program where the client is.
func (w *way) ask(ctx context.Context, args ...string) ([]byte, error) {
	if !w.published {
		args = w.enter(args...)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s%s", strings.Join(args, " "), err, stderr.String(), out)
	}
	return out, nil
}

func (w *way) measure(ctx context.Context, seconds, echo int, results netResults) error {
	for _, stream := range []struct {
		measure, perByte string
		flags            []string
	}{
		{"up, Gbit/s", "up, CPU s/GB", nil},
		{"down, Gbit/s", "down, CPU s/GB", []string{"-R"}},
		{"up, 4 streams", "", []string{"-P", "4"}},
		{"down, 4 streams", "", []string{"-P", "4", "-R"}},
	} {
		before := w.processorTime()
		bits, moved, err := w.iperf(ctx, seconds, stream.flags)
		if err != nil {
			return err
		}
		results.keep(stream.measure, w, bits/1e9)
		if stream.perByte != "" && len(w.cpu) > 0 {
			results.keep(stream.perByte, w, (w.processorTime()-before).Seconds()/(moved/1e9))
		}
	}
	for measure, what := range map[string]string{"connects/s": "connects", "round trip, us": "rtt"} {
		value, err := w.client(ctx, echo, what, 2000)
		if err != nil {
			return err
		}
		results.keep(measure, w, value)
	}
	return nil
}

func (w *way) processorTime() (sum time.Duration) {
	for _, pid := range w.cpu {
		used, _ := processorTime(pid)
		sum += used
	}
	return sum
}

// iperf runs one server for one client.
func (w *way) iperf(ctx context.Context, seconds int, flags []string) (bits, bytes float64, err error) {
	port := strconv.Itoa(iperfPort)
	server := []string{"iperf3", "-s", "-1", "-p", port}
	if w.published {
		port = strconv.Itoa(w.port)
		server = w.enter("iperf3", "-s", "-1", "-p", port)
	}
	_, stop, err := startWay(ctx, server[0], server[1:]...)
	if err != nil {
		return 0, 0, err
	}
	defer stop()
	time.Sleep(200 * time.Millisecond)
	args := append([]string{"iperf3", "-J", "-p", port, "-t", strconv.Itoa(seconds), "-c", w.to}, flags...)
	out, err := w.ask(ctx, args...)
	if err != nil {
		return 0, 0, err
	}
	var report struct {
		End struct {
			Received struct {
				Bits  float64 `json:"bits_per_second"`
				Bytes float64 `json:"bytes"`
			} `json:"sum_received"`
		} `json:"end"`
	}
	err = json.Unmarshal(out, &report)
	return report.End.Received.Bits, report.End.Received.Bytes, err
}

// client has this program measure something inside.
func (w *way) client(ctx context.Context, echo int, what string, n int) (float64, error) {
	out, err := w.ask(ctx, thisProgram(), netClientVerb, what, fmt.Sprintf("%s:%d", w.to, echo), strconv.Itoa(n))
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
}

// idle adds up the memory that the way's processes have of their own, without and with idle connections through them.
func (w *way) idle(ctx context.Context, echo, connections int, results netResults) error {
	if len(w.cpu) == 0 {
		return nil
	}
	results.keep("idle: memory kB", w, w.memory())
	args := w.enter(thisProgram(), netClientVerb, "hold", fmt.Sprintf("%s:%d", w.to, echo), strconv.Itoa(connections))
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	if line = strings.TrimSpace(line); line != strconv.Itoa(connections) {
		return errors.New(line)
	}
	results.keep("idle connections: kB", w, w.memory())
	return nil
}

func (w *way) memory() (kb float64) {
	for _, pid := range w.cpu {
		var n float64
		_, _ = fmt.Sscanf(status(strconv.Itoa(pid), "RssAnon"), "%f kB", &n)
		kb += n
	}
	return kb
}

// netClient is what runs inside: connects/s of connect, request, answer and close; the microseconds of a round trip of one byte; or it
// holds connections until it is killed.
func netClient(what, to string, n int) error {
	switch what {
	case "connects":
		began := time.Now()
		for range n {
			if err := askOnce(to); err != nil {
				return err
			}
		}
		fmt.Println(float64(n) / time.Since(began).Seconds())
	case "rtt":
		c, err := net.DialTimeout("tcp", to, 5*time.Second)
		if err != nil {
			return err
		}
		defer c.Close()
		b := []byte{1}
		began := time.Now()
		for range n {
			if _, err := c.Write(b); err != nil {
				return err
			}
			if _, err := io.ReadFull(c, b); err != nil {
				return err
			}
		}
		fmt.Println(time.Since(began).Seconds() * 1e6 / float64(n))
	case "hold":
		_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: hardFiles(), Max: hardFiles()})
		var held []net.Conn
		for range n {
			c, err := net.DialTimeout("tcp", to, 5*time.Second)
			if err == nil {
				_, err = c.Write([]byte{1})
			}
			if err != nil {
				fmt.Printf("%d held, then: %v\n", len(held), err)
				return nil
			}
			held = append(held, c)
		}
		time.Sleep(time.Second)
		fmt.Println(len(held))
		select {}
	}
	return nil
}

func askOnce(to string) error {
	c, err := net.DialTimeout("tcp", to, 5*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	b := []byte{1}
	if _, err := c.Write(b); err != nil {
		return err
	}
	_, err = io.ReadFull(c, b)
	return err
}

// printNet prints median and best of each; what is best depends on the measure.
func printNet(out io.Writer, ways []*way, results netResults) {
	t := newTable(out)
	fmt.Fprint(t, "median / best\t")
	for _, w := range ways {
		fmt.Fprintf(t, "%s\t", w.name)
	}
	fmt.Fprintln(t)
	for _, measure := range netMeasures {
		fmt.Fprintf(t, "%s\t", measure)
		for _, w := range ways {
			values := slices.Sorted(slices.Values(results[measure][w.name]))
			if len(values) == 0 {
				fmt.Fprint(t, "–\t")
				continue
			}
			best := values[len(values)-1]
			if strings.Contains(measure, "CPU") || strings.Contains(measure, "round trip") || strings.Contains(measure, "kB") {
				best = values[0]
			}
			fmt.Fprintf(t, "%s / %s\t", short(values[len(values)/2]), short(best))
		}
		fmt.Fprintln(t)
	}
	t.Flush()
}

func short(v float64) string {
	return strconv.FormatFloat(v, 'f', cmp.Compare(100, v)+1, 64)
}
