package kube

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// readYAML reads all documents of a stream. Empty ones are left out.
func readYAML(data []byte, b *bounds) ([]*value, error) {
	var documents []*value
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var node yaml.Node
		switch err := decoder.Decode(&node); {
		case errors.Is(err, io.EOF):
			return documents, nil
		case err != nil:
			return documents, yamlError(err)
		}
		v, err := (&reader{bounds: b}).read(&node, 0)
		if err != nil {
			return documents, err
		}
		if v.kind == isNull {
			continue
		}
		if documents = append(documents, v); len(documents) > maxDocuments {
			return documents, &Error{Line: v.line, Message: fmt.Sprintf("more than %d documents", maxDocuments), cause: errTooMuch}
		}
	}
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// yamlError takes the line out of the library's message. Where its parser, not its scanner, is at a loss, the library counts from 0;
// those are the messages about what it did not find. The line may be that at which the broken block begins.
func yamlError(err error) error {
	message := err.Error()
	line := 0
	if found := yamlLine.FindStringSubmatch(message); found != nil {
		line, _ = strconv.Atoi(found[1])
		message = message[len(found[0]):]
	}
	if strings.HasPrefix(message, "did not find expected") {
		line++
	}
	return &Error{Line: line, Message: message, cause: err}
}

// reader turns the nodes of one document into values.
type reader struct {
	bounds *bounds
	inside []*yaml.Node // aliases being expanded, to find one that contains itself
}

func (r *reader) read(n *yaml.Node, depth int) (*value, error) {
	if err := r.bounds.take(n.Line, depth, len(n.Value)); err != nil {
		return nil, err
	}
	v := &value{line: n.Line}
	switch n.Kind {
	case yaml.DocumentNode:
		return r.read(n.Content[0], depth)
	case yaml.AliasNode:
		return r.alias(n, depth)
	case yaml.MappingNode:
		v.kind = isObject
		return v, r.readObject(v, n, depth)
	case yaml.SequenceNode:
		v.kind = isList
		for _, item := range n.Content {
			read, err := r.read(item, depth+1)
			if err != nil {
				return nil, err
			}
			v.items = append(v.items, read)
		}
		return v, nil
	case yaml.ScalarNode:
		return v, v.scalar(n)
	}
	v.kind = isNull // an empty document
	return v, nil
}

func (r *reader) alias(n *yaml.Node, depth int) (*value, error) {
	for _, outer := range r.inside {
		if outer == n.Alias {
			return nil, &Error{Line: n.Line, Message: fmt.Sprintf("anchor %q contains itself", n.Value)}
		}
	}
	r.inside = append(r.inside, n.Alias)
	defer func() { r.inside = r.inside[:len(r.inside)-1] }()
	return r.read(n.Alias, depth+1)
}

func (r *reader) readObject(v *value, n *yaml.Node, depth int) error {
	var merged []member
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, content := n.Content[i], n.Content[i+1]
		read, err := r.read(content, depth+1)
		if err != nil {
			return err
		}
		if isMerge(key) {
			members, err := mergeMembers(read)
			if err != nil {
				return err
			}
			merged = append(merged, members...)
			continue
		}
		name, err := r.key(key, depth)
		if err != nil {
			return err
		}
		v.members = append(v.members, member{name, key.Line, read})
	}
	r.merge(v, merged)
	return nil
}

// key is the name of a member. Like sigs.k8s.io/yaml, it takes any scalar but null and turns it into a string.
func (r *reader) key(n *yaml.Node, depth int) (string, error) {
	read, err := r.read(n, depth+1)
	switch {
	case err != nil:
		return "", err
	case read.kind == isString, read.kind == isNumber, read.kind == isBoolean:
		return read.text, nil
	}
	return "", &Error{Line: n.Line, Message: fmt.Sprintf("a key must be a string, not %s", article(read.kind))}
}

