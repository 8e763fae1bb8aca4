package netstack

import (
	"encoding/json"
	"net/netip"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// BenchmarkThroughput has iperf3 send from a Pod to the host and back, for the time that one of b.N stands for. cpu-s/GB is
// what this process spends, kernel included.
func BenchmarkThroughput(b *testing.B) {
	if _, err := exec.LookPath("iperf3"); err != nil {
		b.Skip("iperf3 is not installed")
	}
	for _, kind := range engineKinds {
		for name, flags := range map[string][]string{"up": nil, "down": {"-R"}, "up4": {"-P4"}, "down4": {"-R", "-P4"}} {
			b.Run(kind.name+"/"+name, func(b *testing.B) {
				requireEngine(b, kind.name)
				measureThroughput(b, kind.name, flags)
			})
		}
	}
}

func measureThroughput(b *testing.B, engine string, flags []string) {
	pod := attachPod(b, openHub(b, Config{Engine: engine}), "client")
	server := exec.Command("iperf3", "-s", "-B", hostV4.String())
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	}()
	for tries := 0; ; tries++ {
		if c, err := pod.tryDial("tcp", netip.AddrPortFrom(hostV4, 5201)); err == nil {
			c.Close()
			break
		} else if tries == 100 {
			b.Fatal(err)
		}
	}
	var bytes, seconds float64
	var before, after unix.Rusage
	b.ResetTimer()
	_ = unix.Getrusage(unix.RUSAGE_SELF, &before)
	for done := 0; done < b.N; {
		var out []byte
		err := pod.do(func() (err error) { // the child has the thread's namespace
			out, err = exec.Command("iperf3", append([]string{"-J", "-t2", "-c", hostV4.String()}, flags...)...).Output()
			return err
		})
		if err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		var result struct {
			Error string // the server is busy: it has not yet heard that the connection above has ended
			End   struct {
				Received struct {
					Bytes, Seconds float64
				} `json:"sum_received"`
			}
		}
		if err := json.Unmarshal(out, &result); err != nil {
			b.Fatal(err)
		}
		if result.Error != "" {
			continue
		}
		done++
		bytes += result.End.Received.Bytes
		seconds += result.End.Received.Seconds
	}
	_ = unix.Getrusage(unix.RUSAGE_SELF, &after)
	cpu := float64(after.Utime.Nano()+after.Stime.Nano()-before.Utime.Nano()-before.Stime.Nano()) / 1e9
	b.ReportMetric(bytes*8/seconds/1e9, "Gbit/s")
	b.ReportMetric(cpu/(bytes/1e9), "cpu-s/GB")
}
