package inflate

// The decoder of deflate blocks (RFC 1951).

import (
	"encoding/binary"
	"errors"
	"io"
)

const (
	history   = 32 << 10 // how far back a match can reach
	longest   = 258      // bytes of a match
	windowLen = 256 << 10
	inputLen  = 64 << 10
	// One turn of the loop in codes writes at most three literals or a match,
	// in words, and takes two words from the input.
	outSlack = longest + 16
	inSlack  = 16
	padding  = 32 // zeros after the end of the input
)

var (
	errDistance = errors.New("a distance reaches back before the start")
	errSymbol   = errors.New("an invalid code")
	errBlock    = errors.New("an invalid block type")
	errLengths  = errors.New("invalid code lengths")
	errStored   = errors.New("a stored block's length is corrupt")
)

// decoder is the state between two calls.
type decoder struct {
	src      io.Reader
	in       [inputLen + padding]byte
	pos, end int  // in[pos:end] was read and is not in bits yet
	eof      bool // zeros follow end
	bits     uint64
	nbits    uint // valid; what is above them is the start of in[pos:]

	win      [windowLen]byte
	from, to int // win[from:to] is not delivered yet

	last   bool // the block is the last
	stored int  // bytes left of a stored block
	lit    litTable
	dist   distTable
}

// more gets input until a turn of the loop can run, or the input ends.
func (d *decoder) more() error {
	if d.eof || d.end-d.pos >= inSlack {
		return nil
	}
	keep := min(d.pos, 8) // align may want back what bits hold
	d.end = copy(d.in[:], d.in[d.pos-keep:d.end])
	d.pos = keep
	for d.end-d.pos < inSlack {
		n, err := d.src.Read(d.in[d.end:inputLen])
		d.end += n
		if err == io.EOF {
			d.eof = true
			clear(d.in[d.end : d.end+padding])
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// overrun tells that more was consumed than the input has.
func (d *decoder) overrun() bool { return d.pos-int(d.nbits>>3) > d.end }

// refill has at least 56 bits ready.
func (d *decoder) refill() error {
	if err := d.more(); err != nil {
		return err
	}
	if d.overrun() {
		return io.ErrUnexpectedEOF
	}
	d.bits |= binary.LittleEndian.Uint64(d.in[d.pos:]) << d.nbits
	d.pos += int((63 - d.nbits) >> 3)
	d.nbits |= 56
	return nil
}

func (d *decoder) take(n uint) int {
	v := d.bits & (1<<n - 1)
	d.bits >>= n
	d.nbits -= n
	return int(v)
}

// align drops the bits up to the next whole byte, and gives whole ones back.
func (d *decoder) align() error {
	if d.overrun() {
		return io.ErrUnexpectedEOF
	}
	d.pos -= int(d.nbits >> 3)
	d.bits, d.nbits = 0, 0
	return nil
}

// block reads the start of a block and gives the step that decodes it.
func (d *decoder) block() (step, error) {
	if d.last {
		return trailer, d.align()
	}
	next, err := d.start()
	if d.overrun() {
		err = io.ErrUnexpectedEOF // whatever the zeros seemed to mean
	}
	return next, err
}

func (d *decoder) start() (step, error) {
	if err := d.refill(); err != nil {
		return 0, err
	}
	d.last = d.take(1) == 1
	switch d.take(2) {
	case 0:
		return stored, d.storedBlock()
	case 1:
		lit, dist := fixedLens()
		return codes, errors.Join(build(d.lit[:], litBits, lit[:], litSymbols[:]), build(d.dist[:], distBits, dist[:], distSymbols[:]))
	case 2:
		return codes, d.dynamicBlock()
	}
	return 0, errBlock
}

func (d *decoder) storedBlock() error {
	if err := d.align(); err != nil {
		return err
	}
	if err := d.refill(); err != nil {
		return err
	}
	d.stored = d.take(16)
	if d.take(16) != d.stored^0xffff {
		return errStored
	}
	return d.align()
}

// copyStored copies of a stored block what there is and has room.
func (d *decoder) copyStored() (step, error) {
	if d.pos == d.end && d.stored > 0 {
		if err := d.more(); err != nil {
			return 0, err
		}
		if d.pos == d.end {
			return 0, io.ErrUnexpectedEOF
		}
	}
	n := min(d.stored, d.end-d.pos, windowLen-d.to)
	copy(d.win[d.to:], d.in[d.pos:d.pos+n])
	d.pos, d.to, d.stored = d.pos+n, d.to+n, d.stored-n
	if d.stored == 0 {
		return block, nil
	}
	return stored, nil
}

// lengthOrder is how the lengths of the code for lengths are sent.
var lengthOrder = [...]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// dynamicBlock reads the codes of a block (RFC 1951, 3.2.7).
func (d *decoder) dynamicBlock() error {
	nlit, ndist, nlen := d.take(5)+257, d.take(5)+1, d.take(4)+4
	if nlit > maxLit || ndist > maxDist {
		return errLengths
	}
	var lens [maxLit + maxDist]uint8
	for _, sym := range lengthOrder[:nlen] {
		if err := d.refill(); err != nil {
			return err
		}
		lens[sym] = uint8(d.take(3))
	}
	// The table for distances is free until the end, and large enough.
	const root = 7
	if err := build(d.dist[:], root, lens[:len(lengthOrder)], lenSymbols[:]); err != nil {
		return err
	}
	clear(lens[:len(lengthOrder)])
	for i := 0; i < nlit+ndist; {
		if err := d.refill(); err != nil {
			return err
		}
		e := d.dist[d.bits&(1<<root-1)]
		if e&isSpecial != 0 {
			return errSymbol
		}
		d.take(uint(e & codeMask))
		sym, repeat := uint8(e>>valueShift), 1
		switch sym {
		case 16:
			if i == 0 {
				return errLengths
			}
			sym, repeat = lens[i-1], 3+d.take(2)
		case 17:
			sym, repeat = 0, 3+d.take(3)
		case 18:
			sym, repeat = 0, 11+d.take(7)
		}
		if i+repeat > nlit+ndist {
			return errLengths
		}
		for range repeat {
			lens[i] = sym
			i++
		}
	}
	if err := build(d.lit[:], litBits, lens[:nlit], litSymbols[:]); err != nil {
		return err
	}
	return build(d.dist[:], distBits, lens[nlit:nlit+ndist], distSymbols[:])
}

// codes decodes until the block, the input at hand or the room ends.
func (d *decoder) codes() (next step, err error) {
	if err := d.more(); err != nil {
		return 0, err
	}
	start := d.to
	next, err = d.loop()
	if d.overrun() { // what was decoded came from the zeros, in part
		d.to, err = start, io.ErrUnexpectedEOF
	}
	return next, err
}

// repeats is the lowest multiple of a short distance that is a word or more.
var repeats = [8]int{1: 8, 2: 8, 3: 9, 4: 8, 5: 10, 6: 12, 7: 14}

// loop is where the time goes: no calls, no checks but those that the slacks
// leave over, and all state in registers.
//
//nolint:funlen // calls would cost more than what they do
func (d *decoder) loop() (step, error) {
	in, win, lit, dist := d.in[:], d.win[:], &d.lit, &d.dist
	pos, to, hold, n := d.pos, d.to, d.bits, d.nbits
	inLimit, outLimit := d.end-inSlack, windowLen-outSlack
	if d.eof {
		inLimit = d.end + 8
	}
	next, err := codes, error(nil)
	for pos <= inLimit && to <= outLimit {
		hold |= binary.LittleEndian.Uint64(in[pos:]) << (n & 63)
		pos += int((63 - n) >> 3)
		n |= 56
		e := lit[hold&(1<<litBits-1)]
		if e&isLiteral != 0 { // up to three; each has at most litBits
			hold >>= e & codeMask
			n -= uint(e & codeMask)
			win[to] = byte(e >> valueShift)
			to++
			e = lit[hold&(1<<litBits-1)]
			if e&isLiteral != 0 {
				hold >>= e & codeMask
				n -= uint(e & codeMask)
				win[to] = byte(e >> valueShift)
				to++
				e = lit[hold&(1<<litBits-1)]
				if e&isLiteral != 0 {
					hold >>= e & codeMask
					n -= uint(e & codeMask)
					win[to] = byte(e >> valueShift)
					to++
					continue
				}
			}
		}
		if e&isSpecial != 0 {
			if e&isSubtable != 0 {
				hold >>= litBits
				n -= litBits
				e = lit[(uint64(e>>valueShift)+hold&(1<<(e>>codeShift&codeMask)-1))%uint64(len(lit))]
			}
			if e&isLiteral != 0 {
				hold >>= e & codeMask
				n -= uint(e & codeMask)
				win[to] = byte(e >> valueShift)
				to++
				continue
			}
			if e&isSpecial != 0 {
				if e&isEnd != 0 {
					hold >>= e & codeMask
					n -= uint(e & codeMask)
					next = block
				} else {
					err = errSymbol
				}
				break
			}
		}
		length := int(e>>valueShift&0x7fff) + int(hold&(1<<(e&31)-1)>>(e>>codeShift&codeMask))
		hold >>= e & 31
		n -= uint(e & 31)

		hold |= binary.LittleEndian.Uint64(in[pos:]) << (n & 63)
		pos += int((63 - n) >> 3)
		n |= 56
		e = dist[hold&(1<<distBits-1)]
		if e&isSpecial != 0 {
			if e&isSubtable != 0 {
				hold >>= distBits
				n -= distBits
				e = dist[(uint64(e>>valueShift)+hold&(1<<(e>>codeShift&codeMask)-1))%uint64(len(dist))]
			}
			if e&isSpecial != 0 {
				err = errSymbol
				break
			}
		}
		back := int(e>>valueShift&0x7fff) + int(hold&(1<<(e&31)-1)>>(e>>codeShift&codeMask))
		hold >>= e & 31
		n -= uint(e & 31)
		if back > to {
			err = errDistance
			break
		}
		stop := to + length
		if back < 8 { // repeat the pattern until a word fits in
			for range repeats[back] - back {
				win[to] = win[to-back]
				to++
			}
			back = repeats[back]
		}
		for ; to < stop; to += 8 {
			binary.LittleEndian.PutUint64(win[to:], binary.LittleEndian.Uint64(win[to-back:]))
		}
		to = stop
	}
	d.pos, d.to, d.bits, d.nbits = pos, to, hold, n
	return next, err
}

// slide makes room behind what a match can still reach. Everything before
// was delivered.
func (d *decoder) slide() {
	keep := min(d.to, history)
	copy(d.win[:keep], d.win[d.to-keep:d.to])
	d.from, d.to = keep, keep
}
