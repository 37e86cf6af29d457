package layer

// The set of paths that a layer has made.

import (
	"hash/maphash"
	"strings"
)

// pathSet is a set of paths that takes the same memory for long and short
// ones. It keeps two hashes with secret seeds: 128 bits that no image can
// make collide.
type pathSet struct {
	seeds [2]maphash.Seed
	m     map[[2]uint64]struct{}
}

func newPathSet() *pathSet {
	return &pathSet{[2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, map[[2]uint64]struct{}{}}
}

func (s *pathSet) key(path string) [2]uint64 {
	return [2]uint64{maphash.String(s.seeds[0], path), maphash.String(s.seeds[1], path)}
}

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
