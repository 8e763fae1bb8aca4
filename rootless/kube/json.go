package kube

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// readJSON reads all objects of a stream. JSON has a reader of its own because YAML takes neither tabs between tokens nor
// surrogate pairs.
func readJSON(data []byte, b *bounds) ([]*value, error) {
	r := &jsonReader{data: data, decoder: json.NewDecoder(bytes.NewReader(data)), line: 1, bounds: b}
	r.decoder.UseNumber()
	var documents []*value
	for {
		v, err := r.read(0)
		switch {
		case errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			return documents, nil
		case err != nil:
			return documents, err
		}
		if documents = append(documents, v); len(documents) > maxDocuments {
			return documents, &Error{Line: v.line, Message: fmt.Sprintf("more than %d documents", maxDocuments), cause: errTooMuch}
		}
	}
}

type jsonReader struct {
	data    []byte
	decoder *json.Decoder
	offset  int // up to which lines are counted
	line    int
	bounds  *bounds
}

// token returns the next token and the line on which it ends; tokens do not span lines.
func (r *jsonReader) token() (json.Token, int, error) {
	token, err := r.decoder.Token()
	if err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			r.count(int(syntax.Offset))
		}
		return nil, r.line, err
	}
	r.count(int(r.decoder.InputOffset()))
	return token, r.line, nil
}

func (r *jsonReader) count(offset int) {
	offset = min(offset, len(r.data))
	if offset > r.offset {
		r.line += bytes.Count(r.data[r.offset:offset], []byte("\n"))
		r.offset = offset
	}
}

// read returns the next value; at the end of the stream io.EOF.
func (r *jsonReader) read(depth int) (*value, error) {
	token, line, err := r.token()
	switch {
	case errors.Is(err, io.EOF) && depth == 0:
		return nil, io.EOF
	case err != nil:
		return nil, r.failed(err)
	}
	v := &value{line: line}
	switch token := token.(type) {
	case json.Delim:
		if err := r.bounds.take(line, depth, 0); err != nil {
			return nil, err
		}
		return v, r.readInside(v, token, depth)
	case string:
		v.kind, v.text = isString, token
	case json.Number:
		v.kind, v.text = isNumber, token.String()
	case bool:
		v.kind, v.text = isBoolean, fmt.Sprint(token)
	case nil:
		v.kind = isNull
	}
	v.written = v.text
	return v, r.bounds.take(line, depth, len(v.text))
}

// readInside reads what is between an opening bracket and its closing one.
func (r *jsonReader) readInside(v *value, open json.Delim, depth int) error {
	v.kind = isList
	if open == '{' {
		v.kind = isObject
	}
	for r.decoder.More() {
		var m member
		if v.kind == isObject {
			key, line, err := r.token()
			if err != nil {
				return r.failed(err)
			}
			m.key, _ = key.(string) // the decoder lets nothing else pass
			m.line = line
		}
		var err error
		if m.value, err = r.read(depth + 1); err != nil {
			return err
		}
		if v.kind == isObject {
			v.members = append(v.members, m)
		} else {
			v.items = append(v.items, m.value)
		}
	}
	if _, _, err := r.token(); err != nil { // the closing bracket
		return r.failed(err)
	}
	return nil
}

func (r *jsonReader) failed(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	var syntax *json.SyntaxError
	message := err.Error()
	if errors.As(err, &syntax) {
		message = syntax.Error()
	}
	return &Error{Line: r.line, Message: message, cause: err}
}
