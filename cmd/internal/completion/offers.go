package completion

// Words that every program knows.

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Plain offers these words.
func Plain(words ...string) Offer {
	return func(Query) (list []Word) {
		for _, w := range words {
			list = append(list, Word{Text: w})
		}
		return list
	}
}

// Files offers files and directories.
func Files(q Query) []Word { return paths(q.Word, false) }

// Dirs offers directories.
func Dirs(q Query) []Word { return paths(q.Word, true) }

// Behind offers what stands behind a prefix, and the prefix itself.
func Behind(prefix, about string, offer Offer) Offer {
	return func(q Query) (list []Word) {
		rest, ok := strings.CutPrefix(q.Word, prefix)
		if !ok {
			return []Word{{prefix, about}}
		}
		q.Word = rest
		for _, w := range offer(q) {
			list = append(list, Word{prefix + w.Text, w.About})
		}
		return list
	}
}

// Any offers what any of the offers has.
func Any(offers ...Offer) Offer {
	return func(q Query) (list []Word) {
		for _, o := range offers {
			list = append(list, o(q)...)
		}
		return list
	}
}

// Paths offers files where the word is a path to runcell, which begins with a
// slash or a dot.
func Paths(q Query) []Word {
	if q.Word == "" || q.Word[0] != '/' && q.Word[0] != '.' {
		return nil
	}
	return Files(q)
}

// paths lists a directory. A name that could be taken for a flag gets a "./".
func paths(typed string, onlyDirs bool) (words []Word) {
	dir, base := filepath.Split(typed)
	at := dir
	if at == "" {
		at = "."
	}
	entries, err := os.ReadDir(at)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		name := e.Name()
		if !strings.HasPrefix(name, base) || name[0] == '.' && base == "" {
			continue
		}
		dir := dir
		if dir == "" && base == "" && name[0] == '-' {
			dir = "./"
		}
		isDir := e.IsDir()
		if !isDir && e.Type()&os.ModeSymlink != 0 {
			fi, err := os.Stat(at + "/" + name)
			isDir = err == nil && fi.IsDir()
		}
		if isDir {
			words = append(words, Word{Text: dir + name + "/"})
		} else if !onlyDirs {
			words = append(words, Word{Text: dir + name})
		}
	}
	return words
}

// ImageNames are names of images, and their short forms where they mean the same.
func ImageNames(full []string) (words []Word) {
	for _, name := range full {
		words = append(words, Word{Text: name})
		if short, ok := strings.CutPrefix(name, "localhost/"); ok {
			words = append(words, Word{Text: short})
		}
	}
	return words
}

// Platforms offers those that NetBSD has in releases, and their Linux kin.
func Platforms(Query) (words []Word) {
	for _, system := range []string{"netbsd", "linux"} {
		for _, arch := range []string{"amd64", "arm64", "arm", "386"} {
			words = append(words, Word{Text: system + "/" + arch})
		}
	}
	return words
}

// Signals offers signals by name, with SIG if that is typed.
func Signals(q Query) (words []Word) {
	for s := syscall.Signal(1); s < 64; s++ {
		name := unix.SignalName(s)
		if !strings.HasPrefix(q.Word, "SIG") {
			name = strings.TrimPrefix(name, "SIG")
		}
		if name != "" {
			words = append(words, Word{Text: name})
		}
	}
	return words
}
