package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/rand"

	"github.com/peapod/peapod/rootless/api/client"
)

type debugOptions struct {
	sessionOptions
	image, pullPolicy, target, profile string
	env                                map[string]string
	attach, argumentsOnly              bool
}

// The profiles of debug: what of the machine the container may do.
const (
	generalProfile = "general" // trace processes
	legacyProfile  = "legacy"  // what every container may
)

func newDebug(a *app) *cobra.Command {
	var o debugOptions
	cmd := &cobra.Command{
		Use:                   "debug (POD | pod/POD) --image=IMAGE [-c NAME] [--target=CONTAINER] [-i] [-t] [-- COMMAND [ARGUMENT…]]",
		DisableFlagsInUseLine: true,
		Short:                 "Start an ephemeral container in a running Pod",
		Long: `Start one more container in a running Pod, in its network and, with --target, among the processes of another container.

It brings its tools along in an image of its own, is not started again when it ends, and stays in the Pod's list until the Pod is deleted. With -i
this waits until it runs, and attaches to it.`,
		Example: `  # A shell beside a container that has none
  peapod debug -it demo --image=busybox --target=nginx

  # Under a name, without attaching
  peapod debug demo --image=busybox -c sniffer -- tcpdump -w /tmp/all.pcap`,
		ValidArgsFunction: a.completePod,
		RunE: func(cmd *cobra.Command, args []string) error {
			dash := cmd.ArgsLenAtDash()
			named := len(args)
			if dash >= 0 {
				named = dash
			}
			if named != 1 {
				return usagef(cmd, "NAME or filename is required for debug")
			}
			if err := o.check(cmd); err != nil {
				return err
			}
			name, err := o.parse(cmd, args[0])
			if err != nil {
				return err
			}
			return a.debug(cmd.Context(), name, args[1:], &o)
		},
	}
	o.addFlags(a, cmd)
	flags := cmd.Flags()
	flags.Lookup("container").Usage = "the new container's name"
	flags.StringVar(&o.image, "image", "", "the new container's image")
	flags.StringVar(&o.pullPolicy, "image-pull-policy", "", "Always, IfNotPresent or Never")
	flags.StringVar(&o.target, "target", "", "the container whose processes it sees")
	flags.StringToStringVar(&o.env, "env", nil, "environment variables, NAME=VALUE")
	flags.BoolVar(&o.attach, "attach", false, "wait until the container runs, and attach to it (default with -i)")
	flags.BoolVar(&o.argumentsOnly, "arguments-only", false, "what comes after -- are arguments for the image's command")
	flags.StringVar(&o.profile, "profile", generalProfile, "general: it may trace processes; legacy: it may do what every container may")
	return cmd
}

// check refuses what does not go together, in kubectl's words.
func (o *debugOptions) check(cmd *cobra.Command) error {
	if !cmd.Flags().Changed("attach") {
		o.attach = o.stdin
	}
	switch corev1.PullPolicy(o.pullPolicy) {
	case corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever, "":
	default:
		return usagef(cmd, "invalid image pull policy: %s", o.pullPolicy)
	}
	switch {
	case o.image == "":
		return usagef(cmd, "you must specify --image")
	case o.tty && !o.stdin:
		return usagef(cmd, "-i/--stdin is required for containers with -t/--tty=true")
	case o.profile != generalProfile && o.profile != legacyProfile:
		return usagef(cmd, "unknown profile: %s", o.profile)
	}
	return nil
}

func (a *app) debug(ctx context.Context, name string, command []string, o *debugOptions) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	pod, err := a.podContainers(ctx, c, name)
	if err != nil {
		return err
	}
	a.nameDebugger(pod, o)
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"ephemeralContainers": []corev1.EphemeralContainer{o.ephemeralContainer(command)}}})
	if err != nil {
		return err
	}
	warnings, err := c.PatchPart(ctx, client.Request{Resource: "pods", Namespace: a.namespace, Name: name}, "ephemeralcontainers", patch)
	if err != nil {
		return err
	}
	for _, text := range warnings {
		fmt.Fprintln(a.err, "Warning:", text)
	}
	if !o.attach {
		return nil
	}
	return a.attachDebugger(ctx, c, name, o)
}

