package image

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.podman.io/image/v5/docker/reference"
)

// Filter chooses images. The zero value admits all. Of several references one has to match, of everything else all.
type Filter struct {
	dangling      *bool
	references    []string // patterns of path.Match
	labels        []labelFilter
	until         time.Time // created before this
	before, since []string  // images: created before, after each of them
}

// labelFilter is label=NAME[=VALUE], or with not what does not have it.
type labelFilter struct {
	name, value string
	any         bool // whatever its value
	not         bool
}

// Keys of filters, as docker and podman have them, for a list and for pruning.
var (
	ListFilters  = []string{"dangling", "reference", "before", "since", "label", "label!", "until"}
	PruneFilters = []string{"dangling", "label", "label!", "until"}
)

// ParseFilter reads KEY=VALUE words with keys out of a list. A time (until) is an RFC 3339 one, a date, seconds since 1970, or
// a duration ("24h") before now.
func ParseFilter(words, keys []string, now time.Time) (Filter, error) {
	var f Filter
	for _, word := range words {
		key, value, found := strings.Cut(word, "=")
		if !slices.Contains(keys, key) {
			return Filter{}, fmt.Errorf("filter %q: want one of %s, and a value: %s=…", word, strings.Join(keys, ", "), keys[0])
		}
		if !found || value == "" {
			return Filter{}, fmt.Errorf("filter %q: want a value: %s=…", word, key)
		}
		if err := f.add(key, value, now); err != nil {
			return Filter{}, fmt.Errorf("filter %q: %w", word, err)
		}
	}
	return f, nil
}

func (f *Filter) add(key, value string, now time.Time) (err error) {
	switch key {
	case "dangling":
		var dangling bool
		if dangling, err = strconv.ParseBool(value); err != nil {
			return fmt.Errorf("want true or false")
		}
		f.dangling = &dangling
	case "reference":
		if _, err = path.Match(value, ""); err != nil {
			return err
		}
		f.references = append(f.references, value)
	case "label", "label!":
		name, wanted, exact := strings.Cut(value, "=")
		f.labels = append(f.labels, labelFilter{name, wanted, !exact, key == "label!"})
	case "until":
		f.until, err = parseTime(value, now)
	case "before":
		f.before = append(f.before, value)
	case "since":
		f.since = append(f.since, value)
	}
	return err
}

func parseTime(value string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(value); err == nil {
		return now.Add(-d), nil
	}
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		return time.Unix(seconds, 0), nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, value, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("want a duration like 24h, or a time like 2006-01-02T15:04:05Z")
}

// Select lists the images that a filter admits, in the order of List. Asked by reference, they come with the matching names only.
func (s *Store) Select(f Filter) ([]Image, error) {
	var earliest, latest time.Time
	for _, ref := range f.before {
		image, err := s.Get(ref)
		if err != nil {
			return nil, err
		}
		if latest.IsZero() || image.Created.Before(latest) {
			latest = image.Created
		}
	}
	for _, ref := range f.since {
		image, err := s.Get(ref)
		if err != nil {
			return nil, err
		}
		if image.Created.After(earliest) {
			earliest = image.Created
		}
	}
	list, err := s.List()
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(image Image) bool {
		return !f.admits(&image) ||
			len(f.before) > 0 && !image.Created.Before(latest) ||
			len(f.since) > 0 && !image.Created.After(earliest)
	})
	for i := range list {
		list[i].Names = f.matchingNames(list[i].Names)
	}
	return list, nil
}

// matchingNames leaves out the names that were not asked for. What it gets is shared and stays as it is.
func (f *Filter) matchingNames(names []string) []string {
	if len(f.references) == 0 {
		return names
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !f.matchesName(name) })
}

// admits asks all but before and since.
func (f *Filter) admits(image *Image) bool {
	if f.dangling != nil && *f.dangling != (len(image.Names) == 0) {
		return false
	}
	if !f.until.IsZero() && !image.Created.Before(f.until) {
		return false
	}
	for _, label := range f.labels {
		value, has := image.Config.Labels[label.name]
		if (has && (label.any || value == label.value)) == label.not {
			return false
		}
	}
	return len(f.references) == 0 || slices.ContainsFunc(image.Names, f.matchesName)
}

// matchesName reports whether a pattern matches one of the forms in which a user may write a name.
func (f *Filter) matchesName(name string) bool {
	forms := spellings(name)
	return slices.ContainsFunc(f.references, func(pattern string) bool {
		return slices.ContainsFunc(forms, func(form string) bool {
			matches, _ := path.Match(pattern, form) // the pattern was checked
			return matches
		})
	})
}

// spellings are the forms of a full name: whole, without its tag, without its registry (and docker.io's "library/"), and
// without both.
func spellings(name string) []string {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return []string{name}
	}
	forms := []string{named.String(), named.Name(), reference.Path(named), reference.FamiliarName(named), reference.FamiliarString(named)}
	suffix := strings.TrimPrefix(named.String(), named.Name())
	return append(forms, reference.Path(named)+suffix)
}
