package kube

import (
	"reflect"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Features are what the machine gives and not every machine has.
type Features struct {
	Cgroups bool // limits on CPU and memory can be set
	IDs     bool // there are more ids than the user's own
	// LowPort says why the user cannot listen on a port of the host, and what to do about it; nothing if he can. It may be nil.
	LowPort func(number int) string
}

// class says what becomes of a field that the user set.
type class int

const (
	honoured class = iota // done as Kubernetes does it; the fields inside have rows of their own
	whole                 // the same, and for everything inside
	noEffect              // accepted, stored, and named: it changes nothing here
	never                 // an error: it makes no sense for an ordinary user's machine
)

// rule is one row of the table.
type rule struct {
	class  class
	reason string                   // noEffect: ends "has no effect …"; never: why
	same   func(reflect.Value) bool // whether the value asks for what happens anyway, so that there is nothing to say; nil: never
	with   func(Features) bool      // whether the row is honoured as a whole on this machine; nil: no
}

const (
	oneNode    = "on a single node"
	noAccount  = "without service accounts"
	noMAC      = "for an ordinary user, who cannot choose a profile"
	ownUsers   = "because every Pod is in a user namespace of its own, with the ids that the user's other Pods have"
	nodesLabel = "because containers have the SELinux label of the node, if the machine has SELinux"
	noCgroups  = "because no cgroup is delegated to this user (a systemd user session does that)"
	noClaims   = "devices cannot be claimed without a control plane"
	noOwner    = "as there are no controllers but those of peapod"
	oneID      = "for a user without subordinate ids: all files are his"
	noCluster  = "there is no control plane that would issue it"
	noDisks    = "an ordinary user cannot mount it"
)

// table puts every field of a Pod into one class. Keys are paths without indexes.
var table = map[string]rule{
	"metadata":                            {class: honoured},
	"metadata.name":                       {class: whole},
	"metadata.generateName":               {class: whole}, // of use without a name only, as in a cluster
	"metadata.namespace":                  {class: whole},
	"metadata.selfLink":                   {class: whole}, // this and the next seven are the node's; what a manifest says is replaced
	"metadata.uid":                        {class: whole},
	"metadata.resourceVersion":            {class: whole},
	"metadata.generation":                 {class: whole},
	"metadata.creationTimestamp":          {class: whole},
	"metadata.deletionTimestamp":          {class: whole},
	"metadata.deletionGracePeriodSeconds": {class: whole},
	"metadata.managedFields":              {class: whole},
	"metadata.labels":                     {class: whole},
	"metadata.annotations":                {class: whole},
	"metadata.ownerReferences":            {class: whole},
	"metadata.finalizers":                 {class: noEffect, reason: noOwner},
	"status":                              {class: whole}, // the node's

	"spec":                               {class: honoured},
	"spec.initContainers":                {class: honoured}, // what is in them has the rows of spec.containers
	"spec.containers":                    {class: honoured},
	"spec.ephemeralContainers":           {class: honoured}, // the same
	"spec.restartPolicy":                 {class: whole},
	"spec.terminationGracePeriodSeconds": {class: whole},
	"spec.activeDeadlineSeconds":         {class: whole},
	"spec.dnsPolicy":                     {class: whole},
	"spec.nodeSelector":                  {class: noEffect, reason: oneNode},
	"spec.serviceAccountName":            {class: noEffect, reason: noAccount, same: is("default")},
	"spec.serviceAccount":                {class: noEffect, reason: noAccount, same: is("default")},
	"spec.automountServiceAccountToken":  {class: noEffect, reason: noAccount, same: is(false)},
	"spec.nodeName":                      {class: noEffect, reason: oneNode},
	"spec.hostNetwork":                   {class: whole},
	"spec.hostPID":                       {class: whole},
	"spec.hostIPC":                       {class: whole},
	"spec.shareProcessNamespace":         {class: whole},
	"spec.securityContext":               {class: honoured},
	"spec.imagePullSecrets":              {class: whole},
	"spec.hostname":                      {class: whole},
	"spec.subdomain":                     {class: whole},
	"spec.affinity":                      {class: noEffect, reason: oneNode},
	"spec.schedulerName":                 {class: noEffect, reason: oneNode, same: is(corev1.DefaultSchedulerName)},
	"spec.tolerations":                   {class: noEffect, reason: oneNode},
	"spec.hostAliases":                   {class: whole},
	"spec.priorityClassName":             {class: noEffect, reason: oneNode},
	"spec.priority":                      {class: noEffect, reason: oneNode, same: is(int32(0))},
	"spec.dnsConfig":                     {class: whole},
	"spec.readinessGates":                {class: noEffect, reason: noOwner},
	"spec.runtimeClassName":              {class: whole},
	"spec.enableServiceLinks":            {class: whole},
	"spec.preemptionPolicy":              {class: noEffect, reason: oneNode, same: is(corev1.PreemptLowerPriority)},
	"spec.overhead":                      {class: noEffect, reason: oneNode},
	"spec.topologySpreadConstraints":     {class: noEffect, reason: oneNode},
	"spec.setHostnameAsFQDN":             {class: whole},
	"spec.os":                            {class: honoured},
	"spec.os.name":                       {class: whole},
	"spec.hostUsers":                     {class: noEffect, reason: ownUsers, same: is(true)},
	"spec.schedulingGates":               {class: noEffect, reason: oneNode},
	"spec.resourceClaims":                {class: never, reason: noClaims},
	"spec.resources":                     {class: noEffect, reason: noCgroups, with: cgroups}, // but see validatePodResources
	"spec.hostnameOverride":              {class: whole},
	"spec.schedulingGroup":               {class: noEffect, reason: oneNode},
	"spec.evictionResponders":            {class: noEffect, reason: oneNode},

	"spec.ephemeralContainers.targetContainerName": {class: whole},

	"spec.volumes":                                       {class: honoured},
	"spec.volumes.name":                                  {class: whole},
	"spec.volumes.emptyDir":                              {class: honoured},
	"spec.volumes.emptyDir.medium":                       {class: whole},
	"spec.volumes.emptyDir.sizeLimit":                    {class: whole},
	"spec.volumes.emptyDir.mode":                         {class: whole},
	"spec.volumes.hostPath":                              {class: whole},
	"spec.volumes.configMap":                             {class: whole},
	"spec.volumes.secret":                                {class: whole},
	"spec.volumes.downwardAPI":                           {class: whole},
	"spec.volumes.projected":                             {class: honoured},
	"spec.volumes.projected.defaultMode":                 {class: whole},
	"spec.volumes.projected.defaultUser":                 {class: noEffect, reason: oneID, with: manyIDs},
	"spec.volumes.projected.sources":                     {class: honoured},
	"spec.volumes.projected.sources.configMap":           {class: whole},
	"spec.volumes.projected.sources.secret":              {class: whole},
	"spec.volumes.projected.sources.downwardAPI":         {class: whole},
	"spec.volumes.projected.sources.serviceAccountToken": {class: noEffect, reason: noAccount + ": the file is not there"},
	"spec.volumes.projected.sources.clusterTrustBundle":  {class: never, reason: noCluster},
	"spec.volumes.projected.sources.podCertificate":      {class: never, reason: noCluster},
	"spec.volumes.persistentVolumeClaim":                 {class: whole},
	"spec.volumes.image":                                 {class: whole},
	"spec.volumes.ephemeral":                             {class: honoured},
	"spec.volumes.gitRepo":                               {class: never, reason: "Kubernetes has removed it"},
	"spec.volumes.csi":                                   {class: never, reason: "there are no drivers"},
	"spec.volumes.gcePersistentDisk":                     {class: never, reason: noDisks},
	"spec.volumes.awsElasticBlockStore":                  {class: never, reason: noDisks},
	"spec.volumes.nfs":                                   {class: never, reason: noDisks},
	"spec.volumes.iscsi":                                 {class: never, reason: noDisks},
	"spec.volumes.glusterfs":                             {class: never, reason: noDisks},
	"spec.volumes.rbd":                                   {class: never, reason: noDisks},
	"spec.volumes.flexVolume":                            {class: never, reason: noDisks},
	"spec.volumes.cinder":                                {class: never, reason: noDisks},
	"spec.volumes.cephfs":                                {class: never, reason: noDisks},
	"spec.volumes.flocker":                               {class: never, reason: noDisks},
	"spec.volumes.fc":                                    {class: never, reason: noDisks},
	"spec.volumes.azureFile":                             {class: never, reason: noDisks},
	"spec.volumes.vsphereVolume":                         {class: never, reason: noDisks},
	"spec.volumes.quobyte":                               {class: never, reason: noDisks},
	"spec.volumes.azureDisk":                             {class: never, reason: noDisks},
	"spec.volumes.photonPersistentDisk":                  {class: never, reason: noDisks},
	"spec.volumes.portworxVolume":                        {class: never, reason: noDisks},
	"spec.volumes.scaleIO":                               {class: never, reason: noDisks},
	"spec.volumes.storageos":                             {class: never, reason: noDisks},

	"spec.volumes.ephemeral.volumeClaimTemplate":                                {class: honoured}, // the rows of kindTable again
	"spec.volumes.ephemeral.volumeClaimTemplate.metadata":                       {class: whole},
	"spec.volumes.ephemeral.volumeClaimTemplate.spec":                           {class: honoured},
	"spec.volumes.ephemeral.volumeClaimTemplate.spec.accessModes":               {class: whole},
	"spec.volumes.ephemeral.volumeClaimTemplate.spec.resources":                 {class: whole},
	"spec.volumes.ephemeral.volumeClaimTemplate.spec.volumeMode":                {class: whole},
	"spec.volumes.ephemeral.volumeClaimTemplate.spec.selector":                  {class: noEffect, reason: oneStorage},
	"spec.volumes.ephemeral.volumeClaimTemplate.spec.volumeName":                {class: noEffect, reason: oneStorage},
	"spec.volumes.ephemeral.volumeClaimTemplate.spec.storageClassName":          {class: noEffect, reason: oneStorage, same: is("")},
	"spec.volumes.ephemeral.volumeClaimTemplate.spec.dataSource":                {class: noEffect, reason: oneStorage},
	"spec.volumes.ephemeral.volumeClaimTemplate.spec.dataSourceRef":             {class: noEffect, reason: oneStorage},
	"spec.volumes.ephemeral.volumeClaimTemplate.spec.volumeAttributesClassName": {class: noEffect, reason: oneStorage},

	"spec.securityContext.seLinuxOptions":                  {class: noEffect, reason: nodesLabel},
	"spec.securityContext.windowsOptions":                  {class: never, reason: "containers run on Linux"},
	"spec.securityContext.runAsUser":                       {class: whole},
	"spec.securityContext.runAsGroup":                      {class: whole},
	"spec.securityContext.runAsNonRoot":                    {class: whole},
	"spec.securityContext.supplementalGroups":              {class: whole},
	"spec.securityContext.supplementalGroupsPolicy":        {class: whole},
	"spec.securityContext.fsGroup":                         {class: noEffect, reason: oneID, with: manyIDs},
	"spec.securityContext.sysctls":                         {class: whole},
	"spec.securityContext.fsGroupChangePolicy":             {class: noEffect, reason: oneID, with: manyIDs},
	"spec.securityContext.seccompProfile":                  {class: honoured},
	"spec.securityContext.seccompProfile.type":             {class: whole},
	"spec.securityContext.seccompProfile.localhostProfile": {class: whole},
	"spec.securityContext.appArmorProfile":                 {class: noEffect, reason: noMAC},
	"spec.securityContext.seLinuxChangePolicy":             {class: noEffect, reason: nodesLabel},

	"spec.containers.name":                            {class: whole},
	"spec.containers.image":                           {class: whole},
	"spec.containers.command":                         {class: whole},
	"spec.containers.args":                            {class: whole},
	"spec.containers.workingDir":                      {class: whole},
	"spec.containers.ports":                           {class: honoured},
	"spec.containers.ports.name":                      {class: whole},
	"spec.containers.ports.hostPort":                  {class: whole},
	"spec.containers.ports.containerPort":             {class: whole},
	"spec.containers.ports.protocol":                  {class: whole},
	"spec.containers.ports.hostIP":                    {class: whole},
	"spec.containers.envFrom":                         {class: whole},
	"spec.containers.env":                             {class: honoured},
	"spec.containers.env.name":                        {class: whole},
	"spec.containers.env.value":                       {class: whole},
	"spec.containers.env.valueFrom":                   {class: honoured},
	"spec.containers.env.valueFrom.fieldRef":          {class: whole},
	"spec.containers.env.valueFrom.resourceFieldRef":  {class: whole},
	"spec.containers.env.valueFrom.configMapKeyRef":   {class: whole},
	"spec.containers.env.valueFrom.secretKeyRef":      {class: whole},
	"spec.containers.env.valueFrom.fileKeyRef":        {class: whole},
	"spec.containers.resources":                       {class: noEffect, reason: noCgroups, with: cgroups, same: needsNoCgroup}, // but see claims in validateResources
	"spec.containers.resizePolicy":                    {class: whole},
	"spec.containers.restartPolicy":                   {class: whole},
	"spec.containers.restartPolicyRules":              {class: whole},
	"spec.containers.volumeMounts":                    {class: whole},
	"spec.containers.volumeDevices":                   {class: never, reason: "an ordinary user has no block devices"},
	"spec.containers.livenessProbe":                   {class: whole},
	"spec.containers.readinessProbe":                  {class: whole},
	"spec.containers.startupProbe":                    {class: whole},
	"spec.containers.lifecycle":                       {class: whole},
	"spec.containers.terminationMessagePath":          {class: whole},
	"spec.containers.terminationMessagePolicy":        {class: whole},
	"spec.containers.imagePullPolicy":                 {class: whole},
	"spec.containers.securityContext":                 {class: honoured},
	"spec.containers.stdin":                           {class: whole},
	"spec.containers.stdinOnce":                       {class: whole},
	"spec.containers.tty":                             {class: whole},
	"spec.containers.securityContext.capabilities":    {class: whole},
	"spec.containers.securityContext.privileged":      {class: whole},
	"spec.containers.securityContext.seLinuxOptions":  {class: noEffect, reason: nodesLabel},
	"spec.containers.securityContext.windowsOptions":  {class: never, reason: "containers run on Linux"},
	"spec.containers.securityContext.runAsUser":       {class: whole},
	"spec.containers.securityContext.runAsGroup":      {class: whole},
	"spec.containers.securityContext.runAsNonRoot":    {class: whole},
	"spec.containers.securityContext.procMount":       {class: whole},
	"spec.containers.securityContext.appArmorProfile": {class: noEffect, reason: noMAC},
	"spec.containers.securityContext.seccompProfile":  {class: honoured},

	"spec.containers.securityContext.readOnlyRootFilesystem":          {class: whole},
	"spec.containers.securityContext.allowPrivilegeEscalation":        {class: whole},
	"spec.containers.securityContext.seccompProfile.type":             {class: whole},
	"spec.containers.securityContext.seccompProfile.localhostProfile": {class: whole},
}

func is[T comparable](want T) func(reflect.Value) bool {
	return func(v reflect.Value) bool { return v.Interface() == any(want) }
}

// needsNoCgroup tells whether resources are of none but the disk, which is looked at without.
func needsNoCgroup(v reflect.Value) bool {
	r := v.Interface().(corev1.ResourceRequirements)
	for _, list := range []corev1.ResourceList{r.Limits, r.Requests} {
		for name := range list {
			if name != corev1.ResourceEphemeralStorage {
				return false
			}
		}
	}
	return true
}

func cgroups(f Features) bool { return f.Cgroups }

func manyIDs(f Features) bool { return f.IDs }

// finding is a field that was set and has a row worth mentioning.
type finding struct {
	path *field.Path
	rule rule
}

// findings walks an object's metadata and spec and returns the fields that are set and not simply honoured, in the order of the
// API's types. What is not a Pod has its rows in kindTable.
func findings(o Object, features Features) []finding {
	w := &walker{features: features, table: table}
	v := reflect.ValueOf(o).Elem()
	w.fields(v.FieldByName("ObjectMeta"), "metadata", field.NewPath("metadata"))
	if _, isPod := o.(*corev1.Pod); !isPod {
		w.table, w.shallow = kindTable[v.Type().Name()], true
	}
	if spec := v.FieldByName("Spec"); spec.IsValid() {
		w.fields(spec, "spec", field.NewPath("spec"))
	}
	w.found = append(w.found, templateFindings(o, features)...)
	return w.found
}

// templateFindings are those of the Pods that a workload makes.
func templateFindings(o Object, features Features) []finding {
	template, path := Template(o)
	if template == nil {
		return nil
	}
	w := &walker{features: features, table: table}
	w.fields(reflect.ValueOf(&template.Spec).Elem(), "spec", path.Child("spec"))
	return w.found
}

type walker struct {
	features Features
	table    map[string]rule
	shallow  bool // do not look into fields
	found    []finding
}

func (w *walker) fields(v reflect.Value, key string, path *field.Path) {
	t := v.Type()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if t.Field(i).Anonymous && name == "" { // its fields are those of the outer one
			w.fields(v.Field(i), strings.Replace(key, "spec.ephemeralContainers", "spec.containers", 1), path)
			continue
		}
		w.field(v.Field(i), key+"."+name, path.Child(name))
	}
}

