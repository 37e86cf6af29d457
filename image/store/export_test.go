package store

// What the stories of the store look at: it is on the disk, and what other
// programs may not rely on.
const (
	PartAge     = partAge
	IngestDir   = ingestDir
	KindPartial = kindPartial
)
