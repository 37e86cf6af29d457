package inflate

// Tables of Huffman codes (RFC 1951, 3.2.2).

import (
	"errors"
	"math/bits"
)

const (
	maxBits    = 15  // of a code
	maxLit     = 286 // literals, end of block, lengths
	maxDist    = 30
	litBits    = 11 // of the first lookup of a literal or length
	distBits   = 8
	endOfBlock = 256
)

// An entry says what the next bits mean. From the lowest bit: 8 bits for how
// many to consume (code and extra bits), 4 for how many of them are the code,
// three flags, 15 for the literal, base or subtable, and a flag.
type entry uint32

const (
	isLiteral  entry = 1 << 31
	isSpecial  entry = 1 << 15 // neither literal, length nor distance
	isSubtable entry = 1 << 14 // the value is where it starts; the code's bits are its index's
	isEnd      entry = 1 << 13
	invalid          = isSpecial

	valueShift = 16
	codeShift  = 8
	codeMask   = 15
)

// The sizes are powers of two, so that a masked index needs no check. No code
// needs more: at most 2342 and 402 entries, as zlib's enough.c computes.
type (
	litTable  [4096]entry
	distTable [512]entry
)

var errCode = errors.New("a Huffman code is over-subscribed or incomplete")

// build fills a table for the code whose lengths are lens (0: not used), the
// first lookup with root bits. symbols gives each symbol's entry without its
// code's bits.
func build(table []entry, root int, lens []uint8, symbols []entry) error {
	var count, next [maxBits + 1]int
	for _, l := range lens {
		count[l]++
	}
	if err := checkCode(&count, len(lens)); err != nil {
		return err
	}
	code := 0
	for l := 1; l < maxBits; l++ {
		code = (code + count[l]) << 1
		next[l+1] = code
	}
	primary := table[:1<<root]
	for i := range primary {
		primary[i] = invalid
	}
	// A subtable is as large as the longest code in it needs: measure first.
	codes := next
	for _, l := range lens {
		if l := int(l); l > root {
			p := &primary[reverse(codes[l], l)&(1<<root-1)]
			*p = max(*p&codeMask, entry(l-root)) | isSpecial
		}
		codes[l]++
	}
	free := 1 << root
	for sym, l8 := range lens {
		l := int(l8)
		if l == 0 {
			continue
		}
		rev := reverse(next[l], l)
		next[l]++
		if l <= root {
			e := symbols[sym] + entry(l)<<codeShift + entry(l)
			for i := rev; i < 1<<root; i += 1 << l {
				primary[i] = e
			}
			continue
		}
		p := &primary[rev&(1<<root-1)]
		if *p&isSubtable == 0 {
			size := *p & codeMask
			*p = entry(free)<<valueShift | isSpecial | isSubtable | size<<codeShift | entry(root)
			free += 1 << size
		}
		sub := table[*p>>valueShift:][:1<<(*p>>codeShift&codeMask)]
		e := symbols[sym] + entry(l-root)<<codeShift + entry(l-root)
		for i := rev >> root; i < len(sub); i += 1 << (l - root) {
			sub[i] = e
		}
	}
	return nil
}

// checkCode refuses codes that are not complete. As everywhere, no symbol at
// all and one symbol of one bit are let through: an unused distance code.
func checkCode(count *[maxBits + 1]int, symbols int) error {
	left := 1
	for _, n := range count[1:] {
		if left = left<<1 - n; left < 0 {
			return errCode
		}
	}
	used := symbols - count[0]
	if left > 0 && used > 0 && (used != 1 || count[1] != 1) {
		return errCode
	}
	return nil
}

func reverse(code, length int) int { return int(bits.Reverse16(uint16(code)) >> (16 - length)) }

// The entries of the symbols (RFC 1951, 3.2.5).
var (
	litSymbols  = litEntries()
	distSymbols = distEntries()
	// Lengths of codes have no meaning of their own.
	lenSymbols = func() (s [19]entry) {
		for i := range s {
			s[i] = entry(i) << valueShift
		}
		return s
	}()
)

func litEntries() (s [288]entry) {
	for i := range endOfBlock {
		s[i] = isLiteral | entry(i)<<valueShift
	}
	s[endOfBlock] = isSpecial | isEnd
	base := 3
	for i := endOfBlock + 1; i < 285; i++ {
		extra := max(0, (i-261)/4)
		s[i] = entry(base)<<valueShift | entry(extra)
		base += 1 << extra
	}
	s[285] = 258 << valueShift
	s[286], s[287] = invalid, invalid
	return s
}

func distEntries() (s [32]entry) {
	base := 1
	for i := range maxDist {
		extra := max(0, i/2-1)
		s[i] = entry(base)<<valueShift | entry(extra)
		base += 1 << extra
	}
	s[30], s[31] = invalid, invalid
	return s
}

// fixedLens are the lengths of the code that a block without its own uses.
func fixedLens() (lit [288]uint8, dist [32]uint8) {
	for i := range lit {
		switch {
		case i < 144 || i >= 280:
			lit[i] = 8
		case i < 256:
			lit[i] = 9
		default:
			lit[i] = 7
		}
	}
	for i := range dist {
		dist[i] = 5
	}
	return lit, dist
}
