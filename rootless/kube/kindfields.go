package kube

const oneStorage = "because every claim is a folder of this user's"

// kindTable has, by kind, the fields of objects that are not Pods and are not simply honoured. What is in no table is honoured.
var kindTable = map[string]map[string]rule{
	"EndpointSlice": {
		"endpoints": {class: noEffect, reason: "because Services here have their addresses from selectors and Endpoints"},
	},
	"PersistentVolumeClaim": {
		"spec.selector":                  {class: noEffect, reason: oneStorage},
		"spec.volumeName":                {class: noEffect, reason: oneStorage},
		"spec.storageClassName":          {class: noEffect, reason: oneStorage, same: is("")},
		"spec.dataSource":                {class: noEffect, reason: oneStorage},
		"spec.dataSourceRef":             {class: noEffect, reason: oneStorage},
		"spec.volumeAttributesClassName": {class: noEffect, reason: oneStorage},
	},
}
