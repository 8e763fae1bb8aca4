package kube

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// Schedule is when a CronJob is due: the five fields of crontab(5), each as a set of bits, or every so often. The syntax and the rule for days are those
// of the library that Kubernetes uses: a day counts if both its fields do, or, when neither is a star, if one of them does.
type Schedule struct {
	minute, hour, day, month, weekday uint64
	every                             time.Duration
}

// star marks a field that was written as * or ?.
const star = 1 << 63

// cronField is what a field of a schedule may hold.
type cronField struct {
	name     string
	min, max uint
	names    []string // of the numbers from min on
}

var cronFields = []cronField{
	{"minute", 0, 59, nil}, {"hour", 0, 23, nil}, {"day of month", 1, 31, nil},
	{"month", 1, 12, []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
	{"day of week", 0, 6, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
}

var cronNames = map[string]string{
	"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0", "@daily": "0 0 * * *", "@midnight": "0 0 * * *",
	"@hourly": "0 * * * *",
}

// ParseSchedule reads a schedule: "*/5 * * * mon-fri", "@daily" or "@every 90s".
func ParseSchedule(text string) (*Schedule, error) {
	if period, ok := strings.CutPrefix(text, "@every "); ok {
		every, err := time.ParseDuration(strings.TrimSpace(period))
		if err != nil {
			return nil, fmt.Errorf("failed to parse duration %s: %w", text, err)
		}
		return &Schedule{every: max(every.Truncate(time.Second), time.Second)}, nil
	}
	if strings.HasPrefix(text, "@") {
		spelled, ok := cronNames[text]
		if !ok {
			return nil, fmt.Errorf("unrecognized descriptor: %s", text)
		}
		text = spelled
	}
	words := strings.Fields(text)
	if len(words) != len(cronFields) {
		return nil, fmt.Errorf("expected exactly %d fields, found %d: %q", len(cronFields), len(words), words)
	}
	s := &Schedule{}
	for i, target := range []*uint64{&s.minute, &s.hour, &s.day, &s.month, &s.weekday} {
		for part := range strings.SplitSeq(words[i], ",") {
			set, err := cronFields[i].parse(part)
			if err != nil {
				return nil, err
			}
			*target |= set
		}
	}
	return s, nil
}

// parse reads *, n, n-m or one of them with a step, as in */5.
func (f *cronField) parse(text string) (set uint64, err error) {
	span, stepText, stepped := strings.Cut(text, "/")
	from, to := f.min, f.max
	low, high, isRange := strings.Cut(span, "-")
	switch {
	case low == "*" || low == "?":
		if isRange {
			return 0, fmt.Errorf("failed to parse int from %s: not a number", span)
		}
		set = star
	default:
		if from, err = f.number(low); err != nil {
			return 0, err
		}
		if to = from; isRange {
			if to, err = f.number(high); err != nil {
				return 0, err
			}
		} else if stepped {
			to = f.max
		}
	}
	step := uint(1)
	if stepped {
		n, err := strconv.ParseUint(stepText, 10, 16)
		if err != nil || n == 0 {
			return 0, fmt.Errorf("step of range should be a positive number: %s", text)
		}
		if step = uint(n); step > 1 {
			set = 0
		}
	}
	switch {
	case from < f.min:
		return 0, fmt.Errorf("beginning of range (%d) below minimum (%d): %s", from, f.min, text)
	case to > f.max:
		return 0, fmt.Errorf("end of range (%d) above maximum (%d): %s", to, f.max, text)
	case from > to:
		return 0, fmt.Errorf("beginning of range (%d) beyond end of range (%d): %s", from, to, text)
	}
	for n := from; n <= to; n += step {
		set |= 1 << n
	}
	return set, nil
}

func (f *cronField) number(text string) (uint, error) {
	for i, name := range f.names {
		if strings.EqualFold(name, text) {
			return f.min + uint(i), nil
		}
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("failed to parse int from %s: not a number", text)
	}
	return uint(n), nil
}

// Next returns the first time after t that the schedule names, in t's time zone; the zero time if there is none in five years. An hour that the
// clocks skip has no times.
func (s *Schedule) Next(t time.Time) time.Time {
	if s.every > 0 {
		return t.Add(s.every).Truncate(time.Second)
	}
	last := t.Year() + 5
	t = t.Truncate(time.Minute).Add(time.Minute)
	for t.Year() <= last {
		year, month, day := t.Date()
		switch {
		case s.month&(1<<uint(month)) == 0:
			t = time.Date(year, month+1, 1, 0, 0, 0, 0, t.Location())
		case !s.dayMatches(t):
			t = time.Date(year, month, day+1, 0, 0, 0, 0, t.Location())
		case s.hour&(1<<uint(t.Hour())) == 0:
			t = t.Add(time.Duration(60-t.Minute()) * time.Minute)
		case s.minute&(1<<uint(t.Minute())) == 0:
			later := s.minute &^ star &^ (1<<uint(t.Minute()) - 1)
			next := 60
			if later != 0 {
				next = bits.TrailingZeros64(later)
			}
			t = t.Add(time.Duration(next-t.Minute()) * time.Minute)
		default:
			return t
		}
	}
	return time.Time{}
}

func (s *Schedule) dayMatches(t time.Time) bool {
	day, weekday := s.day&(1<<uint(t.Day())) != 0, s.weekday&(1<<uint(t.Weekday())) != 0
	if s.day&star != 0 || s.weekday&star != 0 {
		return day && weekday
	}
	return day || weekday
}