func (w *walker) field(v reflect.Value, key string, path *field.Path) {
	if unset(v) {
		return
	}
	for v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if key == "spec.initContainers" {
		key = "spec.containers"
	}
	switch rule := w.table[key]; {
	case rule.class == whole:
		if strings.HasPrefix(key, "spec.volumes.") {
			w.fileUsers(v, path)
		}
	case rule.with != nil && rule.with(w.features):
	case rule.class != honoured:
		if rule.same == nil || !rule.same(v) {
			w.found = append(w.found, finding{path, rule})
		}
	case w.shallow:
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			w.fields(v.Index(i), key, path.Index(i))
		}
	case v.Kind() == reflect.Struct:
		w.fields(v, key, path)
	}
}

// fileUsers finds the users that files of a volume are to belong to, wherever they are said.
func (w *walker) fileUsers(v reflect.Value, path *field.Path) {
	if unset(v) {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		w.fileUsers(v.Elem(), path)
	case reflect.Slice:
		for i := range v.Len() {
			w.fileUsers(v.Index(i), path.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			if at := path.Child(name); name != "defaultUser" && name != "user" {
				w.fileUsers(v.Field(i), at)
			} else if !unset(v.Field(i)) && !fileUser.with(w.features) {
				w.found = append(w.found, finding{at, fileUser})
			}
		}
	}
}

// fileUser is the row of all fields that fileUsers finds.
var fileUser = rule{class: noEffect, reason: oneID, with: manyIDs}

// unset says whether the field is as if it had not been given.
func unset(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	case reflect.Pointer:
		return v.IsNil() || v.Elem().Kind() == reflect.Struct && v.Elem().IsZero()
	}
	return v.IsZero()
}

// WithoutEffect returns one line for each field of the object that is accepted but changes nothing on this machine, such as
// "spec.nodeSelector: has no effect on a single node". The values that Default fills in are not mentioned.
func WithoutEffect(o Object, features Features) []string {
	var lines []string
	for _, f := range findings(o, features) {
		if f.rule.class == noEffect {
			lines = append(lines, f.path.String()+": has no effect "+f.rule.reason)
		}
	}
	return lines
}

// unsupported returns an error for each field that cannot be honoured.
func unsupported(found []finding) field.ErrorList {
	var errs field.ErrorList
	for _, f := range found {
		if f.rule.class == never {
			errs = append(errs, field.Forbidden(f.path, "not supported by peapod: "+f.rule.reason))
		}
	}
	return errs
}
