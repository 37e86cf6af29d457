package image

// The vocabulary of layers.

// Compression is how a layer's tar archive is compressed.
type Compression string

// Compressions that are read and written.
const (
	Gzip Compression = "gzip"
	Zstd Compression = "zstd"
	None Compression = "none"
)
