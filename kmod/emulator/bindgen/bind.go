package main

// The eBPF programs at the cells' bind(2) hooks.

import (
	"slices"

	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// The programs ask one map. A question is 24 bytes: a kind, an argument of
// 32 bits, and 16 bytes, of an address as a rule (IPv4 as ::ffff:a.b.c.d).
// The answer is a number of 32 bits, or that there is none.
const (
	offKind, offArg, offAddr = 0, 4, 8
	keySize                  = 24
)

// kinds of questions.
const (
	kindPort = iota + 1
	kindCgroup
	kindBound
	kindAddress
)

// constants are those that the user of the programs has to know.
var constants = []struct {
	name    string
	value   int
	comment string
}{
	{"ruleKeySize", keySize, "kind, arg, addr"},
	{"kindPort", kindPort, "arg: protocol<<16 | port in network order; addr → owning cell"},
	{"kindCgroup", kindCgroup, "addr: cgroup id → cell"},
	{"kindBound", kindBound, "arg: cell → 1, it may bind to its own addresses only"},
	{"kindAddress", kindAddress, "arg: cell; addr → 1, the address is its own"},
}

// What the registers hold from beginning to end.
const (
	rules    = asm.R8 // the map
	context  = asm.R6 // struct bpf_sock_addr
	cell     = asm.R7 // the caller's, 0 if it owns nothing
	wildcard = asm.R9 // 1 if it binds to every address
)

// rulesRef names the instruction that needs the map's descriptor.
const rulesRef = "rules"

// The questions on the stack: main holds the address that is bound to, side
// none, or the cgroup's id.
const mainKey, sideKey = -keySize, -2 * keySize

// Offsets in struct bpf_sock_addr, <linux/bpf.h>.
const ctxIP4, ctxIP6, ctxPort, ctxType = 4, 8, 24, 32

// mapped is the third word of ::ffff:0.0.0.0, in memory 0, 0, ff, ff, as a
// little-endian machine loads it.
const mapped = -0x10000

// program denies a bind to another cell's port, and to a foreign address for
// a cell that has its own. With errno it answers EACCES as NetBSD does, for
// which Linux has to be 5.18; otherwise the kernel makes it EPERM.
func program(v6, errno bool) asm.Instructions {
	address := address4
	if v6 {
		address = address6
	}
	return slices.Concat(
		asm.Instructions{
			asm.LoadMapPtr(rules, 0).WithReference(rulesRef),
			asm.Mov.Reg(context, asm.R1),
		},
		caller(), address(), ownAddress(), port(), verdict(errno),
	)
}

// label names the first instruction as a target for jumps.
func label(name string, block ...asm.Instruction) asm.Instructions {
	block[0] = block[0].WithSymbol(name)
	return block
}

// put stores 32 bits on the stack, fill the same four times: an address.
func put(offset int16, value int64) asm.Instruction {
	return asm.StoreImm(asm.RFP, offset, value, asm.Word)
}

func fill(key int16, value int64) asm.Instructions {
	a := key + offAddr
	return asm.Instructions{put(a, value), put(a+4, value), put(a+8, value), put(a+12, value)}
}

// question sets the kind and the argument.
func question(key int16, kind int64, arg asm.Register) asm.Instructions {
	return asm.Instructions{put(key+offKind, kind), asm.StoreMem(asm.RFP, key+offArg, arg, asm.Word)}
}

// ask looks the question up: R0 is where the answer is, or 0.
func ask(key int16) asm.Instructions {
	return asm.Instructions{
		asm.Mov.Reg(asm.R1, rules),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, int32(key)),
		asm.FnMapLookupElem.Call(),
	}
}

// caller finds out whose process this is.
func caller() asm.Instructions {
	return slices.Concat(
		asm.Instructions{
			asm.FnGetCurrentCgroupId.Call(),
			put(sideKey+offKind, kindCgroup),
			put(sideKey+offArg, 0),
			asm.StoreMem(asm.RFP, sideKey+offAddr, asm.R0, asm.DWord),
			put(sideKey+offAddr+8, 0),
			put(sideKey+offAddr+12, 0),
		},
		ask(sideKey),
		asm.Instructions{
			asm.Mov.Imm(cell, 0),
			asm.JEq.Imm(asm.R0, 0, "address"),
			asm.LoadMem(cell, asm.R0, 0, asm.Word),
		},
	)
}

