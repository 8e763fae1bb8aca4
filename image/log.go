package image

import (
	"context"
	"io"
	"log/slog"
	"sync"

	"github.com/sirupsen/logrus"
)

// The storage and registry libraries write to logrus's global logger. Their warnings belong into the node's log, so a
// hook hands them to slog and the logger's own output is turned off.

var divertLogOnce sync.Once

func divertLog() {
	divertLogOnce.Do(func() {
		logrus.SetOutput(io.Discard)
		logrus.SetLevel(logrus.WarnLevel) // below that they are chatty and cost time even when nobody listens
		logrus.AddHook(slogHook{})
	})
}

type slogHook struct{}

func (slogHook) Levels() []logrus.Level {
	return []logrus.Level{logrus.PanicLevel, logrus.FatalLevel, logrus.ErrorLevel, logrus.WarnLevel}
}

func (slogHook) Fire(e *logrus.Entry) error {
	level := slog.LevelWarn
	if e.Level <= logrus.ErrorLevel {
		level = slog.LevelError
	}
	slog.Log(context.Background(), level, "image library: "+e.Message)
	return nil
}
