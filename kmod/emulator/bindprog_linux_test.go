package emulator

// The programs at bind(2), run by a machine that is as strict as the kernel's
// verifier, against what they are to decide, for every case that they tell apart.

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// The instructions that the programs use, <linux/bpf.h>.
const (
	insnMapPtr                     = 0x18
	insnMov, insnMovReg, insnMov32 = 0xb7, 0xbf, 0xb4
	insnAdd, insnOrReg             = 0x07, 0x4f
	insnLoadW                      = 0x61
	insnPutW, insnStoreW, insnStDW = 0x62, 0x63, 0x7b
	insnJEq, insnJEqReg            = 0x15, 0x1d
	insnJNE, insnJNEReg, insnJump  = 0x55, 0x5d, 0x05
	insnCall, insnExit             = 0x85, 0x95
	callLookup, callCgroup         = 1, 80
	callRetval                     = 187
	frame                          = 10
)

// Where the machine has what programs point to.
const (
	atContext, atStack, atAnswer, atMap = 0x100, 0x400, 0x480, 0x1000
	stackSize                           = 512
)

// machine runs one program. What is read has to be written before, as with the
// verifier: registers too, and a call takes those that it may use.
type machine struct {
	rules   rules
	cgroup  uint64
	reg     [frame + 1]uint64
	known   [frame + 1]bool
	mem     [0x500]byte
	written [0x500]bool
	retval  int32
}

func (m *machine) set(r uint8, v uint64) { m.reg[r], m.known[r] = v, true }

func (m *machine) get(r uint8) uint64 {
	if !m.known[r] {
		panic(fmt.Sprintf("r%d is read before it is written", r))
	}
	return m.reg[r]
}

func (m *machine) load(at, n uint64) []byte {
	for i := at; i < at+n; i++ {
		if !m.written[i] {
			panic(fmt.Sprintf("%#x is read before it is written", i))
		}
	}
	return m.mem[at : at+n]
}

func (m *machine) put(at uint64, b ...byte) {
	for i := range copy(m.mem[at:], b) {
		m.written[at+uint64(i)] = true
	}
}

func (m *machine) store(at uint64, b []byte) {
	if at < atStack-stackSize || at+uint64(len(b)) > atStack {
		panic(fmt.Sprintf("%#x is written", at))
	}
	m.put(at, b...)
}

// bind puts struct bpf_sock_addr there, as far as a program at its hook may read it.
func (m *machine) bind(a netip.Addr, port uint16, typ uint32) {
	m.put(atContext+24, byte(port>>8), byte(port), 0, 0)
	m.put(atContext+32, binary.LittleEndian.AppendUint32(nil, typ)...)
	if b := a.As16(); a.Is4() {
		m.put(atContext+4, b[12:]...)
	} else {
		m.put(atContext+8, b[:]...)
	}
}

func (m *machine) call(function int32) {
	result := uint64(0)
	switch function {
	case callCgroup:
		result = m.cgroup
	case callRetval:
		m.retval = int32(m.get(1))
		result = 2 // the verifier does not know that it is 0
	case callLookup:
		if m.get(1) != atMap {
			panic("a question to no map")
		}
		b := m.load(m.get(2), ruleKeySize)
		k := ruleKey{binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:]), [16]byte(b[8:])}
		if v, ok := m.rules[k]; ok {
			result = atAnswer
			m.put(atAnswer, binary.LittleEndian.AppendUint32(nil, v)...)
		}
	default:
		panic(fmt.Sprintf("call of %d", function))
	}
	for r := range uint8(6) {
		m.known[r] = false
	}
	m.set(0, result)
}

// run gives the program's answer.
func (m *machine) run(program []uint64) uint64 {
	m.set(1, atContext)
	m.set(frame, atStack)
	for pc := 0; ; pc++ {
		in := program[pc]
		dst, src, off, imm := uint8(in>>8&0xf), uint8(in>>12&0xf), int16(in>>16), int32(in>>32)
		target := func(of uint8) uint64 { return m.get(of) + uint64(int64(off)) }
		jump := false
		switch in & 0xff {
		case insnMapPtr:
			if pc++; src != 1 || program[pc] != 0 {
				panic("no map")
			}
			m.set(dst, atMap)
		case insnMov:
			m.set(dst, uint64(int64(imm)))
		case insnMov32:
			m.set(dst, uint64(uint32(imm)))
		case insnMovReg:
			m.set(dst, m.get(src))
		case insnAdd:
			m.set(dst, m.get(dst)+uint64(int64(imm)))
		case insnOrReg:
			m.set(dst, m.get(dst)|m.get(src))
		case insnLoadW:
			m.set(dst, uint64(binary.LittleEndian.Uint32(m.load(target(src), 4))))
		case insnPutW:
			m.store(target(dst), binary.LittleEndian.AppendUint32(nil, uint32(imm)))
		case insnStoreW:
			m.store(target(dst), binary.LittleEndian.AppendUint32(nil, uint32(m.get(src))))
		case insnStDW:
			m.store(target(dst), binary.LittleEndian.AppendUint64(nil, m.get(src)))
		case insnJEq:
			jump = m.get(dst) == uint64(int64(imm))
		case insnJNE:
			jump = m.get(dst) != uint64(int64(imm))
		case insnJEqReg:
			jump = m.get(dst) == m.get(src)
		case insnJNEReg:
			jump = m.get(dst) != m.get(src)
		case insnJump:
			jump = true
		case insnCall:
			m.call(imm)
		case insnExit:
			return m.get(0)
		default:
			panic(fmt.Sprintf("instruction %#x", in))
		}
		if jump {
			pc += int(off)
		}
	}
}