// address4 and address6 put the address into the main question.
func address4() asm.Instructions {
	return slices.Concat(
		label("address", asm.Mov.Imm(wildcard, 1)),
		asm.Instructions{
			asm.LoadMem(asm.R1, context, ctxIP4, asm.Word),
			put(mainKey+offAddr, 0),
			put(mainKey+offAddr+4, 0),
			put(mainKey+offAddr+8, mapped),
			asm.StoreMem(asm.RFP, mainKey+offAddr+12, asm.R1, asm.Word),
			asm.JEq.Imm(asm.R1, 0, "own address"),
			asm.Mov.Imm(wildcard, 0),
		},
	)
}

func address6() asm.Instructions {
	a := label("address", asm.Mov.Imm(wildcard, 1))
	for word := int16(0); word < 16; word += 4 {
		a = append(a,
			asm.LoadMem(asm.R1, context, ctxIP6+word, asm.Word),
			asm.StoreMem(asm.RFP, mainKey+offAddr+word, asm.R1, asm.Word))
	}
	// Every address is :: and ::ffff:0.0.0.0.
	for _, word := range []int16{0, 4, 12} {
		a = append(a,
			asm.LoadMem(asm.R1, asm.RFP, mainKey+offAddr+word, asm.Word),
			asm.JNE.Imm(asm.R1, 0, "one address"))
	}
	return slices.Concat(a,
		asm.Instructions{
			asm.LoadMem(asm.R1, asm.RFP, mainKey+offAddr+8, asm.Word),
			asm.JEq.Imm(asm.R1, 0, "own address"),
			asm.Mov.Imm32(asm.R2, mapped), // a comparison with a number would extend its sign
			asm.JEq.Reg(asm.R1, asm.R2, "own address"),
		},
		label("one address", asm.Mov.Imm(wildcard, 0)),
	)
}

// ownAddress holds a cell to its own addresses, if it has some.
func ownAddress() asm.Instructions {
	return slices.Concat(
		label("own address", question(sideKey, kindBound, cell)...),
		// The rest of it is 0 since the first question.
		asm.Instructions{put(sideKey+offAddr, 0), put(sideKey+offAddr+4, 0)},
		ask(sideKey),
		asm.Instructions{asm.JEq.Imm(asm.R0, 0, "port")},
		question(mainKey, kindAddress, cell),
		ask(mainKey),
		asm.Instructions{asm.JEq.Imm(asm.R0, 0, "deny")},
	)
}

// port looks for a reservation by another cell: of a part when it binds to
// every address, otherwise of this address or of every one.
func port() asm.Instructions {
	return slices.Concat(
		label("port",
			asm.LoadMem(asm.R1, context, ctxPort, asm.Word),
			asm.JEq.Imm(asm.R1, 0, "allow"), // the kernel chooses one
			asm.LoadMem(asm.R3, context, ctxType, asm.Word),
			asm.Mov.Imm(asm.R2, unix.IPPROTO_UDP<<16),
			asm.JEq.Imm(asm.R3, unix.SOCK_DGRAM, "protocol"),
			asm.Mov.Imm(asm.R2, unix.IPPROTO_TCP<<16),
		),
		label("protocol", asm.Or.Reg(asm.R2, asm.R1)),
		question(mainKey, kindPort, asm.R2),
		asm.Instructions{asm.JEq.Imm(wildcard, 0, "reserved here")},
		fill(mainKey, -1),
		owner(mainKey, "allow"),
		asm.Instructions{asm.Ja.Label("allow")},

		label("reserved here", owner(mainKey, "reserved everywhere")...),
		label("reserved everywhere", fill(mainKey, 0)...),
		owner(mainKey, "allow"),
	)
}

// owner denies when the port is another cell's.
func owner(key int16, free string) asm.Instructions {
	return append(ask(key),
		asm.JEq.Imm(asm.R0, 0, free),
		asm.LoadMem(asm.R1, asm.R0, 0, asm.Word),
		asm.JNE.Reg(asm.R1, cell, "deny"),
	)
}

func verdict(errno bool) asm.Instructions {
	allow := label("allow", asm.Mov.Imm(asm.R0, 1), asm.Return())
	deny := asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()}
	if errno {
		deny = slices.Insert(deny, 0,
			asm.Mov.Imm(asm.R1, -int32(unix.EACCES)),
			asm.FnSetRetval.Call(),
		)
	}
	return slices.Concat(allow, label("deny", deny...))
}
