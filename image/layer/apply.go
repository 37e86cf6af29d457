package layer

// The loop over a layer's entries, and what each does to the tree.

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/archive"
	"github.com/netbsd-cells/runcell/image/internal/stream"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/kmod/inroot"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"
)

// Applier puts layers into a tree, one after the other.
type Applier struct {
	tree *inroot.Tree
	// Budget is what is left for the image's other layers.
	Budget  *Budget
	notes   *image.Notes
	root    bool // we can give files away and make devices
	group   int  // of new files, unless it is the directory's
	devices bool // device numbers mean the same to this kernel and the image
	buf     []byte
	flags   []flagged // for the end
	in      *stream.Counter

	// Of the current layer:
	number int
	digest digest.Digest
	own    *pathSet // what it made; nil in the lowest layer, where nothing can be hidden
}

// NewApplier gives an Applier for the tree, which the caller closes. n gets what
// could not be carried out. devices tells that the image is for this system, so
// that its device numbers mean the same.
func NewApplier(t *inroot.Tree, limits image.Limits, n *image.Notes, devices bool) *Applier {
	a := &Applier{
		tree: t, Budget: &Budget{Limits: limits}, notes: n,
		root: os.Geteuid() == 0, group: os.Getegid(), devices: devices, buf: make([]byte, stream.AheadSize), in: &stream.Counter{},
	}
	t.Imply(a.Budget.TakeEntry, a.yields)
	return a
}

// Apply applies one layer, the number-th from 1, and verifies it. An entry that
// is refused is an *image.EntryError; content that is not what the config
// promises wraps verify.ErrMismatch. On an error the tree holds a part of the
// layer: the caller throws the tree away.
func (a *Applier) Apply(ctx context.Context, number int, layer manifest.Layer, r *Reader) error {
	a.number, a.digest, a.own = number, layer.Digest, nil
	if number > 1 {
		a.own = newPathSet()
	}
	defer func() { a.own = nil }() // nothing gives way to what is made later
	if err := a.entries(ctx, r); err != nil {
		var refused *image.EntryError
		if errors.As(err, &refused) {
			return err
		}
		return fmt.Errorf("apply layer %d (%s): %w", number, layer.Digest, err)
	}
	if err := errors.Join(r.finish(), a.dropAufs()); err != nil {
		return fmt.Errorf("apply layer %d (%s): %w", number, layer.Digest, err)
	}
	if r.plain.misnamed {
		a.notes.Add(fmt.Sprintf("layer %d (%s)", number, layer.Digest), noteCompressed+string(r.plain.compression))
	}
	return a.tree.Leave(1)
}

// entries applies the entries of a tar archive.
func (a *Applier) entries(ctx context.Context, r io.Reader) error {
	a.in = &stream.Counter{Reader: r}
	return archive.Entries(a.in, func(hdr *tar.Header, content io.Reader) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := a.entry(hdr, content); err != nil {
			return a.refusal(hdr, err)
		}
		return nil
	})
}

// Names with a meaning of their own (image-spec, layer.md, "Whiteouts").
const (
	// Whiteout begins the name of an entry that hides one of a lower layer.
	Whiteout = ".wh."
	opaque   = ".wh..wh..opq"
)

// entry applies one entry of a layer.
func (a *Applier) entry(hdr *tar.Header, r io.Reader) error {
	if err := a.Budget.TakeEntry(); err != nil {
		return err
	}
	if hdr.Typeflag == tar.TypeXGlobalHeader {
		a.notes.Add(image.Quote(hdr.Name), "a PAX global header, which no container tool applies, was left out")
		return nil
	}
	names, err := a.components(hdr, hdr.Name)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return a.rootEntry(hdr)
	}
	dir, name := names[:len(names)-1], names[len(names)-1]
	switch aufs, link := isAufs(hdr, names); {
	case aufs:
		a.notes.Add(image.Quote(hdr.Name), "aufs metadata was left out")
		if !link {
			return nil
		}
	case slices.ContainsFunc(dir, func(d string) bool { return strings.HasPrefix(d, Whiteout) }):
		return fmt.Errorf("a directory in its name starts with %s, which is reserved for whiteouts", Whiteout)
	case strings.HasPrefix(name, Whiteout):
		return a.whiteout(dir, name)
	case hdr.Typeflag == tar.TypeLink:
		return a.hardlink(hdr, dir, name)
	}
	if err := a.tree.Enter(dir, true); err != nil {
		return err
	}
	if err := a.make(hdr, name, r); err != nil {
		return err
	}
	a.mark(name)
	return nil
}

// mark records that this layer made name in the current directory.
func (a *Applier) mark(name string) {
	if a.own != nil {
		a.own.add(a.tree.Join(name))
	}
}

// rootEntry applies "." or "/": the root directory's own metadata.
func (a *Applier) rootEntry(hdr *tar.Header) error {
	if hdr.Typeflag != tar.TypeDir {
		return fmt.Errorf("it would replace the root directory by a %s", TypeName(hdr.Typeflag))
	}
	if err := a.tree.Leave(1); err != nil {
		return err
	}
	if err := a.clearXattrs("."); err != nil {
		return err
	}
	if err := a.metadata(hdr, ".", nil); err != nil {
		return err
	}
	return a.tree.Refresh()
}

// whiteout hides what lower layers have below dir, never what this layer
// made itself, wherever the whiteout stands in the archive.
func (a *Applier) whiteout(dir []string, name string) error {
	hidden := strings.TrimPrefix(name, Whiteout)
	switch {
	case name == opaque:
	case hidden == "":
		return errors.New("a whiteout without a name")
	case hidden == "." || hidden == "..":
		return fmt.Errorf("a whiteout of %q", hidden)
	case strings.HasPrefix(hidden, Whiteout):
		return fmt.Errorf("a whiteout of a name that starts with %s", Whiteout)
	}
	if a.own == nil {
		return nil
	}
	if err := a.tree.Enter(dir, false); err != nil {
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
			return nil // nothing there to hide
		}
		return err
	}
	if name == opaque {
		return a.hideLower()
	}
	return a.hide(hidden)
}

// hideLower removes from the current directory what this layer didn't make.
func (a *Applier) hideLower() error {
	names, err := a.tree.Names()
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := a.hide(n); err != nil {
			return err
		}
	}
	return nil
}

// hide removes what lower layers have at name in the current directory.
func (a *Applier) hide(name string) error {
	if !a.own.has(a.tree.Join(name)) {
		return a.tree.Remove(name)
	}
	depth := a.tree.Depth()
	err := a.tree.Push(name)
	if inroot.IsNotDir(err) {
		return nil // this layer's own file
	}
	if err != nil {
		return err
	}
	return errors.Join(a.hideLower(), a.tree.Leave(depth))
}
