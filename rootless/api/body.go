package api

import (
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/peapod/peapod/rootless/kube"
)

// deleteOptions reads the body, or the query where there is none.
func deleteOptions(r *http.Request) (*metav1.DeleteOptions, error) {
	body, err := readBody(r)
	if err != nil {
		return nil, err
	}
	form, err := bodyType(r, jsonType, protobufType)
	if err != nil {
		return nil, err
	}
	options := &metav1.DeleteOptions{}
	switch {
	case len(body) == 0:
		if options, err = deleteQuery(r.URL.Query()); err != nil {
			return nil, err
		}
	case form == protobufType:
		err = kube.DecodeProtobuf(body, options)
	default:
		err = kjson.UnmarshalCaseSensitivePreserveInts(body, options)
	}
	if err != nil {
		return nil, apierrors.NewBadRequest("decode DeleteOptions: " + err.Error())
	}
	if seconds := options.GracePeriodSeconds; seconds != nil && *seconds < 0 {
		return nil, apierrors.NewBadRequest("gracePeriodSeconds: " + strconv.FormatInt(*seconds, 10) + " is negative")
	}
	if errs := metav1validation.ValidateDeleteOptions(options); len(errs) > 0 {
		return nil, apierrors.NewInvalid(schema.GroupKind{Group: metav1.GroupName, Kind: "DeleteOptions"}, "", errs)
	}
	return options, nil
}

func deleteQuery(values url.Values) (*metav1.DeleteOptions, error) {
	q := query{values: values}
	options := &metav1.DeleteOptions{GracePeriodSeconds: q.number("gracePeriodSeconds", 0), DryRun: q.dryRun()}
	if policy := metav1.DeletionPropagation(q.text("propagationPolicy")); policy != "" {
		options.PropagationPolicy = &policy
	}
	if orphan := q.flag("orphanDependents"); values.Has("orphanDependents") {
		options.OrphanDependents = &orphan //nolint:staticcheck // older clients say it so
	}
	return options, q.err
}

// readObject reads the body of a POST or PUT, and puts the object where the request's path says.
func (s *objects) readObject(w http.ResponseWriter, r *http.Request) (kube.Object, error) {
	form, err := bodyType(r, jsonType, yamlType, protobufType)
	if err != nil {
		return nil, err
	}
	read := readBody
	if form == yamlType {
		read = readYAML
	}
	body, err := read(r)
	if err != nil {
		return nil, err
	}
	var o kube.Object
	if form == protobufType {
		o, err = s.kind().DecodeProtobuf(body)
	} else {
		o, err = s.decode(w, r, body)
	}
	if err != nil {
		return nil, asClientError(err)
	}
	return o, place(o, r.PathValue("namespace"), r.PathValue("name"))
}

// decode decodes an object. Fields that are unknown are warned of or passed over if the client asks for that (fieldValidation), else they are errors.
func (s *objects) decode(w http.ResponseWriter, r *http.Request, data []byte) (kube.Object, error) {
	validation := r.URL.Query().Get("fieldValidation")
	switch validation {
	case "", metav1.FieldValidationStrict:
		return s.kind().Decode(data)
	case metav1.FieldValidationWarn, metav1.FieldValidationIgnore:
	default:
		return nil, fmt.Errorf("query parameter fieldValidation: %q is not Strict, Warn or Ignore", validation)
	}
	o, unknown, err := s.kind().DecodeLeniently(data)
	if validation == metav1.FieldValidationWarn {
		s.warn(w, unknown)
	}
	return o, err
}

// place puts an object into the namespace of the request's path, and compares its name with that there (name "" for any).
func place(o kube.Object, namespace, name string) error {
	if name != "" && o.GetName() != name {
		return apierrors.NewBadRequest(fmt.Sprintf(
			"the name of the object (%s) does not match the name on the URL (%s)", o.GetName(), name))
	}
	switch given := o.GetNamespace(); {
	case kube.KindOf(o).Cluster:
		o.SetNamespace("")
	case namespace == "" && given == "":
		o.SetNamespace(metav1.NamespaceDefault)
	case namespace == "":
	case given != "" && given != namespace:
		return apierrors.NewBadRequest(fmt.Sprintf(
			"the namespace of the provided object does not match the namespace sent on the request: %s, %s", given, namespace))
	default:
		o.SetNamespace(namespace)
	}
	return nil
}

// readYAML reads a body that is YAML, as which JSON passes too, and returns it as JSON.
func readYAML(r *http.Request) ([]byte, error) {
	body, err := readBody(r)
	if err != nil {
		return nil, err
	}
	if body, err = yaml.YAMLToJSONStrict(body); err != nil {
		return nil, apierrors.NewBadRequest("decode apply body: " + err.Error())
	}
	return body, nil
}

// asClientError makes an error without a status of its own a BadRequest.
func asClientError(err error) error {
	if apierrors.ReasonForError(err) != metav1.StatusReasonUnknown {
		return err
	}
	return apierrors.NewBadRequest(err.Error())
}

// bodyType is the media type of a body, which must be one of those that are known. A body without one passes as the first.
func bodyType(r *http.Request, known ...string) (string, error) {
	header := r.Header.Get("Content-Type")
	if header == "" {
		return known[0], nil
	}
	media, _, err := mime.ParseMediaType(header)
	if err == nil && slices.Contains(known, media) {
		return media, nil
	}
	return "", unsupportedMedia(r, strings.Join(known, ", "))
}

// unsupportedMedia refuses a body's media type and names those that are taken.
func unsupportedMedia(r *http.Request, accepted string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusUnsupportedMediaType, Reason: metav1.StatusReasonUnsupportedMediaType,
		Message: fmt.Sprintf("the body of the request was in an unknown format (%s) - accepted media types include: %s", r.Header.Get("Content-Type"), accepted),
	}}
}
