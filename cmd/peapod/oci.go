package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/peapod/peapod/rootless/oci"
	"github.com/peapod/peapod/rootless/state"
)

// ociOptions are the flags that all verbs of peapod oci share.
type ociOptions struct {
	root           string
	log, logFormat string
	debug, systemd bool
}

func newOCI(a *app) *cobra.Command {
	var o ociOptions
	cmd := &cobra.Command{
		Use:    "oci COMMAND",
		Hidden: true, // for programs that call OCI runtimes
		Short:  "Run OCI bundles",
		Long: `Run OCI bundles, with the command line of crun and runc, for an ordinary user.

The node is not used. config.json needs a new user namespace with uidMappings and gidMappings, or the caller must be root
of a user namespace already, as below unshare --map-root-user --map-auto.

What cannot be honoured is refused by name. These do nothing: device rules of linux.resources, linux.cgroupsPath (the
container stays in the caller's cgroup), uid, gid and fileMode of linux.devices (they are the host's files), the seccomp
flags TSYNC and SPEC_ALLOW, a file system's options on a bind mount, ambient capabilities that are not inheritable,
--systemd-cgroup. Hooks createContainer and startContainer are refused.`,
		Example: `  # A bundle, run in the foreground
  mkdir -p bundle/rootfs/bin && cp /bin/busybox bundle/rootfs/bin/sh
  (cd bundle && crun spec --rootless)
  peapod oci run --bundle bundle demo

  # The same in steps
  peapod oci create --bundle bundle --pid-file demo.pid demo
  peapod oci start demo
  peapod oci state demo
  peapod oci kill demo KILL
  peapod oci delete demo`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef(cmd, "unknown command %q for %q", args[0], cmd.CommandPath())
			}
			return cmd.Help()
		},
	}
	flags := cmd.PersistentFlags()
	flags.StringVar(&o.root, "root", "", "folder of the containers' state (default peapod/oci in $XDG_RUNTIME_DIR)")
	flags.StringVar(&o.log, "log", "", "also append errors to this file")
	flags.StringVar(&o.logFormat, "log-format", "text", "format of that file: text or json")
	flags.BoolVar(&o.debug, "debug", false, "accepted for other programs' sake")
	flags.BoolVar(&o.systemd, "systemd-cgroup", false, "accepted for other programs' sake")
	cmd.AddCommand(
		newOCICreate(a, &o), newOCIRun(a, &o), newOCIStart(a, &o), newOCIState(a, &o), newOCIKill(a, &o), newOCIDelete(a, &o),
		newOCIExec(a, &o), newOCIFeatures(a, &o),
	)
	return cmd
}

// verb wraps what a command does: it finds the runtime, and writes an error to the log too.
func (o *ociOptions) verb(a *app, do func(r *oci.Runtime, args []string) error) func(*cobra.Command, []string) error {
	return func(_ *cobra.Command, args []string) error {
		root, err := o.rootFolder(a)
		if err == nil {
			err = do(oci.New(root), args)
		}
		return errors.Join(err, o.record(err))
	}
}

func (o *ociOptions) rootFolder(a *app) (string, error) {
	if o.root != "" {
		return filepath.Abs(o.root)
	}
	home, _ := os.UserHomeDir() // state.DefaultPaths says what is missing
	paths, err := state.DefaultPaths(a.getenv, os.Getuid(), home)
	return paths.OCI(), err
}

