package inflate

// gzip's frame around the blocks (RFC 1952): headers, lengths and sums.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// step says what comes next in the stream.
type step int

const (
	block step = iota
	stored
	codes
	trailer
)

// Reader gives the content of a gzip stream. Members that follow each other
// are one content; anything else after a member is an error.
type Reader struct {
	d    *decoder
	next step
	err  error
	sum  uint32
	size uint32 // modulo 2^32
}

// NewReader reads the header of the first member. The reader may read ahead.
func NewReader(src io.Reader) (*Reader, error) {
	r := &Reader{d: &decoder{src: src}}
	if err := r.header(); err != nil {
		return nil, unexpected(err)
	}
	return r, nil
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Read implements io.Reader. io.EOF means that lengths and sums were right.
func (r *Reader) Read(p []byte) (int, error) {
	d := r.d
	for d.from == d.to {
		if r.err != nil {
			return 0, r.err
		}
		if d.to > windowLen-outSlack {
			d.slide()
		}
		r.step()
	}
	n := copy(p, d.win[d.from:d.to])
	d.from += n
	return n, nil
}

// step decodes some of the stream.
func (r *Reader) step() {
	d := r.d
	switch r.next {
	case block:
		r.next, r.err = d.block()
	case stored:
		r.next, r.err = d.copyStored()
	case codes:
		r.next, r.err = d.codes()
	case trailer:
		r.err = r.member()
	}
	out := d.win[d.from:d.to]
	r.sum = crc32.Update(r.sum, crc32.IEEETable, out)
	r.size += uint32(len(out))
}

// member checks the end of a member and starts the next. io.EOF if there is
// none.
func (r *Reader) member() error {
	var b [8]byte
	if err := r.bytes(b[:]); err != nil {
		return unexpected(err)
	}
	if sum := binary.LittleEndian.Uint32(b[:]); sum != r.sum {
		return fmt.Errorf("the content's CRC is %08x, its trailer says %08x", r.sum, sum)
	}
	if size := binary.LittleEndian.Uint32(b[4:]); size != r.size {
		return fmt.Errorf("the content has %d bytes, its trailer says %d", r.size, size)
	}
	return r.header()
}

// The flags of a member's header (RFC 1952, 2.3.1).
const (
	flagSum = 1 << (iota + 1)
	flagExtra
	flagName
	flagComment
	flagsUnknown = 0xe0
)

var errHeader = errors.New("not a gzip header")

// header reads a member's header. io.EOF if the input is at its end.
func (r *Reader) header() error {
	r.next, r.sum, r.size = block, 0, 0
	r.d.last, r.d.from, r.d.to = false, 0, 0 // no match reaches into the member before
	var b [10]byte
	if err := r.bytes(b[:1]); err != nil {
		return err
	}
	if err := r.bytes(b[1:]); err != nil {
		return unexpected(err)
	}
	if b[0] != 0x1f || b[1] != 0x8b || b[2] != 8 || b[3]&flagsUnknown != 0 {
		return errHeader
	}
	sum := crc32.ChecksumIEEE(b[:])
	next := func(b []byte) error {
		err := r.bytes(b)
		sum = crc32.Update(sum, crc32.IEEETable, b)
		return unexpected(err)
	}
	flags := b[3]
	if flags&flagExtra != 0 {
		if err := next(b[:2]); err != nil {
			return err
		}
		for range binary.LittleEndian.Uint16(b[:]) {
			if err := next(b[:1]); err != nil {
				return err
			}
		}
	}
	for _, flag := range [...]byte{flagName, flagComment} {
		for b[0] = 1; flags&flag != 0 && b[0] != 0; {
			if err := next(b[:1]); err != nil {
				return err
			}
		}
	}
	if flags&flagSum != 0 {
		want := uint16(sum)
		if err := next(b[:2]); err != nil {
			return err
		}
		if binary.LittleEndian.Uint16(b[:]) != want {
			return errHeader
		}
	}
	return nil
}

// bytes reads whole bytes, outside of blocks. io.EOF if there is none.
func (r *Reader) bytes(p []byte) error {
	d := r.d
	for i := range p {
		if d.pos == d.end {
			if err := d.more(); err != nil {
				return err
			}
		}
		if d.pos >= d.end {
			if i == 0 {
				return io.EOF
			}
			return io.ErrUnexpectedEOF
		}
		p[i] = d.in[d.pos]
		d.pos++
	}
	return nil
}
