package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// app is what all verbs share: the streams and the flags that every verb has.
type app struct {
	in       io.Reader
	out, err io.Writer
	getenv   func(string) string

	namespace      string
	namespaceGiven bool
	socket         string
}

const exitStatus = `
Exit Status:
  0  done
  1  an error; its last lines on standard error say which
`

const execExitStatus = `
Exit Status:
  that of the command, 128+n if signal n ended it; 1 if it could not be run
`

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "peapod",
		Short: "Run Kubernetes Pods as an ordinary user",
		Long: `peapod runs Kubernetes Pods as an ordinary user: no root, no daemon of the system, no cluster.

The commands are kubectl's where kubectl has one, and docker's ps, inspect, images,
pull, push, load, save, tag, rmi, login and logout.`,
		Example: `  # Run a Pod, look at it, and end it
  peapod apply -f pod.yaml
  peapod get pods
  peapod exec -it demo -c busybox -- sh
  peapod delete -f pod.yaml`,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRun: func(cmd *cobra.Command, _ []string) {
			a.namespaceGiven = cmd.Flags().Changed("namespace")
		},
	}
	flags := root.PersistentFlags()
	flags.StringVarP(&a.namespace, "namespace", "n", metav1.NamespaceDefault, "the namespace")
	flags.StringVar(&a.socket, "socket", "", "the node's socket (default $PEAPOD_NODE, else peapod/node.sock in $XDG_RUNTIME_DIR)")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return &usageError{cmd, err.Error()} })
	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		help(cmd, args)
		status := exitStatus
		if cmd.Name() == "exec" || cmd.Name() == "unshare" || cmd.Name() == "proxy" {
			status = execExitStatus
		}
		fmt.Fprint(a.out, status)
	})
	root.AddCommand(
		newApply(a), newCreate(a), newGet(a), newDescribe(a), newExec(a), newAttach(a), newDebug(a), newPortForward(a), newLogs(a), newDelete(a),
		newScale(a), newRollout(a), newWait(a),
		newPs(a), newInspect(a), newImage(a), newImages(a), newPull(a), newPush(a), newLoad(a), newSave(a), newTag(a), newRmi(a),
		newLogin(a), newLogout(a), newVersion(a), newNode(a), newOCI(a), newUnshare(a), newProxy(a),
	)
	return root
}
