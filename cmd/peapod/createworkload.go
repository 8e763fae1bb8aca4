package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/peapod/peapod/rootless/kube"
)

func newCreateDeployment(a *app, o *createOptions) *cobra.Command {
	var image string
	var replicas, port int32
	cmd := &cobra.Command{
		Use: "deployment NAME --image=IMAGE [-- COMMAND [ARG…]]", Aliases: []string{"deploy"}, Short: "Create a Deployment",
		Example: "  peapod create deployment web --image=nginx --replicas=2",
		Args:    oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			if image == "" {
				return usagef(cmd, `required flag(s) "image" not set`)
			}
			labels := map[string]string{"app": args[0]}
			d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Labels: labels}}
			d.Spec.Replicas, d.Spec.Selector = &replicas, &metav1.LabelSelector{MatchLabels: labels}
			d.Spec.Template.Labels = labels
			container := corev1.Container{Name: containerName(image), Image: image, Command: args[1:]}
			if port > 0 {
				container.Ports = []corev1.ContainerPort{{ContainerPort: port}}
			}
			d.Spec.Template.Spec.Containers = []corev1.Container{container}
			return a.createNamed(cmd.Context(), d, args[0], o)
		},
	}
	cmd.Flags().StringVar(&image, "image", "", "the image of its container")
	cmd.Flags().Int32VarP(&replicas, "replicas", "r", 1, "how many Pods")
	cmd.Flags().Int32Var(&port, "port", 0, "the port that the container serves")
	return cmd
}

// containerName is what an image is called, without registry, tag and digest.
func containerName(image string) string {
	name := image[strings.LastIndex(image, "/")+1:]
	name, _, _ = strings.Cut(name, "@")
	name, _, _ = strings.Cut(name, ":")
	return strings.NewReplacer("_", "-", ".", "-").Replace(strings.ToLower(name))
}

func newCreateJob(a *app, o *createOptions) *cobra.Command {
	var image, from string
	cmd := &cobra.Command{
		Use: "job NAME (--image=IMAGE [-- COMMAND [ARG…]] | --from=cronjob/NAME)", Short: "Create a Job",
		Example: `  peapod create job sum --image=busybox -- expr 1 + 1

  # What a CronJob does, now
  peapod create job now --from=cronjob/nightly`,
		Args: oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case (image == "") == (from == ""):
				return errors.New("either --image or --from must be specified")
			case from != "" && len(args) > 1:
				return errors.New("cannot specify --from and command")
			case from != "":
				job, err := a.jobFrom(cmd, from)
				if err != nil {
					return err
				}
				return a.createNamed(cmd.Context(), job, args[0], o)
			}
			job := &batchv1.Job{}
			job.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyNever
			job.Spec.Template.Spec.Containers = []corev1.Container{{Name: args[0], Image: image, Command: args[1:]}}
			return a.createNamed(cmd.Context(), job, args[0], o)
		},
	}
	cmd.Flags().StringVar(&image, "image", "", "the image of its container")
	cmd.Flags().StringVar(&from, "from", "", "the CronJob whose Job it is: cronjob/NAME")
	return cmd
}

// jobFrom is the Job that a CronJob would make; it is the owner.
func (a *app) jobFrom(cmd *cobra.Command, from string) (*batchv1.Job, error) {
	word, name, _ := strings.Cut(from, "/")
	k, err := findKind(word)
	if err != nil {
		return nil, err
	}
	if k.resource != kube.CronJobs.Resource || name == "" {
		return nil, fmt.Errorf("from must be an existing cronjob")
	}
	c, err := a.connect()
	if err != nil {
		return nil, err
	}
	var cron batchv1.CronJob
	if err := c.Get(cmd.Context(), objectRef{k, a.namespace, name}.request(), &cron); err != nil {
		return nil, err
	}
	annotations := map[string]string{"cronjob.kubernetes.io/instantiate": "manual"}
	for key, value := range cron.Spec.JobTemplate.Annotations {
		annotations[key] = value
	}
	yes := true
	owner := metav1.OwnerReference{APIVersion: "batch/v1", Kind: kube.CronJobs.Name, Name: cron.Name, UID: cron.UID, Controller: &yes}
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Labels: cron.Spec.JobTemplate.Labels, Annotations: annotations, OwnerReferences: []metav1.OwnerReference{owner}},
		Spec:       cron.Spec.JobTemplate.Spec,
	}, nil
}
