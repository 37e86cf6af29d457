// Package inflate decompresses gzip (RFC 1951 and 1952) about twice as fast
// as the readers that decode bit by bit from an io.ByteReader: it decodes from
// and into large buffers, a word of input at a time. It is most of what
// unpacking an image costs.
//
// It never gives a byte of a member whose length or sum is wrong without an
// error at its end, and bounds nothing: who reads does.
package inflate
