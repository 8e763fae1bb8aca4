package kube

import (
	"testing"
	"time"
)

func TestSchedule(t *testing.T) {
	at := func(text string) time.Time {
		when, err := time.Parse("2006-01-02 15:04", text)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	for _, test := range []struct{ schedule, after, want string }{
		{"* * * * *", "2026-03-01 12:00", "2026-03-01 12:01"},
		{"*/15 * * * *", "2026-03-01 12:01", "2026-03-01 12:15"},
		{"5-10/5,50 * * * *", "2026-03-01 12:05", "2026-03-01 12:10"},
		{"5-10/5,50 * * * *", "2026-03-01 12:10", "2026-03-01 12:50"},
		{"0 0 29 2 *", "2026-03-01 12:00", "2028-02-29 00:00"},
		{"30 4 1 * mon", "2026-03-03 12:00", "2026-03-09 04:30"}, // either of the two days
		{"30 4 * * MON-tue", "2026-03-04 12:00", "2026-03-09 04:30"},
		{"0 9 1 jan,Jul ?", "2026-03-04 12:00", "2026-07-01 09:00"},
		{"@daily", "2026-12-31 12:00", "2027-01-01 00:00"},
		{"@every 90m", "2026-03-01 12:00", "2026-03-01 13:30"},
		{"59 23 31 12 *", "2026-12-31 23:59", "2027-12-31 23:59"},
	} {
		s, err := ParseSchedule(test.schedule)
		if err != nil {
			t.Errorf("%s: %v", test.schedule, err)
			continue
		}
		if got := s.Next(at(test.after)); !got.Equal(at(test.want)) {
			t.Errorf("%s after %s: %s, want %s", test.schedule, test.after, got, test.want)
		}
	}
	if s, err := ParseSchedule("0 0 31 2 *"); err != nil || !s.Next(at("2026-03-01 12:00")).IsZero() {
		t.Errorf("a day that never comes: %v", err)
	}
	for _, wrong := range []string{"", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 7", "a * * * *", "*/0 * * * *", "5-1 * * * *", "@never", "@every x", "*-5 * * * *"} {
		if _, err := ParseSchedule(wrong); err == nil {
			t.Errorf("%q is no error", wrong)
		}
	}
}

func FuzzSchedule(f *testing.F) {
	for _, seed := range []string{"*/5 1-3 ? jan mon-fri", "@every 1s", "@hourly", "0,30 8-18/2 * * *"} {
		f.Add(seed)
	}
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSchedule(text)
		if err != nil {
			return
		}
		if next := s.Next(start); !next.IsZero() && !next.After(start) {
			t.Errorf("%q: the next time after %s is %s", text, start, next)
		}
	})
}
