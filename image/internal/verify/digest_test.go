package verify

import (
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// FuzzDigest: what is accepted is a safe file name.
func FuzzDigest(f *testing.F) {
	for _, s := range []string{string(digest.FromBytes(nil)), "sha256:../../x", "sha512:" + strings.Repeat("a", 128), "md5:x", ":", "sha256:", "sha384:" + strings.Repeat("a", 96)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d := digest.Digest(s)
		if Digest(d) != nil {
			return
		}
		if name := BlobName(d); strings.Count(name, "/") != 2 || strings.ContainsAny(name, ".\x00") || name != "blobs/"+strings.Replace(s, ":", "/", 1) {
			t.Fatalf("the blob of %q is the file %q", s, name)
		}
	})
}
