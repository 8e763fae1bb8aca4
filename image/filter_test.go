package image

import (
	"slices"
	"strings"
	"testing"
	"time"

	imgspecv1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestFilter(t *testing.T) {
	now := time.Date(2026, 1, 10, 0, 0, 0, 0, time.UTC)
	named := &Image{
		Names: []string{"docker.io/library/nginx:1.21", "registry.example:5000/team/web:2"}, Created: now.Add(-48 * time.Hour),
		Config: imgspecv1.ImageConfig{Labels: map[string]string{"stage": "test", "empty": ""}},
	}
	dangling := &Image{Created: now.Add(-time.Hour)}
	for _, test := range []struct {
		words           string
		named, dangling bool
	}{
		{"", true, true},
		{"dangling=true", false, true}, {"dangling=false", true, false}, {"dangling=1", false, true},
		{"reference=nginx", true, false}, {"reference=nginx:1.21", true, false}, {"reference=nginx:1.22", false, false},
		{"reference=docker.io/library/nginx", true, false}, {"reference=library/nginx", true, false}, {"reference=ngi*", true, false},
		{"reference=team/web", true, false}, {"reference=web", false, false}, {"reference=*/web", true, false},
		{"reference=registry.example:5000/*/*:2", true, false}, {"reference=nothing reference=nginx", true, false},
		{"label=stage", true, false}, {"label=stage=test", true, false}, {"label=stage=prod", false, false}, {"label=empty=", true, false},
		{"label!=stage", false, true}, {"label!=stage=prod", true, true}, {"label=stage label=none", false, false},
		{"until=24h", true, false}, {"until=30m", true, true}, {"until=2026-01-09", true, false}, {"until=1736000000", false, false},
		{"until=2026-01-09T12:00:00Z", true, false}, {"until=2026-01-09T12:00:00 label=stage", true, false},
	} {
		f, err := ParseFilter(strings.Fields(test.words), ListFilters, now)
		if err != nil {
			t.Errorf("%s: %v", test.words, err)
			continue
		}
		if got := f.admits(named); got != test.named {
			t.Errorf("%s admits the named image: %v", test.words, got)
		}
		if got := f.admits(dangling); got != test.dangling {
			t.Errorf("%s admits the dangling image: %v", test.words, got)
		}
	}
	for word, want := range map[string]string{
		"dangling": "want a value", "dangling=perhaps": "true or false", "size=3": "want one of", "reference=[": "syntax error",
		"until=yesterday": "duration", "label=": "want a value", "=": "want one of",
	} {
		if _, err := ParseFilter([]string{word}, ListFilters, now); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v, want %q", word, err, want)
		}
	}
	if _, err := ParseFilter([]string{"reference=a"}, PruneFilters, now); err == nil {
		t.Error("prune takes a reference")
	}
}

func TestSelect(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	loadTwo(t, s)
	newer := build(t, testImage{layers: otherImage().layers, config: imgspecv1.ImageConfig{Labels: map[string]string{"new": "yes"}}})
	created := time.Date(2026, 2, 2, 0, 0, 0, 0, time.UTC)
	newer.config.Created = &created
	newer.setConfig(t)
	if _, err := s.Load(t.Context(), strings.NewReader(string(ociFiles(t, "newer", newer).tar(t))), LoadOptions{}); err != nil {
		t.Fatal(err)
	}
	for words, want := range map[string]string{
		"":             "localhost/app:1 localhost/newer:latest localhost/other:latest",
		"before=newer": "localhost/app:1 localhost/other:latest", "since=app:1": "localhost/newer:latest", "since=newer": "", "before=app:1": "",
		"label=new": "localhost/newer:latest", "reference=app": "localhost/app:1", "reference=app:2": "localhost/app:2",
	} {
		f, err := ParseFilter(strings.Fields(words), ListFilters, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		list, err := s.Select(f)
		var names []string
		for i := range list {
			names = append(names, slices.Min(list[i].Names))
		}
		slices.Sort(names)
		if got := strings.Join(names, " "); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", words, got, err, want)
		}
	}
	f, err := ParseFilter([]string{"since=none"}, ListFilters, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Select(f); err == nil {
		t.Error("since an image that is not there")
	}
}

func FuzzParseFilter(f *testing.F) {
	for _, word := range []string{"dangling=true", "reference=a[b-", "until=9999999999999999", "label!=a=b", "until=-5h"} {
		f.Add(word)
	}
	image := &Image{Names: []string{"docker.io/library/nginx:1.21"}}
	f.Fuzz(func(t *testing.T, word string) {
		filter, err := ParseFilter([]string{word}, ListFilters, time.Unix(0, 0))
		if err == nil {
			filter.admits(image)
		} else if !strings.Contains(err.Error(), "filter ") {
			t.Errorf("%v", err)
		}
	})
}
