package kube

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestPatchTree has a case for each sentence of RFC 6902, section 4, and what its errors are.
func TestPatchTree(t *testing.T) {
	for _, test := range []struct{ name, before, patch, want string }{
		{"add a member", `{"a": 1}`, `[{"op": "add", "path": "/b", "value": [2]}]`, `{"a":1,"b":[2]}`},
		{"add over a member", `{"a": 1}`, `[{"op": "add", "path": "/a", "value": null}]`, `{"a":null}`},
		{"insert", `{"a": [1, 3]}`, `[{"op": "add", "path": "/a/1", "value": 2}]`, `{"a":[1,2,3]}`},
		{"append", `{"a": [1]}`, `[{"op": "add", "path": "/a/-", "value": 2}, {"op": "add", "path": "/a/2", "value": 3}]`, `{"a":[1,2,3]}`},
		{"insert too far", `{"a": [1]}`, `[{"op": "add", "path": "/a/2", "value": 2}]`, `error: there is no "2"`},
		{"a leading zero", `{"a": [1, 2]}`, `[{"op": "remove", "path": "/a/01"}]`, `error: there is no "01"`},
		{"add below nothing", `{}`, `[{"op": "add", "path": "/a/b", "value": 1}]`, `error: there is no "a"`},
		{"add below a number", `{"a": 1}`, `[{"op": "add", "path": "/a/b", "value": 1}]`, `error: there is no "b"`},
		{"the whole", `{"a": 1}`, `[{"op": "replace", "path": "", "value": {"b": 2}}]`, `{"b":2}`},
		{"remove", `{"a": [1, 2], "b": 1}`, `[{"op": "remove", "path": "/a/0"}, {"op": "remove", "path": "/b"}]`, `{"a":[2]}`},
		{"remove nothing", `{}`, `[{"op": "remove", "path": "/a"}]`, `error: there is no "a"`},
		{"remove behind the end", `{"a": []}`, `[{"op": "remove", "path": "/a/-"}]`, `error: there is no "-"`},
		{"remove the whole", `{}`, `[{"op": "remove", "path": ""}]`, `error: the whole document`},
		{"replace", `{"a": [1]}`, `[{"op": "replace", "path": "/a/0", "value": "x"}]`, `{"a":["x"]}`},
		{"replace nothing", `{}`, `[{"op": "replace", "path": "/a", "value": 1}]`, `error: there is no "a"`},
		{"move", `{"a": {"b": 1}}`, `[{"op": "move", "from": "/a/b", "path": "/c"}]`, `{"a":{},"c":1}`},
		{"move within a list", `{"a": [1, 2, 3]}`, `[{"op": "move", "from": "/a/0", "path": "/a/2"}]`, `{"a":[2,3,1]}`},
		{"move into itself", `{"a": {}}`, `[{"op": "move", "from": "/a", "path": "/a/b"}]`, `error: from "/a" into itself`},
		{"a copy is its own", `{"a": {"b": 1}}`, `[{"op": "copy", "from": "/a", "path": "/c"}, {"op": "replace", "path": "/c/b", "value": 2}]`, `{"a":{"b":1},"c":{"b":2}}`},
		{"escapes", `{"x/y": 1, "m~n": 2, "~1": 3}`, `[{"op": "remove", "path": "/x~1y"}, {"op": "remove", "path": "/m~0n"}, {"op": "test", "path": "/~01", "value": 3}]`, `{"~1":3}`},
		{"test", `{"a": {"b": [1.0, "x", null]}}`, `[{"op": "test", "path": "/a", "value": {"b": [1, "x", null]}}]`, `{"a":{"b":[1.0,"x",null]}}`},
		{"test another", `{"a": "1"}`, `[{"op": "test", "path": "/a", "value": 1}]`, `error: /a has another value`},
		{"unknown", `{}`, `[{"op": "delete", "path": "/a"}]`, `error: none of add`},
		{"no path", `{}`, `[{"op": "remove"}]`, `error: there is no path`},
		{"no value", `{}`, `[{"op": "add", "path": "/a"}]`, `error: there is no value`},
		{"no slash", `{"a": 1}`, `[{"op": "remove", "path": "a"}]`, `error: path "a" does not begin with a slash`},
		{"no list", `{}`, `{}`, `error: decode the patch`},
	} {
		before, err := readTree([]byte(test.before))
		if err != nil {
			t.Fatal(err)
		}
		after, err := patchTree(before, []byte(test.patch))
		got, _ := json.Marshal(after)
		if err != nil {
			got = []byte("error: " + err.Error())
		}
		want, isError := strings.CutPrefix(test.want, "error: ")
		if isError != (err != nil) || !isError && string(got) != want || isError && !strings.Contains(string(got), want) {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

// TestPatchTreeBounds: copies of copies would double the document 60 times.
func TestPatchTreeBounds(t *testing.T) {
	double := `{"op": "copy", "from": "", "path": "/-"},`
	patch := "[" + strings.TrimSuffix(strings.Repeat(double, 60), ",") + "]"
	if _, err := patchTree([]any{"x"}, []byte(patch)); err == nil || !strings.Contains(err.Error(), "too much") {
		t.Errorf("got %v", err)
	}
	many := "[" + strings.TrimSuffix(strings.Repeat(`{},`, maxOperations+1), ",") + "]"
	if _, err := patchTree(nil, []byte(many)); err == nil || !strings.Contains(err.Error(), "maximum operations") {
		t.Errorf("got %v", err)
	}
}
