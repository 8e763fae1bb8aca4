package api

import (
	"fmt"
	"mime"
	"net/http"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apinet "k8s.io/apimachinery/pkg/util/net"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/peapod/peapod/rootless/kube"
)

var podType = metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"}

func (s *server) listOrWatchPods(w http.ResponseWriter, r *http.Request) error {
	q := query{values: r.URL.Query()}
	watching := q.flag("watch")
	if q.err != nil {
		return q.err
	}
	selected, err := parseSelection(q.values, podFields(&corev1.Pod{}))
	if err != nil {
		return err
	}
	if watching {
		return s.watchPods(w, r, selected)
	}
	want, err := negotiate(r)
	if err != nil {
		return err
	}
	list, err := s.backend.ListPods(r.PathValue("namespace"))
	if err != nil {
		return err
	}
	kept := make([]corev1.Pod, 0, len(list.Items))
	for i := range list.Items {
		if selected.matchesPod(&list.Items[i]) {
			kept = append(kept, list.Items[i])
		}
	}
	list.Items = kept
	if want == asTable {
		return s.sendTable(w, r, podTable(kept, s.now()), list.ListMeta)
	}
	list.TypeMeta = metav1.TypeMeta{Kind: "PodList", APIVersion: "v1"}
	return s.sendJSON(w, r, http.StatusOK, list)
}

func (s *server) getPod(w http.ResponseWriter, r *http.Request) error {
	want, err := negotiate(r)
	if err != nil {
		return err
	}
	pod, err := s.backend.GetPod(r.PathValue("namespace"), r.PathValue("name"))
	if err != nil {
		return err
	}
	if want == asTable {
		return s.sendTable(w, r, podTable([]corev1.Pod{*pod}, s.now()), metav1.ListMeta{ResourceVersion: pod.ResourceVersion})
	}
	return s.sendPod(w, r, http.StatusOK, pod)
}

func (s *server) sendPod(w http.ResponseWriter, r *http.Request, code int, pod *corev1.Pod) error {
	pod.TypeMeta = podType
	return s.sendJSON(w, r, code, pod)
}

// createPod is POST: the Pod must be new.
func (s *server) createPod(w http.ResponseWriter, r *http.Request) error {
	q := query{values: r.URL.Query()}
	options := ApplyOptions{FieldManager: q.text("fieldManager"), DryRun: len(q.dryRun()) > 0}
	if q.err != nil {
		return q.err
	}
	if err := requireContent(r, jsonType); err != nil {
		return err
	}
	body, err := readBody(r)
	if err != nil {
		return err
	}
	pod, err := decodePod(body, r.PathValue("namespace"), "")
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err = s.backend.GetPod(pod.Namespace, pod.Name)
	if err == nil {
		return apierrors.NewAlreadyExists(corev1.Resource("pods"), pod.Name)
	}
	if !apierrors.IsNotFound(err) {
		return err
	}
	return s.apply(w, r, pod, options)
}

// applyPod is PATCH in its server-side apply form: the body is the whole wanted object, as YAML or JSON.
func (s *server) applyPod(w http.ResponseWriter, r *http.Request) error {
	if err := requireContent(r, "application/apply-patch+yaml"); err != nil {
		return err
	}
	options, err := applyOptions(r.URL.Query())
	if err != nil {
		return err
	}
	body, err := readBody(r)
	if err != nil {
		return err
	}
	if body, err = yaml.YAMLToJSONStrict(body); err != nil {
		return apierrors.NewBadRequest("decode apply body: " + err.Error())
	}
	pod, err := decodePod(body, r.PathValue("namespace"), r.PathValue("name"))
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.apply(w, r, pod, options)
}

// Preconditions: s.mu is held.
func (s *server) apply(w http.ResponseWriter, r *http.Request, pod *corev1.Pod, options ApplyOptions) error {
	result, err := s.backend.ApplyPod(r.Context(), pod, options)
	if err != nil {
		return err
	}
	for _, text := range result.Warnings {
		// 299 is "miscellaneous persistent warning" (RFC 7234, section 5.5.7); a text that no header can carry is left out.
		if value, err := apinet.NewWarningHeader(299, "-", text); err == nil {
			w.Header().Add("Warning", value)
		} else {
			s.log.Warn("warning header", "text", text, "err", err)
		}
	}
	code := http.StatusOK
	if result.Outcome == Created {
		code = http.StatusCreated
	}
	return s.sendPod(w, r, code, result.Pod)
}

func (s *server) deletePod(w http.ResponseWriter, r *http.Request) error {
	options, err := deleteOptions(r)
	if err != nil {
		return err
	}
	pod, err := s.backend.DeletePod(r.Context(), r.PathValue("namespace"), r.PathValue("name"), *options)
	if err != nil {
		return err
	}
	return s.sendPod(w, r, http.StatusOK, pod)
}

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

// decodePod reads a manifest for the namespace and name of the request's path (name "" for any) and puts it in that namespace.
func decodePod(body []byte, namespace, name string) (*corev1.Pod, error) {
	var given metav1.PartialObjectMetadata
	if err := kjson.UnmarshalCaseSensitivePreserveInts(body, &given); err != nil {
		return nil, apierrors.NewBadRequest("decode Pod: " + err.Error())
	}
	pod, err := kube.DecodePod(body)
	if err != nil {
		return nil, asClientError(err)
	}
	if name != "" && pod.Name != name {
		return nil, apierrors.NewBadRequest(fmt.Sprintf(
			"the name of the object (%s) does not match the name on the URL (%s)", pod.Name, name))
	}
	switch {
	case namespace == "" && given.Namespace == "":
		pod.Namespace = metav1.NamespaceDefault
	case namespace == "":
	case given.Namespace != "" && given.Namespace != namespace:
		return nil, apierrors.NewBadRequest(fmt.Sprintf(
			"the namespace of the provided object does not match the namespace sent on the request: %s, %s", given.Namespace, namespace))
	default:
		pod.Namespace = namespace
	}
	return pod, nil
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
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusUnsupportedMediaType, Reason: metav1.StatusReasonUnsupportedMediaType,
		Message: fmt.Sprintf("the body of the request was in an unknown format (%s) - accepted media types include: %s", header, want),
	}}
}
