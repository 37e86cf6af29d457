package runtime

// create (runtime.md, "Create"): from a bundle to a process that waits to be
// started.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/containerd/log"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/launch"
	"github.com/netbsd-cells/runcell/runtime/internal/rootfs"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"github.com/netbsd-cells/runcell/runtime/internal/undo"
)

const configFile = "config.json"

// Create makes a container and leaves it in the created state, and gives its
// first process, which waits for Start. On any error nothing of it is left.
func (r *Runtime) Create(ctx context.Context, o CreateOptions) (*Process, error) {
	o.Detach = true
	c, _, err := r.create(ctx, o)
	if err != nil {
		return nil, err
	}
	defer c.Release()
	return r.handle(c.child), nil
}

// create gives a created, still locked container, and the terminal's master
// (-1 = none) when nobody else got it.
func (r *Runtime) create(ctx context.Context, o CreateOptions) (c *container, master int, err error) {
	plan, err := r.loadPlan(o)
	if err != nil {
		return nil, -1, err
	}
	caller := o.caller(r.nofile)
	if err := caller.Check(plan.Process); err != nil {
		return nil, -1, err
	}
	if err := r.protectFromHooks(plan); err != nil {
		return nil, -1, err
	}
	if err := checkNamespaces(plan); err != nil {
		return nil, -1, err
	}
	c, err = r.newContainer(ctx, o.ID)
	if err != nil {
		return nil, -1, err
	}
	done := &undo.Stack{}
	done.Did("state directory", nil)
	master, err = c.build(ctx, done, plan, o)
	if cause := context.Cause(ctx); cause != nil {
		err = cause // whatever came of it
	}
	if err != nil {
		sys.CloseFD(master)
		err = fmt.Errorf("create %q: %w", o.ID, err)
		if uerr := c.undo(done); uerr != nil {
			err = fmt.Errorf("%w (and undoing it: %w; use `delete --force`)", err, uerr)
		}
		c.Release()
		return nil, -1, err
	}
	return c, master, nil
}

// protectFromHooks protects our binary where programs of the container see a
// process that still shows it: the first one, between create and start. Without
// startContainer hooks nobody is there to look, and nothing is paid.
func (r *Runtime) protectFromHooks(plan *oci.Plan) error {
	if len(plan.Hooks.StartContainer) == 0 {
		return nil
	}
	return r.protect()
}

// undo takes a failed create back. The state directory goes only after all
// else has: what stays is then listed, and the next create of the id, recover
// and delete find it.
func (c *container) undo(done *undo.Stack) error {
	if err := done.Rollback(); err != nil {
		return err
	}
	return c.remove()
}

// loadPlan reads and compiles the bundle's config.
func (r *Runtime) loadPlan(o CreateOptions) (*oci.Plan, error) {
	if err := state.ValidateID(o.ID); err != nil {
		return nil, err
	}
	cfg, err := oci.LoadFile(filepath.Join(o.Bundle, configFile))
	if err != nil {
		return nil, err
	}
	features, err := r.kmod.Features()
	if err != nil {
		return nil, fmt.Errorf("look at the kernel: %w", err)
	}
	plan, err := oci.Compile(cfg, features)
	if err != nil {
		return nil, err
	}
	if r.strict {
		if err := plan.Strict(); err != nil {
			return nil, err
		}
	}
	if o.NoCgroup {
		plan.CgroupsPath = ""
	}
	return plan, nil
}

// build does create's steps, each with its undo.
func (c *container) build(ctx context.Context, done *undo.Stack, plan *oci.Plan, o CreateOptions) (master int, err error) {
	root, err := resolveRoot(o.Bundle, plan.Root.Path)
	if err != nil {
		return -1, err
	}
	c.Record = state.Record{
		ID: o.ID, OCIVersion: plan.OCIVersion, Phase: state.Creating, Bundle: o.Bundle, Rootfs: root,
		Created: time.Now().UTC(), Owner: owner(), Annotations: plan.Annotations, Restarts: o.Restarts,
		NoPorts: len(plan.Cell.Ports) == 0,
	}
	if err := c.SavePlan(plan); err != nil {
		return -1, err
	}
	if err := c.Save(); err != nil {
		return -1, err
	}
	done.Did("record", nil)
	c.logWarnings(ctx, plan)

	fs, err := rootfs.New(rootfs.Options{
		Plan: plan, Bundle: o.Bundle, Source: root, NoPivot: o.NoPivot, StateDir: c.Dir,
		Record: c.recordMount, Recorded: func() []string { return c.Mounts },
	})
	if err != nil {
		return -1, err
	}
	defer fs.Close()
	done.Did("root filesystem", fs.Unmount)

	if err := c.holdAddresses(ctx, done, plan.Cell.Addresses); err != nil {
		return -1, err
	}
	if err := c.createCell(plan); err != nil {
		return -1, err
	}
	done.Did("cell", func() error { return c.rt.destroyCell(c.Cell) })

	l := &launch.Launch{
		Container: c.Container, Kmod: c.rt.kmod, Plan: plan, Root: fs, Undo: done, Caller: o.caller(c.rt.nofile),
		Released: o.run, Monitor: !c.rt.embedded,
	}
	c.child, master, err = l.Create(ctx)
	return master, err
}

// holdAddresses puts addresses onto their interfaces.
func (c *container) holdAddresses(ctx context.Context, done *undo.Stack, list []oci.Address) error {
	if !c.rt.addresses.Needed(list) {
		return nil
	}
	done.Did("addresses begin", func() error { return c.rt.addresses.Drop(c.ID) })
	return c.rt.addresses.Hold(ctx, c.ID, list)
}

// logWarnings tells what the cell does not honour, one line a field. Where
// nobody reads warnings they are not even made.
func (c *container) logWarnings(ctx context.Context, plan *oci.Plan) {
	logger := log.G(ctx).WithField("id", c.ID)
	if !logger.Logger.IsLevelEnabled(log.InfoLevel) {
		return
	}
	warnings := plan.Warnings()
	if c.rt.embedded {
		fields := make([]string, len(warnings))
		for i, n := range warnings {
			fields[i] = n.Field
		}
		fresh := c.rt.warned.first(fields)
		warnings = slices.DeleteFunc(warnings, func(n oci.Note) bool { return !fresh[n.Field] })
	}
	for _, n := range warnings {
		logger.Warnf("%s: %s: %s", n.Field, n.Grade, n.Reason)
	}
}

// resolveRoot gives root.path without links. The bundle is the caller's, and
// trusted; what is below the root is not.
func resolveRoot(bundle, path string) (string, error) {
	if !filepath.IsAbs(path) {
		path = bundle + "/" + path // ".." in it is the kernel's to resolve
	}
	root, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", fmt.Errorf("root.path: %w", err)
	}
	fi, err := os.Stat(root)
	if err != nil {
		return "", fmt.Errorf("root.path: %w", err)
	}
	if !fi.IsDir() {
		return "", fmt.Errorf("root.path %s: not a directory", root)
	}
	if root == "/" {
		return "", errors.New(`root.path is "/": a cell needs a root of its own`)
	}
	return root, nil
}

// owner names who runs this command, as `list` shows it.
func owner() string {
	uid := os.Getuid()
	if uid == 0 {
		return "root"
	}
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return strconv.Itoa(uid)
}
