// The eBPF program at the cells' bind(2) hooks, and what its map holds.
//
// One map answers every question, so that one id is enough to find it again:
// who the caller is, who owns a port, and which addresses a cell has.

package emulator

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// ruleKey is a question of the program. Its layout is that of the stack
// in bindProgram.
type ruleKey struct {
	kind uint32
	arg  uint32
	addr [16]byte // IPv4 as ::ffff:a.b.c.d
}

// Kinds of questions, and the answers.
const (
	kindPort    = 1 // arg: protocol<<16 | port in network order; addr → owning cell
	kindCgroup  = 2 // addr: cgroup id → cell
	kindBound   = 3 // arg: cell → 1, it may bind to its own addresses only
	kindAddress = 4 // arg: cell; addr → 1, the address is its own
)

// everyone is the owner of a wildcard that several cells own a part of.
const everyone = ^uint32(0)

// anyAddr is the address of a reservation of every address, wildcard the
// question of one who binds to every address.
var (
	anyAddr  = [16]byte{}
	wildcard = [16]byte{
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	}
)

func portKey(proto uint32, port uint16, addr [16]byte) ruleKey {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], port)
	return ruleKey{kindPort, proto<<16 | uint32(binary.NativeEndian.Uint16(b[:])), addr}
}

func cgroupKey(id uint64) ruleKey {
	k := ruleKey{kind: kindCgroup}
	binary.NativeEndian.PutUint64(k.addr[:], id)
	return k
}

// addrKey gives an address as the program sees it.
func addrKey(a netip.Addr) [16]byte {
	if everyAddr(a) {
		return anyAddr
	}
	return a.As16()
}

// Registers and stack of the program. Each key takes 24 bytes.
const (
	r0, r1, r2, r3, r6, r7, r8, r9, r10 = 0, 1, 2, 3, 6, 7, 8, 9, 10

	mainKey = -24 // the address that is bound to
	sideKey = -48 // no address, or the cgroup's id
	offAddr = 8   // in a key
)

// Offsets in struct bpf_sock_addr.
const (
	ctxIP4, ctxIP6, ctxPort, ctxType = 4, 8, 24, 32
)

// Helpers, bpf-helpers(7).
const (
	fnLookup, fnCgroupID, fnSetRetval = 1, 80, 187
)

// assembler collects instructions; jumps name the label they go to.
type assembler struct {
	code   []insn
	labels map[string]int
	jumps  map[int]string
}

func (a *assembler) emit(op uint8, dst, src uint8, off int16, imm int32) {
	a.code = append(a.code, insn{op, dst | src<<4, off, imm})
}

func (a *assembler) label(name string) { a.labels[name] = len(a.code) }
func (a *assembler) move(dst, src uint8) {
	a.emit(unix.BPF_ALU64|unix.BPF_MOV|unix.BPF_X, dst, src, 0, 0)
}

func (a *assembler) set(dst uint8, imm int32) {
	a.emit(unix.BPF_ALU64|unix.BPF_MOV|unix.BPF_K, dst, 0, 0, imm)
}

func (a *assembler) load(dst, src uint8, off int16) {
	a.emit(unix.BPF_LDX|unix.BPF_MEM|unix.BPF_W, dst, src, off, 0)
}
func (a *assembler) call(helper int32) { a.emit(unix.BPF_JMP|unix.BPF_CALL, 0, 0, 0, helper) }

// store puts 32 bits, store64 64 bits of a register on the stack.
func (a *assembler) store(off int16, src uint8) {
	a.emit(unix.BPF_STX|unix.BPF_MEM|unix.BPF_W, r10, src, off, 0)
}

func (a *assembler) store64(off int16, src uint8) {
	a.emit(unix.BPF_STX|unix.BPF_MEM|unix.BPF_DW, r10, src, off, 0)
}

func (a *assembler) storeImm(off int16, imm int32) {
	a.emit(unix.BPF_ST|unix.BPF_MEM|unix.BPF_W, r10, 0, off, imm)
}

func (a *assembler) jump(label string) {
	a.jumps[len(a.code)] = label
	a.emit(unix.BPF_JMP|unix.BPF_JA, 0, 0, 0, 0)
}

// jumpIf compares a register with a number: op is BPF_JEQ or BPF_JNE.
func (a *assembler) jumpIf(op uint8, reg uint8, imm int32, label string) {
	a.jumps[len(a.code)] = label
	a.emit(unix.BPF_JMP|op|unix.BPF_K, reg, 0, 0, imm)
}

// lookup asks the map for the key at off: r0 is the answer's address or 0.
func (a *assembler) lookup(rules int, off int16) {
	a.emit(unix.BPF_LD|unix.BPF_IMM|unix.BPF_DW, r1, unix.BPF_PSEUDO_MAP_FD, 0, int32(rules))
	a.emit(0, 0, 0, 0, 0)
	a.move(r2, r10)
	a.emit(unix.BPF_ALU64|unix.BPF_ADD|unix.BPF_K, r2, 0, 0, int32(off))
	a.call(fnLookup)
}

// owner denies when the key at mainKey is another cell's.
func (a *assembler) owner(rules int, free string) {
	a.lookup(rules, mainKey)
	a.jumpIf(unix.BPF_JEQ, r0, 0, free)
	a.load(r1, r0, 0)
	a.jumps[len(a.code)] = "deny"
	a.emit(unix.BPF_JMP|unix.BPF_JNE|unix.BPF_X, r1, r7, 0, 0)
	a.label(free)
}

