package bundle

// Bundles whose root file system the store keeps. The bundle itself has only
// config.json and image.json, and lies below the runtime's state directory,
// often in memory and gone after a reboot. What it needs of the disk is here:
//
//	unpacked/CHAIN/rootfs   an image's layers, unpacked once; cells share it
//	                        (CHAIN/complete: it is whole)
//	                        read-only, or get a copy. CHAIN is the chain ID,
//	                        and a hash of volumes that the layers don't have
//	cells/KEY/cell.json     who uses it; KEY is a hash of the bundle's path
//	cells/KEY/rootfs        the copy
//
// A cell is in use as long as its bundle exists, or its root is mounted.

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/layer"
	"github.com/netbsd-cells/runcell/image/layout"
	"github.com/netbsd-cells/runcell/image/store"
	"github.com/netbsd-cells/runcell/kmod/inroot"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// MakeOptions say how to make a bundle whose root file system the store keeps.
type MakeOptions struct {
	UnpackOptions
	// Rootfs is RootfsCopy or RootfsShared.
	Rootfs string
}

// Make makes a bundle of the image called name in the directory path, which must
// not exist. Release removes it. On an error nothing is left of it, and a name
// that the store does not have wraps store.ErrNoImage.
func Make(ctx context.Context, s *store.Store, name, path string, o MakeOptions) (_ *Result, err error) {
	if o.Rootfs != RootfsCopy && o.Rootfs != RootfsShared {
		return nil, fmt.Errorf("root file system %s: want %s or %s", image.Quote(o.Rootfs), RootfsCopy, RootfsShared)
	}
	o.UnpackOptions = o.withDefaults()
	img, full, err := s.Find(name, o.want())
	if err != nil {
		return nil, err
	}
	fail := func(err error) (*Result, error) { return nil, fmt.Errorf("make bundle of %s: %w", full, err) }
	if path, err = filepath.Abs(path); err != nil {
		return fail(err)
	}
	b, err := openBundle(path, true)
	if err != nil {
		return fail(err)
	}
	defer func() { // the files first, then what says where the rest is
		if err != nil {
			err = errors.Join(b.dropFile(configName), b.dropFile(configTemp), s.EndLease(path), err)
		}
		err = errors.Join(err, b.close(err != nil))
	}()
	// First, so that what is left of it says where the rest is. Nothing is
	// synced: no cell survives a reboot.
	origin := Origin{Image: full, Manifest: img.Descriptor.Digest, Store: s.Dir, Rootfs: o.Rootfs, Entrypoint: len(img.Config.Config.Entrypoint)}
	if err := b.writeJSON(originName, origin, false); err != nil {
		return fail(err)
	}
	m := &bundleMaker{store: s, img: img, o: o, notes: &image.Notes{}}
	m.notes.Merge(img.Notes.List)
	spec, res, err := m.make(ctx, path)
	if err != nil {
		return fail(err)
	}
	if o.Strict && len(res.Notes) > 0 {
		return fail(fmt.Errorf("refused by --strict: %w", notesError(res.Notes)))
	}
	if err := errors.Join(b.writeJSON(configName, spec, false), b.check()); err != nil {
		return fail(err)
	}
	return res, nil
}

// bundleMaker makes what one bundle needs in the store.
type bundleMaker struct {
	store *store.Store
	img   *layout.Image
	o     MakeOptions
	notes *image.Notes
	res   Result
}

func (m *bundleMaker) make(ctx context.Context, path string) (*specs.Spec, *Result, error) {
	s := m.store
	base := ""
	if m.o.Rootfs == RootfsShared {
		base = baseName(m.img)
	}
	dir, err := s.Lease(path, base)
	if err != nil {
		return nil, nil, err
	}
	rootfs := dir + "/" + rootfsName
	if base != "" {
		rootfs = store.UnpackedDir + "/" + base + "/" + rootfsName
		err = s.Unpacked(ctx, base, func(temp string) error { return m.unpackTo(ctx, temp) })
	} else {
		err = m.copy(ctx, rootfs)
	}
	if err != nil {
		return nil, nil, err
	}
	spec, err := m.spec(rootfs)
	m.res.Manifest, m.res.Platform, m.res.Layers, m.res.Notes = m.img.Descriptor.Digest, m.img.Config.Platform, len(m.img.Layers), m.notes.List
	return spec, &m.res, err
}

// baseName is the name of the image's directory in unpacked/. Volumes get
// their directories while unpacking, so they are part of it.
func baseName(img *layout.Image) string {
	var ids []digest.Digest
	for _, l := range img.Layers {
		ids = append(ids, l.DiffID)
	}
	name := identity.ChainID(ids).Encoded()
	if len(ids) == 0 {
		name = digest.FromString("").Encoded()
	}
	if dirs := strings.Join(append(slices.Sorted(maps.Keys(img.Config.Config.Volumes)), img.Config.Config.WorkingDir), "\x00"); dirs != "" {
		name += "-" + digest.FromString(dirs).Encoded()[:16]
	}
	return name
}

