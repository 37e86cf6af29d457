package layer

// The set of paths that a layer has made.

import (
	"hash/maphash"
	"strings"
)

// pathSet is a set of paths that takes the same memory for long and short
// ones, about 15 bytes. It keeps hashes with a secret seed, of 64 bits: no image
// can make two of its names collide, and among two million they do so by chance
// once in ten million times. Then a whiteout leaves one file too many.
type pathSet struct {
	seed maphash.Seed
	m    map[uint64]struct{}
}

func newPathSet() *pathSet {
	return &pathSet{maphash.MakeSeed(), map[uint64]struct{}{}}
}

func (s *pathSet) key(path string) uint64 { return maphash.String(s.seed, path) }

// add adds a path and the directories above it.
func (s *pathSet) add(path string) {
	for {
		k := s.key(path)
		if _, ok := s.m[k]; ok {
			return
		}
		s.m[k] = struct{}{}
		i := strings.LastIndexByte(path, '/')
		if i < 0 {
			return
		}
		path = path[:i]
	}
}

func (s *pathSet) has(path string) bool {
	_, ok := s.m[s.key(path)]
	return ok
}