// fill sets the address of a key.
func (a *assembler) fill(key int16, word int32) {
	for i := int16(0); i < 16; i += 4 {
		a.storeImm(key+offAddr+i, word)
	}
}

// assemble resolves the jumps.
func (a *assembler) assemble() []insn {
	for at, label := range a.jumps {
		a.code[at].off = int16(a.labels[label] - at - 1)
	}
	return a.code
}

// bindProgram denies a bind to another cell's port, and to a foreign address
// for a cell that has its own. With errno it answers EACCES as NetBSD does,
// for which Linux has to be 5.18; otherwise EPERM.
//
// r6 is the context, r7 the caller's cell (0 if it owns nothing), r8 the
// port, r9 whether it binds to every address.
func bindProgram(rules int, v6, errno bool) []insn {
	a := &assembler{labels: map[string]int{}, jumps: map[int]string{}}
	a.move(r6, r1)
	a.caller(rules)
	a.address(v6)
	a.load(r8, r6, ctxPort)

	a.storeImm(sideKey, kindBound)
	a.store(sideKey+4, r7)
	a.fill(sideKey, 0)
	a.lookup(rules, sideKey)
	a.jumpIf(unix.BPF_JEQ, r0, 0, "ports")
	a.storeImm(mainKey, kindAddress)
	a.store(mainKey+4, r7)
	a.lookup(rules, mainKey)
	a.jumpIf(unix.BPF_JEQ, r0, 0, "deny")

	a.label("ports")
	a.jumpIf(unix.BPF_JEQ, r8, 0, "allow") // the kernel's choice
	a.load(r1, r6, ctxType)
	a.set(r2, unix.IPPROTO_UDP<<16)
	a.jumpIf(unix.BPF_JEQ, r1, unix.SOCK_DGRAM, "protocol")
	a.set(r2, unix.IPPROTO_TCP<<16)
	a.label("protocol")
	a.emit(unix.BPF_ALU64|unix.BPF_OR|unix.BPF_X, r2, r8, 0, 0)
	a.storeImm(mainKey, kindPort)
	a.store(mainKey+4, r2)
	a.jumpIf(unix.BPF_JEQ, r9, 0, "one address")
	a.fill(mainKey, -1)
	a.owner(rules, "no part is reserved")
	a.jump("allow")
	a.label("one address")
	a.owner(rules, "it is not reserved")
	a.fill(mainKey, 0)
	a.owner(rules, "nor are all")

	a.label("allow")
	a.set(r0, 1)
	a.emit(unix.BPF_JMP|unix.BPF_EXIT, 0, 0, 0, 0)
	a.label("deny")
	if errno {
		a.set(r1, -int32(unix.EACCES))
		a.call(fnSetRetval)
	}
	a.set(r0, 0)
	a.emit(unix.BPF_JMP|unix.BPF_EXIT, 0, 0, 0, 0)
	return a.assemble()
}

// caller finds the calling process's cell.
func (a *assembler) caller(rules int) {
	a.call(fnCgroupID)
	a.storeImm(sideKey, kindCgroup)
	a.storeImm(sideKey+4, 0)
	a.store64(sideKey+offAddr, r0)
	a.storeImm(sideKey+offAddr+8, 0)
	a.storeImm(sideKey+offAddr+12, 0)
	a.lookup(rules, sideKey)
	a.set(r7, 0)
	a.jumpIf(unix.BPF_JEQ, r0, 0, "no owner")
	a.load(r7, r0, 0)
	a.label("no owner")
}

// address puts the address into the main key and sets r9 if it is every one.
func (a *assembler) address(v6 bool) {
	mapped := int32(binary.NativeEndian.Uint32([]byte{0, 0, 0xff, 0xff}))
	a.set(r9, 1)
	if !v6 {
		a.load(r1, r6, ctxIP4)
		a.storeImm(mainKey+offAddr, 0)
		a.storeImm(mainKey+offAddr+4, 0)
		a.storeImm(mainKey+offAddr+8, mapped)
		a.store(mainKey+offAddr+12, r1)
		a.jumpIf(unix.BPF_JEQ, r1, 0, "every address")
		a.set(r9, 0)
		a.label("every address")
		return
	}
	for i := int16(0); i < 16; i += 4 {
		a.load(r1, r6, ctxIP6+i)
		a.store(mainKey+offAddr+i, r1)
	}
	// :: and ::ffff:0.0.0.0
	for _, i := range []int16{0, 4, 12} {
		a.load(r1, r10, mainKey+offAddr+i)
		a.jumpIf(unix.BPF_JNE, r1, 0, "an address")
	}
	a.load(r1, r10, mainKey+offAddr+8)
	a.jumpIf(unix.BPF_JEQ, r1, 0, "every address")
	a.emit(unix.BPF_ALU|unix.BPF_MOV|unix.BPF_K, r2, 0, 0, mapped)
	a.jumps[len(a.code)] = "every address"
	a.emit(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_X, r1, r2, 0, 0)
	a.label("an address")
	a.set(r9, 0)
	a.label("every address")
}
