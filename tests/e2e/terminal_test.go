package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// terminal runs a command on a terminal of 33 lines and 77 columns: all of its streams, and the one that controls it.
// stdout is all that appeared.
//
//	[!] terminal STEP… -- COMMAND…
//
// A step is see:TEXT, which waits until TEXT appears after what was seen before, or type:TEXT, where \n ends a line and \x03 is
// Control-C.
func terminal(ts *testscript.TestScript, neg bool, args []string) {
	dash := slices.Index(args, "--")
	if dash < 0 || dash == len(args)-1 {
		ts.Fatalf("usage: [!] terminal STEP… -- COMMAND…")
	}
	master, slave, err := openTerminal()
	ts.Check(err)
	defer master.Close()
	cmd := command(ts, args[dash+1:])
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	ts.Check(cmd.Start())
	slave.Close()
	hung := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer hung.Stop()
	screen := bufio.NewReader(io.TeeReader(master, ts.Stdout()))
	for _, step := range args[:dash] {
		ts.Check(play(step, master, screen))
	}
	if _, err := io.Copy(io.Discard, screen); err != nil && !errors.Is(err, unix.EIO) { // EIO: nobody has the terminal open any more
		ts.Fatalf("read the terminal: %v", err)
	}
	if err := cmd.Wait(); (err != nil) != neg {
		ts.Fatalf("%v: %v; want success: %v", args[dash+1:], err, !neg)
	}
}

func play(step string, keyboard io.Writer, screen io.ByteReader) error {
	verb, text, _ := strings.Cut(step, ":")
	text, err := strconv.Unquote(`"` + text + `"`)
	if err != nil {
		return fmt.Errorf("step %q: %w", step, err)
	}
	switch verb {
	case "type":
		_, err := io.WriteString(keyboard, text)
		return err
	case "see":
		for seen := ""; !strings.HasSuffix(seen, text); {
			b, err := screen.ReadByte()
			if err != nil {
				return fmt.Errorf("%s: %w; there was %q", step, err, seen)
			}
			seen += string(b)
		}
		return nil
	}
	return fmt.Errorf("step %q: neither see: nor type: begins it", step)
}

// openTerminal makes a pseudo-terminal (pts(4)).
func openTerminal() (master, slave *os.File, err error) {
	if master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		return nil, nil, err
	}
	fd := int(master.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 33, Col: 77})
	}
	if err == nil {
		slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		master.Close()
	}
	return master, slave, err
}
