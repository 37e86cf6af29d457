package snapshots

// Which top-level directories of an image a container gets of its own, and which
// it shares with others.

import (
	"fmt"
	"slices"
	"strings"

	"github.com/netbsd-cells/runcell/kmod/inroot"
	"golang.org/x/sys/unix"
)

// ownDirs are written to by what runs in a system (hier(7)), or are mounted upon.
var ownDirs = []string{"dev", "etc", "home", "kern", "media", "mnt", "proc", "root", "run", "srv", "sys", "tmp", "var"}

// Own says which top-level directories a container gets copies of besides the
// usual ones.
type Own struct {
	all   bool
	names []string
}

// ParseOwn reads a list of names, separated by commas. "*" is all of them: a copy
// of the whole image.
func ParseOwn(list string) (Own, error) {
	var o Own
	for name := range strings.SplitSeq(list, ",") {
		switch name = strings.Trim(name, "/"); {
		case name == "":
		case name == "*":
			o.all = true
		case !plain(name):
			return Own{}, fmt.Errorf("%q: want names of top-level directories, separated by commas, or *", name)
		default:
			o.names = append(o.names, name)
		}
	}
	return o, nil
}

func (o Own) with(other Own) Own {
	return Own{all: o.all || other.all, names: slices.Concat(o.names, other.names)}
}

func (o Own) has(name string) bool {
	return o.all || !plain(name) || slices.Contains(ownDirs, name) || slices.Contains(o.names, name)
}

// plain tells whether a name can be a mount's target. Others are copied: a name
// is an image's choice, and goes through APIs and configurations.
func plain(name string) bool {
	const most = 255
	ok := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._+-@", r)
	}
	return name != "" && name != "." && name != ".." && len(name) <= most && !strings.ContainsFunc(name, func(r rune) bool { return !ok(r) })
}

// shared lists the top-level directories of a tree that a container does not get
// of its own. An empty one is as good as the container's.
func (o Own) shared(fs string) (names []string, err error) {
	err = inTree(fs, func(t *inroot.Tree) error {
		all, err := t.Names()
		if err != nil {
			return err
		}
		for _, name := range all {
			var st unix.Stat_t
			if err := t.Lstat(name, &st); err != nil {
				return err
			}
			if st.Mode&unix.S_IFMT != unix.S_IFDIR || o.has(name) {
				continue
			}
			if err := t.Push(name); err != nil {
				return err
			}
			inside, err := t.Names()
			if err != nil {
				return err
			}
			if err := t.Leave(1); err != nil {
				return err
			}
			if len(inside) > 0 {
				names = append(names, name)
			}
		}
		return nil
	})
	slices.Sort(names)
	return names, err
}
