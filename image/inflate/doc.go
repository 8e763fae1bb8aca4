// Package inflate decompresses gzip files.
package inflate
