package layer

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
// has none, until the test ends.
func FakeFlags(tb interface{ Cleanup(func()) }, set func(fd int, bits uint32) error) {
	f, have := fchflags, haveFlags
	tb.Cleanup(func() { fchflags, haveFlags = f, have })
	fchflags, haveFlags = set, set != nil
}
