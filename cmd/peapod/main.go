package main

import (
	"context"
	"os"

	"github.com/peapod/peapod/image"
)

func main() {
	if image.Init() { // the image store runs this program again to unpack a layer in a root of its own
		return
	}
	os.Exit(run(context.Background(), os.Args[1:], &app{
		in: os.Stdin, out: os.Stdout, err: os.Stderr, getenv: os.Getenv,
	}))
}

// run executes one command line and returns its exit status.
func run(ctx context.Context, args []string, a *app) int {
	root := newRoot(a)
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	return a.report(root.ExecuteContext(ctx))
}