// unpackTo unpacks the image below the store's directory dir, whole and on
// the disk, or not at all.
func (m *bundleMaker) unpackTo(ctx context.Context, dir string) (err error) {
	b, err := newBundle(m.store.Dir + "/" + dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close(err != nil)) }()
	res, _, err := unpackImage(ctx, m.img, b.dir, m.o.UnpackOptions, (*layer.Applier).SetFlags)
	if err != nil {
		return err
	}
	m.res.Entries, m.res.Size = res.Entries, res.Size
	for _, n := range res.Notes {
		if !strings.HasPrefix(n.Where, "config.") { // spec tells those
			m.notes.Merge([]image.Note{n})
		}
	}
	if err := makeMountPoints(b.dir); err != nil {
		return err
	}
	if !m.o.NoSync {
		return b.sync()
	}
	return nil
}

// makeMountPoints makes the directories for what is mounted in every cell: in
// a read-only root they could not be made later.
func makeMountPoints(bundle *os.Root) error {
	f, err := bundle.Open(rootfsName)
	if err != nil {
		return err
	}
	t, err := inroot.OpenTree(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	for _, mount := range defaultMounts() {
		names := strings.Split(mount.Destination, "/")
		if names[1] != "dev" || len(names) == 2 { // below /dev is another file system
			err = errors.Join(err, t.Enter(names, true))
		}
	}
	return errors.Join(err, t.Close())
}

// copy gives the cell a root file system of its own: a copy of the unpacked
// one, if there is one, or else the layers themselves.
func (m *bundleMaker) copy(ctx context.Context, rootfs string) error {
	base := baseName(m.img)
	from := m.store.Dir + "/" + store.UnpackedDir + "/" + base + "/" + rootfsName
	there, err := m.store.HasUnpacked(base)
	if err != nil {
		return err
	}
	if !there {
		return m.store.Adopt(rootfsName, rootfs, func(temp string) error { return m.unpackTo(ctx, temp) })
	}
	if err := m.store.Mkdir(rootfs); err != nil {
		return err
	}
	return layer.Copy(ctx, from, m.store.Dir+"/"+rootfs, *m.o.Limits, nil)
}

// spec makes the runtime config.
func (m *bundleMaker) spec(rootfs string) (_ *specs.Spec, err error) {
	t, err := m.store.OpenTree(rootfs)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	spec, err := runtimeSpec(t, &m.img.Config, m.o.ReservePorts, m.notes)
	if err != nil {
		return nil, err
	}
	spec.Root.Path = m.store.Dir + "/" + rootfs
	if m.o.Rootfs != RootfsShared {
		return spec, nil
	}
	spec.Root.Readonly = true
	m.notes.List = slices.DeleteFunc(m.notes.List, func(n image.Note) bool { return n.Reason == volumeInRootfs })
	for _, dir := range writable(&m.img.Config.Config.Volumes) {
		mount, err := scratch(t, dir)
		if err != nil {
			return nil, err
		}
		if mount != nil {
			spec.Mounts = append(spec.Mounts, *mount)
		}
	}
	return spec, nil
}

// scratchDirs are where programs expect to write for the time being.
var scratchDirs = []string{"/tmp", "/var/tmp", "/var/run", "/run", "/var/log"}

// scratchSize bounds what one directory may take of the memory.
const scratchSize = "size=256m"

// writable lists the directories that get a tmpfs: the usual ones and the
// image's volumes, those above before those below.
func writable(volumes *map[string]struct{}) []string {
	list := slices.Clone(scratchDirs)
	for v := range *volumes {
		if names, err := image.Components(v, 4096); err == nil && len(names) > 0 {
			list = append(list, "/"+strings.Join(names, "/"))
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// scratch gives the mount for a directory, nil if the image has none there.
// The content that the image has is copied.
func scratch(t *inroot.Tree, dir string) (*specs.Mount, error) {
	names := strings.Split(dir, "/")
	err := t.Enter(names, false)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil, nil //nolint:nilnil // no mount is no error
	}
	if err != nil {
		return nil, err
	}
	if "/"+t.Path() != dir {
		return nil, nil //nolint:nilnil // a link: where it leads has its own mount, if any
	}
	var st unix.Stat_t
	if err := t.Stat(&st); err != nil {
		return nil, err
	}
	return &specs.Mount{Destination: dir, Type: "tmpfs", Source: "tmpfs", Options: []string{
		"nosuid", "nodev", "tmpcopyup", scratchSize,
		"uid=" + strconv.FormatUint(uint64(st.Uid), 10), "gid=" + strconv.FormatUint(uint64(st.Gid), 10),
	}}, nil
}

// Release removes a bundle that Make made, and what the store keeps for
// it. Nothing may be mounted in it any more. Without a store (nil) that is the
// bundle alone.
func Release(s *store.Store, bundle string) error {
	bundle, err := filepath.Abs(bundle)
	if err == nil {
		err = release(s, bundle)
	}
	if err != nil {
		return fmt.Errorf("remove bundle %s: %w", bundle, err)
	}
	return nil
}

// release takes config.json away first: a bundle that has it is whole, also if
// this is killed. What says where the rest is goes last.
func release(s *store.Store, bundle string) error {
	if err := removeFiles(bundle, configName, configTemp); err != nil {
		return err
	}
	if s != nil {
		if err := s.EndLease(bundle); err != nil {
			return err
		}
	}
	return removeFiles(bundle, originName, originTemp, ".")
}