func isMerge(key *yaml.Node) bool {
	return key.Kind == yaml.ScalarNode && key.Value == "<<" && key.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) == 0
}

// mergeMembers are the members that "<<: v" adds: those of an object, or of a list of objects, of which the first wins.
func mergeMembers(v *value) ([]member, error) {
	if v.kind == isObject {
		return v.members, nil
	}
	if v.kind != isList {
		return nil, &Error{Line: v.line, Message: "a merge key (<<) needs an object or a list of objects"}
	}
	var members []member
	for _, item := range v.items {
		if item.kind != isObject {
			return nil, &Error{Line: item.line, Message: "a merge key (<<) needs an object or a list of objects"}
		}
		members = append(members, item.members...)
	}
	return members, nil
}

// merge adds the members whose key v does not have.
func (r *reader) merge(v *value, merged []member) {
	if len(merged) == 0 {
		return
	}
	has := map[string]bool{}
	for _, m := range v.members {
		has[m.key] = true
	}
	for _, m := range merged {
		if !has[m.key] {
			has[m.key] = true
			v.members = append(v.members, m)
		}
	}
}

// yaml11Boolean are the plain words that YAML 1.1, and so kubectl, takes for booleans and YAML 1.2 for strings.
var yaml11Boolean = map[string]string{
	"y": "true", "Y": "true", "yes": "true", "Yes": "true", "YES": "true", "on": "true", "On": "true", "ON": "true",
	"n": "false", "N": "false", "no": "false", "No": "false", "NO": "false", "off": "false", "Off": "false", "OFF": "false",
}

func (v *value) scalar(n *yaml.Node) error {
	v.written = n.Value
	const quoted = yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	tag := n.ShortTag()
	if word, ok := yaml11Boolean[n.Value]; ok && tag == "!!str" && n.Style&(quoted|yaml.TaggedStyle) == 0 {
		v.kind, v.text = isBoolean, word
		return nil
	}
	switch tag {
	case "!!null":
		v.kind = isNull
	case "!!str", "!!timestamp", "!!merge":
		v.kind, v.text = isString, n.Value
	case "!!binary":
		var text string
		if err := n.Decode(&text); err != nil {
			return &Error{Line: n.Line, Message: "this is not base64"}
		}
		v.kind, v.text = isString, text
	case "!!bool":
		var b bool
		if err := n.Decode(&b); err != nil {
			return &Error{Line: n.Line, Message: fmt.Sprintf("%q is not a boolean", n.Value)}
		}
		v.kind, v.text = isBoolean, strconv.FormatBool(b)
	case "!!int", "!!float":
		return v.number(n)
	default:
		return &Error{Line: n.Line, Message: fmt.Sprintf("tag %s means nothing here", n.Tag)}
	}
	return nil
}

func (v *value) number(n *yaml.Node) error {
	var signed int64
	var unsigned uint64
	var float float64
	v.kind = isNumber
	switch {
	case n.ShortTag() == "!!int" && n.Decode(&signed) == nil:
		v.text = strconv.FormatInt(signed, 10)
	case n.ShortTag() == "!!int" && n.Decode(&unsigned) == nil:
		v.text = strconv.FormatUint(unsigned, 10)
	case n.Decode(&float) != nil || math.IsInf(float, 0) || math.IsNaN(float):
		return &Error{Line: n.Line, Message: fmt.Sprintf("%s is not a number that JSON knows", n.Value)}
	default:
		text, err := json.Marshal(float)
		if err != nil {
			return &Error{Line: n.Line, Message: err.Error()}
		}
		v.text = string(text)
	}
	return nil
}

// looksLikeJSON says whether the first thing in data is an object in braces.
func looksLikeJSON(data []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{"))
}

// article gives a kind its article, for sentences.
func article(k kind) string {
	if strings.ContainsRune("aeiou", rune(k[0])) {
		return "an " + string(k)
	}
	return "a " + string(k)
}
