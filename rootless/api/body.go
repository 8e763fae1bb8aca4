package api

import (
	"fmt"
	"mime"
	"net/http"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	options := &metav1.DeleteOptions{}
	if len(body) > 0 {
		if err := kjson.UnmarshalCaseSensitivePreserveInts(body, options); err != nil {
			return nil, apierrors.NewBadRequest("decode DeleteOptions: " + err.Error())
		}
	} else {
		q := query{values: r.URL.Query()}
		options.GracePeriodSeconds = q.number("gracePeriodSeconds", 0)
		options.DryRun = q.dryRun()
		if q.err != nil {
			return nil, q.err
		}
	}
	if seconds := options.GracePeriodSeconds; seconds != nil && *seconds < 0 {
		return nil, apierrors.NewBadRequest("gracePeriodSeconds: " + strconv.FormatInt(*seconds, 10) + " is negative")
	}
	return options, nil
}

// decodeObject reads a manifest for the namespace and name of the request's path (name "" for any) and puts it in that namespace.
func decodeObject(kind *kube.Kind, body []byte, namespace, name string) (kube.Object, error) {
	o, err := kind.Decode(body)
	if err != nil {
		return nil, asClientError(err)
	}
	if name != "" && o.GetName() != name {
		return nil, apierrors.NewBadRequest(fmt.Sprintf(
			"the name of the object (%s) does not match the name on the URL (%s)", o.GetName(), name))
	}
	switch given := o.GetNamespace(); {
	case namespace == "" && given == "":
		o.SetNamespace(metav1.NamespaceDefault)
	case namespace == "":
	case given != "" && given != namespace:
		return nil, apierrors.NewBadRequest(fmt.Sprintf(
			"the namespace of the provided object does not match the namespace sent on the request: %s, %s", given, namespace))
	default:
		o.SetNamespace(namespace)
	}
	return o, nil
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

// requireContent refuses a body of another media type. A body without a type passes as what is wanted.
func requireContent(r *http.Request, want string) error {
	header := r.Header.Get("Content-Type")
	if header == "" {
		return nil
	}
	media, _, err := mime.ParseMediaType(header)
	if err == nil && media == want {
		return nil
	}
	return unsupportedMedia(r, want)
}

// unsupportedMedia refuses a body's media type and names those that are taken.
func unsupportedMedia(r *http.Request, accepted string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusUnsupportedMediaType, Reason: metav1.StatusReasonUnsupportedMediaType,
		Message: fmt.Sprintf("the body of the request was in an unknown format (%s) - accepted media types include: %s", r.Header.Get("Content-Type"), accepted),
	}}
}