// record appends an error to the log, as crun and runc word it for their callers.
func (o *ociOptions) record(err error) error {
	var exit *exitError
	if err == nil || o.log == "" || errors.As(err, &exit) {
		return nil
	}
	f, openErr := os.OpenFile(o.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if openErr != nil {
		return openErr
	}
	line := []byte(err.Error())
	if o.logFormat == "json" {
		line, _ = json.Marshal(map[string]string{"level": "error", "msg": err.Error(), "time": time.Now().UTC().Format(time.RFC3339Nano)}) // strings always can
	}
	_, writeErr := f.Write(append(line, '\n'))
	return errors.Join(writeErr, f.Close())
}

// exited turns the exit code of a container into that of this program.
func exited(code int, err error) error {
	if err == nil && code != 0 {
		return &exitError{code: code}
	}
	return err
}

func (a *app) stdio() [3]*os.File { return [3]*os.File{os.Stdin, os.Stdout, os.Stderr} }

func ociCreateFlags(cmd *cobra.Command, o *oci.CreateOptions) {
	flags := cmd.Flags()
	flags.StringVarP(&o.Bundle, "bundle", "b", ".", "folder with config.json")
	flags.StringVar(&o.PidFile, "pid-file", "", "write the pid of the first process to this file")
	flags.StringVar(&o.ConsoleSocket, "console-socket", "", "unix socket that gets the terminal's master")
	flags.BoolVar(&o.KeepKeyring, "no-new-keyring", false, "leave the process in the caller's session keyring")
}

func newOCICreate(a *app, shared *ociOptions) *cobra.Command {
	var o oci.CreateOptions
	cmd := &cobra.Command{
		Use: "create [--bundle DIR] ID", Short: "Prepare a container, up to its process", Args: cobra.ExactArgs(1),
		RunE: shared.verb(a, func(r *oci.Runtime, args []string) error {
			o.ID, o.Stdio = args[0], a.stdio()
			return r.Create(o)
		}),
	}
	ociCreateFlags(cmd, &o)
	return cmd
}

func newOCIRun(a *app, shared *ociOptions) *cobra.Command {
	var o oci.CreateOptions
	var detach bool
	cmd := &cobra.Command{
		Use: "run [--bundle DIR] ID", Short: "Create and start a container, wait for its end and delete it", Args: cobra.ExactArgs(1),
		RunE: shared.verb(a, func(r *oci.Runtime, args []string) error {
			o.ID, o.Stdio = args[0], a.stdio()
			return exited(r.Run(o, detach))
		}),
	}
	ociCreateFlags(cmd, &o)
	cmd.Flags().BoolVarP(&detach, "detach", "d", false, "do not wait for its end")
	return cmd
}

func newOCIStart(a *app, shared *ociOptions) *cobra.Command {
	return &cobra.Command{
		Use: "start ID", Short: "Run the process of a created container", Args: cobra.ExactArgs(1),
		RunE: shared.verb(a, func(r *oci.Runtime, args []string) error { return r.Start(args[0]) }),
	}
}

func newOCIState(a *app, shared *ociOptions) *cobra.Command {
	return &cobra.Command{
		Use: "state ID", Short: "Print the state of a container as JSON", Args: cobra.ExactArgs(1),
		RunE: shared.verb(a, func(r *oci.Runtime, args []string) error {
			s, err := r.State(args[0])
			if err != nil {
				return err
			}
			return a.printIndented(s)
		}),
	}
}

func (a *app) printIndented(v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.out, string(text))
	return err
}

func newOCIKill(a *app, shared *ociOptions) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "kill ID [SIGNAL]", Short: "Send a signal, SIGTERM by default, to the first process", Args: cobra.RangeArgs(1, 2),
		RunE: shared.verb(a, func(r *oci.Runtime, args []string) error {
			name := "TERM"
			if len(args) > 1 {
				name = args[1]
			}
			signal, err := oci.ParseSignal(name)
			if err != nil {
				return err
			}
			return r.Kill(args[0], signal, all)
		}),
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "send it to all processes; KILL only")
	return cmd
}

func newOCIDelete(a *app, shared *ociOptions) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "delete ID", Short: "Forget a stopped container", Args: cobra.ExactArgs(1),
		RunE: shared.verb(a, func(r *oci.Runtime, args []string) error { return r.Delete(args[0], force) }),
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "kill it first if it runs")
	return cmd
}

func newOCIExec(a *app, shared *ociOptions) *cobra.Command {
	var o oci.ExecOptions
	cmd := &cobra.Command{
		Use: "exec ID [COMMAND [ARGUMENT…]]", Short: "Run a process in a running container", Args: cobra.MinimumNArgs(1),
		RunE: shared.verb(a, func(r *oci.Runtime, args []string) error {
			o.ID, o.Args, o.Stdio = args[0], args[1:], a.stdio()
			return exited(r.Exec(o))
		}),
	}
	flags := cmd.Flags()
	flags.SetInterspersed(false)
	flags.StringVarP(&o.Process, "process", "p", "", "file with the process as JSON")
	flags.BoolVarP(&o.Terminal, "tty", "t", false, "give it a terminal")
	flags.BoolVarP(&o.Detach, "detach", "d", false, "do not wait for its end")
	flags.StringVar(&o.PidFile, "pid-file", "", "write its pid to this file")
	flags.StringVar(&o.ConsoleSocket, "console-socket", "", "unix socket that gets the terminal's master")
	flags.StringArrayVarP(&o.Env, "env", "e", nil, "a further variable, NAME=VALUE")
	flags.StringVar(&o.Cwd, "cwd", "", "working directory")
	flags.StringVarP(&o.User, "user", "u", "", "UID or UID:GID")
	flags.StringArrayVarP(&o.Capabilities, "cap", "c", nil, "a further capability, CAP_NAME")
	flags.BoolVar(&o.NoNewPrivs, "no-new-privs", false, "set no_new_privs")
	return cmd
}

func newOCIFeatures(a *app, shared *ociOptions) *cobra.Command {
	return &cobra.Command{
		Use: "features", Short: "Print what this runtime knows as JSON", Args: cobra.NoArgs,
		RunE: shared.verb(a, func(*oci.Runtime, []string) error { return a.printIndented(oci.Features()) }),
	}
}
