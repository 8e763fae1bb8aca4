package gvisor

import (
	"fmt"
	"log/slog"
	"time"

	gvisorlog "gvisor.dev/gvisor/pkg/log"
)

// hush leads the stack's own log, which is one for the process and would go to standard error, to ours. Pods cause most of what it says. The
// level also reaches loggers that the stack's packages made when they were initialized.
func hush(log *slog.Logger) {
	gvisorlog.SetLevel(gvisorlog.Warning)
	gvisorlog.SetTarget(quiet{log})
}

type quiet struct{ log *slog.Logger }

func (q quiet) Emit(_ int, _ gvisorlog.Level, _ time.Time, format string, v ...any) {
	q.log.Debug("network stack: " + fmt.Sprintf(format, v...))
}
