package slirp

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"strconv"

	"github.com/rootless-containers/rootlesskit/v3/pkg/network/pasta"
	"github.com/rootless-containers/rootlesskit/v3/pkg/network/slirp4netns"
	"golang.org/x/sys/unix"
)

// A Program is slirp4netns or pasta.
type Program struct {
	Name    string
	Network Network
	// arguments are those to serve a tap device of the namespace at netnsPath. An error says that the installed program cannot do all that is needed.
	arguments func(p Program, netnsPath, device string, mtu int) ([]string, error)
	from      string // packages that it comes in
}

// Network is how the tap device is to be set up.
type Network struct {
	Addr4, Addr6       netip.Prefix // of the device
	Gateway4, Gateway6 netip.Addr   // of the program, which answers for all other addresses
}

// The IPv4 network of both is link-local: nobody can mean it otherwise. That of slirp4netns in IPv6 is built into it (libslirp's default); for pasta one of
// the program's own prefix (RFC 4193) that no hub takes for Pods.
var (
	network4    = Network{Addr4: netip.MustParsePrefix("169.254.2.100/24"), Gateway4: netip.MustParseAddr("169.254.2.2")}
	Slirp4netns = Program{
		Name: slirp4netns.DriverName,
		Network: Network{
			network4.Addr4, netip.MustParsePrefix("fd00::100/64"),
			network4.Gateway4, netip.MustParseAddr("fd00::2"),
		},
		arguments: slirp4netnsArguments,
		from:      "slirp4netns",
	}
	Pasta = Program{
		Name: pasta.DriverName,
		Network: Network{
			network4.Addr4, netip.MustParsePrefix("fd70:6561:706f:fffd::100/64"),
			network4.Gateway4, netip.MustParseAddr("fd70:6561:706f:fffd::2"),
		},
		arguments: pastaArguments,
		from:      "passt",
	}
)

// Check looks whether the program and the device that it needs are there. Errors name what an administrator can do; errors.ErrUnsupported is in them.
func (p Program) Check() error {
	if _, err := exec.LookPath(p.Name); err != nil {
		return fmt.Errorf("%w: %s is not installed; it is in the package %s: %w", errors.ErrUnsupported, p.Name, p.from, err)
	}
	device, err := os.OpenFile(tunDevice, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("%w: %s needs a tap device%s: %w", errors.ErrUnsupported, p.Name, tunRemedy(err), err)
	}
	return device.Close()
}

const tunDevice = "/dev/net/tun"

// tunRemedy is the way out when the device cannot be opened. What udev makes of it is open to everybody.
func tunRemedy(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "; an administrator can make it: modprobe tun, or in a container: mkdir -p /dev/net; mknod -m 666 " + tunDevice + " c 10 200"
	case errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return "; the kernel has none, an administrator can load it: modprobe tun"
	case errors.Is(err, fs.ErrPermission):
		return ", which is closed to you; an administrator can open it: chmod 666 " + tunDevice
	}
	return ""
}

func slirp4netnsArguments(p Program, netnsPath, device string, mtu int) ([]string, error) {
	can, err := slirp4netns.DetectFeatures(p.Name)
	if err != nil {
		return nil, err
	}
	if !can.SupportsDisableHostLoopback || !can.SupportsCIDR || !can.SupportsEnableIPv6 {
		return nil, errors.New("slirp4netns is too old: it lacks --disable-host-loopback, --cidr or --enable-ipv6 (of 0.3.0)")
	}
	args := []string{
		"--mtu=" + strconv.Itoa(mtu), "--cidr=" + p.Network.Addr4.Masked().String(), "--enable-ipv6",
		"--disable-host-loopback",
	}
	if can.SupportsEnableSandbox {
		args = append(args, "--enable-sandbox")
	}
	if can.SupportsEnableSeccomp && can.KernelSupportsEnableSeccomp {
		args = append(args, "--enable-seccomp")
	}
	return append(args, "--netns-type=path", netnsPath, device), nil
}

func pastaArguments(p Program, netnsPath, device string, mtu int) ([]string, error) {
	n := p.Network
	return []string{
		"--foreground", "--quiet", "--ns-ifname=" + device, "--mtu=" + strconv.Itoa(mtu),
		"--address=" + n.Addr4.Addr().String(), "--netmask=" + strconv.Itoa(n.Addr4.Bits()), "--gateway=" + n.Gateway4.String(),
		"--address=" + n.Addr6.Addr().String(), "--gateway=" + n.Gateway6.String(),
		"--no-map-gw", "--no-dhcp", "--no-dhcpv6", "--no-ra",
		"--tcp-ports=none", "--udp-ports=none", "--tcp-ns=none", "--udp-ns=none",
		"--no-netns-quit", "--netns=" + netnsPath,
	}, nil
}
