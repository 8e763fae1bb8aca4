package kube

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// EndpointSlices is the kind EndpointSlice: the newer form of Endpoints, which the node keeps for clients that ask for it. Services do not follow those of others.
var EndpointSlices = define(Kind{Group: "discovery.k8s.io", Name: "EndpointSlice", Resource: "endpointslices"}, rules[*discoveryv1.EndpointSlice]{
	empty: func() *discoveryv1.EndpointSlice { return &discoveryv1.EndpointSlice{} }, setDefaults: defaultEndpointSlice, validate: validateEndpointSlice,
	validateUpdate: func(applied, stored *discoveryv1.EndpointSlice) field.ErrorList {
		errs := validateMetadataUpdate(&applied.ObjectMeta, &stored.ObjectMeta)
		if applied.AddressType != stored.AddressType {
			errs = append(errs, field.Invalid(field.NewPath("addressType"), applied.AddressType, "field is immutable"))
		}
		return errs
	},
})

func defaultEndpointSlice(e *discoveryv1.EndpointSlice) {
	for i := range e.Ports {
		setPointer(&e.Ports[i].Name, "")
		setPointer(&e.Ports[i].Protocol, corev1.ProtocolTCP)
	}
}

func validateEndpointSlice(e *discoveryv1.EndpointSlice, _ Features) field.ErrorList {
	errs := validateMetadata(&e.ObjectMeta)
	errs = append(errs, oneOf(field.NewPath("addressType"), e.AddressType, discoveryv1.AddressTypeIPv4, discoveryv1.AddressTypeIPv6, discoveryv1.AddressTypeFQDN)...)
	for i := range e.Endpoints {
		at := field.NewPath("endpoints").Index(i).Child("addresses")
		if len(e.Endpoints[i].Addresses) == 0 {
			errs = append(errs, field.Required(at, "must contain at least 1 address"))
		}
		for j, address := range e.Endpoints[i].Addresses {
			if e.AddressType != discoveryv1.AddressTypeFQDN {
				errs = append(errs, validation.IsValidIP(at.Index(j), address)...)
			}
		}
	}
	return errs
}
