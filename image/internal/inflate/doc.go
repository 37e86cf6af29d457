// Package inflate decompresses gzip (RFC 1951 and 1952) about twice as fast
// as the readers that decode bit by bit from an io.ByteReader: it decodes from
// and into large buffers, a word of input at a time. It is most of what
// unpacking an image costs.
package inflate
