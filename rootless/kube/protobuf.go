package kube

import (
	"bytes"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
)

// protobufPrefix is what Kubernetes' protobuf begins with; a runtime.Unknown follows, in which the object is.
var protobufPrefix = []byte("k8s\x00")

// protobufObject is what can be read from protobuf all types of the API.
type protobufObject interface{ Unmarshal(data []byte) error }

// DecodeProtobuf decodes an object from Kubernetes' protobuf, which some clients send instead of JSON. Fields that are unknown are passed over: they have no
// names.
func (k *Kind) DecodeProtobuf(data []byte) (Object, error) {
	o := k.New()
	version, name, err := decodeProtobuf(data, o.(protobufObject))
	if err != nil {
		return nil, fmt.Errorf("%[1]s in version %[2]q cannot be handled as a %[1]s: %[3]w", k.Name, k.Version, err)
	}
	return k.typed(o, version, name)
}

// DecodeProtobuf decodes what is no object, such as the options of a request.
func DecodeProtobuf(data []byte, into protobufObject) error {
	_, _, err := decodeProtobuf(data, into)
	return err
}

func decodeProtobuf(data []byte, into protobufObject) (version, name string, err error) {
	content, ok := bytes.CutPrefix(data, protobufPrefix)
	if !ok {
		return "", "", fmt.Errorf("provided data does not appear to be a protobuf message, expected prefix %v", protobufPrefix)
	}
	var envelope runtime.Unknown
	if err := envelope.Unmarshal(content); err != nil {
		return "", "", err
	}
	if envelope.ContentEncoding != "" {
		return "", "", fmt.Errorf("unknown content encoding %q", envelope.ContentEncoding)
	}
	return envelope.APIVersion, envelope.Kind, into.Unmarshal(envelope.Raw)
}