// nameDebugger finds a name for the new container that none in the Pod has, and says what will happen.
func (a *app) nameDebugger(pod *podContainers, o *debugOptions) {
	if o.target != "" && !o.quiet {
		fmt.Fprintf(a.out, "Targeting container %q. If you don't see processes from this container it may be because the container runtime doesn't support this feature.\n", o.target)
	}
	if o.container != "" {
		return
	}
	for o.container == "" || slices.Contains(pod.all(), o.container) {
		o.container = "debugger-" + rand.String(5)
	}
	if !o.quiet {
		fmt.Fprintf(a.out, "Defaulting debug container name to %s.\n", o.container)
	}
}

func (o *debugOptions) ephemeralContainer(command []string) corev1.EphemeralContainer {
	e := corev1.EphemeralContainer{TargetContainerName: o.target}
	e.Name, e.Image, e.ImagePullPolicy = o.container, o.image, corev1.PullPolicy(o.pullPolicy)
	e.Stdin, e.TTY = o.stdin, o.tty
	e.TerminationMessagePolicy = corev1.TerminationMessageReadFile
	if o.argumentsOnly {
		e.Args = command
	} else {
		e.Command = command
	}
	for _, name := range slices.Sorted(maps.Keys(o.env)) {
		e.Env = append(e.Env, corev1.EnvVar{Name: name, Value: o.env[name]})
	}
	if o.profile == generalProfile {
		e.SecurityContext = &corev1.SecurityContext{Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"SYS_PTRACE"}}}
	}
	return e
}

// attachDebugger attaches to the new container as soon as it runs. Of one that has ended already it prints the log.
func (a *app) attachDebugger(ctx context.Context, c *client.Client, name string, o *debugOptions) error {
	ended, err := a.awaitDebugger(ctx, c, name, o)
	if err != nil {
		return err
	}
	log := &corev1.PodLogOptions{Container: o.container, Follow: true}
	if ended {
		return a.logs(ctx, name, log)
	}
	if err := a.attach(ctx, name, &o.sessionOptions); err != nil {
		fmt.Fprintf(a.err, "warning: couldn't attach to pod/%s, falling back to streaming logs: %v\n", name, err)
		return a.logs(ctx, name, log)
	}
	return nil
}

// awaitDebugger waits until the new container runs or has ended. The watch may end early, with the node: then it starts over.
func (a *app) awaitDebugger(ctx context.Context, c *client.Client, name string, o *debugOptions) (ended bool, err error) {
	told := ""
	for {
		stream, err := c.Watch(ctx, client.Request{Resource: "pods", Namespace: a.namespace, FieldSelector: "metadata.name=" + name})
		if err != nil {
			return false, err
		}
		defer stream.Close()
		for {
			var pod corev1.Pod
			kind, err := stream.Next(&pod)
			if err != nil {
				break // another watch tells how things are
			}
			if kind == "DELETED" {
				return false, fmt.Errorf("pod %s was deleted", name)
			}
			switch state := stateOf(&pod, o.container); {
			case state.Running != nil:
				return false, nil
			case state.Terminated != nil:
				return true, nil
			case state.Waiting != nil && state.Waiting.Message != "" && state.Waiting.Message != told && !o.quiet:
				told = state.Waiting.Message
				fmt.Fprintf(a.err, "Warning: container %s: %s\n", o.container, told)
			}
		}
	}
}

// stateOf is the state of an ephemeral container; the zero value until it has one.
func stateOf(pod *corev1.Pod, container string) corev1.ContainerState {
	for _, status := range pod.Status.EphemeralContainerStatuses {
		if status.Name == container {
			return status.State
		}
	}
	return corev1.ContainerState{}
}