// admits is what the programs are to decide.
func admits(m rules, cgroup uint64, a netip.Addr, port uint16, proto uint32) bool {
	self := m[cgroupKey(cgroup)]
	if _, bound := m[ruleKey{kind: kindBound, arg: self}]; bound {
		if _, own := m[ruleKey{kindAddress, self, a.As16()}]; !own {
			return false
		}
	}
	if port == 0 {
		return true
	}
	asked := [][16]byte{a.As16(), anyAddr}
	if a.Unmap().IsUnspecified() {
		asked = [][16]byte{wildcard}
	}
	for _, at := range asked {
		if owner, ok := m[portKey(proto, port, at)]; ok && owner != self {
			return false
		}
	}
	return true
}

// choices calls do with every way to take one of each list.
func choices(do func(at []int), sizes ...int) {
	at := make([]int, len(sizes))
	for {
		do(at)
		i := 0
		for ; i < len(at); i++ {
			if at[i]++; at[i] < sizes[i] {
				break
			}
			at[i] = 0
		}
		if i == len(at) {
			return
		}
	}
}

// A port that is the caller's own, another cell's, or nobody's, at the address,
// at every address, and for one who binds to every address; a caller with
// addresses of its own or without, and one that is no cell's.
func TestBindPrograms(t *testing.T) {
	const cgroup, port, self, other = 1<<32 | 5, 80, 3, 4
	owners := []uint32{0, self, other, everyone} // 0: nobody reserves it
	addresses := []netip.Addr{}
	for _, s := range []string{
		"0.0.0.0", "127.0.0.1", "::", "::ffff:0.0.0.0", "::ffff:127.0.0.1", "::1", "1::", "0:0:1::", "0:0:0:0:1::", "0:0:0:0:1:ffff:0:0",
	} {
		addresses = append(addresses, netip.MustParseAddr(s))
	}
	types := []struct{ typ, proto uint32 }{{unix.SOCK_STREAM, unix.IPPROTO_TCP}, {unix.SOCK_DGRAM, unix.IPPROTO_UDP}}
	ports := []uint16{port, 0, port << 8}
	seen := map[bool]int{}
	choices(func(at []int) {
		a, typ, bound := addresses[at[0]], types[at[1]], at[3]
		m := rules{}
		for i, key := range [][16]byte{a.As16(), anyAddr, wildcard} {
			if owner := owners[at[4+i]]; owner != 0 {
				m[portKey(unix.IPPROTO_TCP, port, key)] = owner
				m[portKey(unix.IPPROTO_TCP, 0, key)] = owner // nobody's, as the kernel chooses one
			}
		}
		if bound > 0 {
			m[cgroupKey(cgroup)] = self
		}
		if bound > 1 {
			m[ruleKey{kind: kindBound, arg: self}] = 1
			m[ruleKey{kind: kindBound, arg: other}] = 1
		}
		m[ruleKey{kindAddress, other, a.As16()}] = 1
		if bound > 2 {
			m[ruleKey{kindAddress, self, a.As16()}] = 1
		}
		programs := [][]uint64{bind4, bind4Old}
		if !a.Is4() {
			programs = [][]uint64{bind6, bind6Old}
		}
		want := admits(m, cgroup, a, ports[at[2]], typ.proto)
		seen[want]++
		for i, program := range programs {
			vm := machine{rules: m, cgroup: cgroup}
			retval := int32(0)
			if !want && i == 0 {
				retval = -int32(unix.EACCES)
			}
			vm.bind(a, ports[at[2]], typ.typ)
			got := vm.run(program)
			if got > 1 || (got == 1) != want || vm.retval != retval {
				t.Fatalf("%s:%d, type %d, rules %v: program %d answers %d and %d; want %v and %d",
					a, ports[at[2]], typ.typ, m, i, got, vm.retval, want, retval)
			}
		}
	}, len(addresses), len(types), len(ports), 4, len(owners), len(owners), len(owners))
	if seen[true] == 0 || seen[false] == 0 {
		t.Errorf("cases: %v", seen)
	}
}
