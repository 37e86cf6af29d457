package layer

import "github.com/netbsd-cells/runcell/kmod/inroot"

// What the stories of layers look at.
const (
	Opaque        = opaque
	PaxXattr      = paxXattr
	RootlessOwner = rootlessOwner
)

var (
	EncodeOwner = encodeOwner
	FlagNames   = flagNames
	InodeOf     = inodeOf
	KnownFlags  = knownFlags
)

// FakeFlags lets set stand for a system that has file flags, or nil for one that
// has none, until the test ends. set gets the path inside the tree, "/." for the
// root.
func FakeFlags(tb interface{ Cleanup(func()) }, set func(path string, bits uint32) error) {
	f, have := setFlags, haveFlags
	tb.Cleanup(func() { setFlags, haveFlags = f, have })
	setFlags = func(t *inroot.Tree, name string, bits uint32) error { return set("/"+t.Join(name), bits) }
	haveFlags = set != nil
}

// LessGrace lets the ratio of a layer count from n bytes on, until the test ends.
func LessGrace(tb interface{ Cleanup(func()) }, n int64) {
	was := ratioGrace
	tb.Cleanup(func() { ratioGrace = was })
	ratioGrace = n
}
