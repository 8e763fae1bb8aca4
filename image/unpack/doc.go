// Package unpack puts one image layer, an uncompressed tar stream, into a directory.
package unpack
