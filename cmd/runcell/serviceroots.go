package main

// Root file systems of declared cells: a new one beside the old, back to the old,
// and an end of what is not used.

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/cmd/internal/service"
	"github.com/netbsd-cells/runcell/kmod/inroot"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/urfave/cli/v3"
)

func (a *app) rootsCommands() []*cli.Command {
	all := &cli.BoolFlag{Name: "all", Aliases: []string{"a"}, Usage: "all cells that are declared"}
	return []*cli.Command{
		a.onOne("upgrade", "run a cell on another image; settings and data stay", "NAME [IMAGE]", `Unpacks the image into a new root file system, writes IMAGE into the declaration, and restarts
the cell if it runs. Without IMAGE it is what the declared name means in the store now. The
old root file system stays, until "runcell service prune".`, 2, (*services).upgrade),
		a.onOne("rollback", "run a cell on the root file system before", "NAME", `Takes back the last upgrade: root file system, image in the declaration, and restart.`, 1, (*services).rollback),
		a.onOne("export", "pack a cell that is stopped: declaration, root file system, data", "NAME FILE", "For \"service import\" on another machine.", 2, (*services).export),
		a.importCommand(),
		a.onServices("prune", "remove root file systems that are not the current one", "Data directories stay. Of a cell that is named and not declared any more all are removed.", (*services).prune, all),
	}
}

// onOne is a command on one cell, and perhaps a second argument.
func (a *app) onOne(name, usage, args, more string, most int, do func(*services, context.Context, *service.Declaration, string) (string, error)) *cli.Command {
	return &cli.Command{
		Name: name, Usage: usage, ArgsUsage: args, Description: more,
		Action: a.action(func(ctx context.Context, cmd *cli.Command) error {
			if n := cmd.Args().Len(); n < 1 || n > most {
				return fmt.Errorf("service %s: got %d arguments; usage: %s %s", name, n, cmd.FullName(), args)
			}
			s, err := a.openServices(cmd)
			if err != nil {
				return err
			}
			s.args = s.args[:1]
			list, err := s.named()
			if err != nil {
				return err
			}
			return a.interruptible(ctx, func(ctx context.Context) error {
				return s.eachAlone(ctx, list, func(d *service.Declaration) (string, error) { return do(s, ctx, d, cmd.Args().Get(1)) })
			})
		}),
	}
}

func (s *services) upgrade(ctx context.Context, d *service.Declaration, image string) (string, error) {
	if d.Bundle != "" {
		return "", errors.New("it is declared with a bundle, which is yours to change")
	}
	old, err := s.roots(d)
	if err != nil {
		return "", err
	}
	next := *d
	if image != "" {
		next.Image = image
	}
	dir, x, err := s.unpack(ctx, &next, old)
	if err != nil {
		return "", err
	}
	if was, ok := old.Find(old.Current); ok && was.Manifest == x.Manifest && was.Image == x.Image {
		return next.Image + " is what it has already", removeTree(dir)
	}
	if err := s.fitsIfUp(&next, dir); err != nil {
		return "", errors.Join(err, removeTree(dir))
	}
	return s.change(ctx, d, old.Add(x))
}

func (s *services) rollback(ctx context.Context, d *service.Declaration, _ string) (string, error) {
	r, err := s.roots(d)
	if err != nil {
		return "", err
	}
	x, err := r.Back()
	if err != nil {
		return "", err
	}
	r.Current = x.Number
	if err := s.fitsIfUp(d, s.rootDir(d, x.Number)); err != nil {
		return "", err
	}
	return s.change(ctx, d, r)
}

// fitsIfUp is fitsOn for a cell that is to run when it is changed.
func (s *services) fitsIfUp(d *service.Declaration, base string) error {
	is, err := s.condition(d)
	if err != nil || is.life == isDown {
		return err
	}
	if err := s.fitsOn(d, base); err != nil {
		return fmt.Errorf("%w; what runs is left alone", err)
	}
	return nil
}

// change makes another root the current one, says so in the declaration, and has
// a cell that runs do so on it. Cut off anywhere, what the declaration says is
// what the next start runs.
func (s *services) change(ctx context.Context, d *service.Declaration, r service.Roots) (string, error) {
	is, err := s.condition(d)
	if err != nil {
		return "", err
	}
	up := is.life != isDown // what is dead is to run
	if up {
		if _, err := s.stopOne(ctx, d); err != nil {
			return "", err
		}
	}
	x, _ := r.Find(r.Current)
	if err := errors.Join(s.setRoots(d, r), s.setImage(d, x.Image)); err != nil {
		return "", err
	}
	d.Image = x.Image
	says := fmt.Sprintf("root %d, of %s", x.Number, x.Image)
	if !up {
		return says + "; it does not run", nil
	}
	if _, err := s.startOne(ctx, d); err != nil {
		return "", fmt.Errorf("with %s: %w; \"runcell service rollback %s\" takes it back", says, err, d.Name)
	}
	return says + "; started", nil
}

// setImage changes the declaration's line, and nothing else.
func (s *services) setImage(d *service.Declaration, image string) error {
	text, now, err := s.declaration(d.Name)
	if err != nil || now.Image == image {
		return err
	}
	if text, err = service.WithImage(text, image); err == nil {
		_, err = service.Parse(d.Name, text)
	}
	if err != nil {
		return err
	}
	// It may be a link to where its history is kept: that stays one.
	path, err := filepath.EvalSymlinks(filepath.Join(s.dir, d.Name+service.Suffix))
	if err != nil {
		return err
	}
	fi, err := os.Stat(path)
	if err != nil {
		return err
	}
	return cmdline.ReplaceBytes(path, fi.Mode().Perm(), text)
}

func (s *services) prune(ctx context.Context, list []*service.Declaration) error {
	return s.interruptible(ctx, func(ctx context.Context) error {
		for _, d := range s.withdrawn() {
			delete(s.broken, d.Name) // whose file is asked for no more
		}
		return s.eachAlone(ctx, append(slices.Clone(list), s.withdrawn()...), func(d *service.Declaration) (string, error) {
			if s.find(d.Name) == nil {
				return s.pruneWithdrawn(d)
			}
			return s.pruneOne(d)
		})
	})
}

func (s *services) pruneOne(d *service.Declaration) (string, error) {
	r, err := s.roots(d)
	if err != nil {
		return "", err
	}
	left, pruned := r.Prune()
	if plan, err := s.engine.Plan(d.Name); err == nil && left.Current > 0 && strings.HasPrefix(plan.Root.Path, s.home(d)+"/") &&
		!strings.HasPrefix(plan.Root.Path, s.rootDir(d, left.Current)+"/") {
		return "", fmt.Errorf("it still runs on %s: restart it first", plan.Root.Path)
	}
	if len(left.List) != len(r.List) {
		if err := s.setRoots(d, left); err != nil {
			return "", err
		}
	}
	entries, err := os.ReadDir(s.home(d))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	var gone []string
	for _, e := range entries {
		n, err := strconv.Atoi(strings.TrimPrefix(e.Name(), goneMark))
		if err != nil || n == left.Current && !strings.HasPrefix(e.Name(), goneMark) {
			continue
		}
		if err := removeTree(filepath.Join(s.home(d), e.Name())); err != nil {
			return "", err
		}
		gone = append(gone, rootName(pruned, n))
	}
	if len(gone) == 0 {
		return "nothing is to be removed", nil
	}
	return "removed " + strings.Join(gone, ", "), nil
}

// rootName is how people are told of a root.
func rootName(list []service.Root, number int) string {
	for _, x := range list {
		if x.Number == number {
			return fmt.Sprintf("root %d (%s)", number, x.Image)
		}
	}
	return fmt.Sprintf("root %d", number) // a command that was killed has left it
}

// withdrawn are cells that are named, are not declared any more, and have left
// something. What of them runs is to be stopped first.
func (s *services) withdrawn() (list []*service.Declaration) {
	for _, name := range s.args {
		d := &service.Declaration{Name: name}
		if service.CheckName(name) != nil || s.find(name) != nil {
			continue
		}
		if _, err := os.Lstat(filepath.Join(s.dir, name+service.Suffix)); !errors.Is(err, fs.ErrNotExist) {
			continue // it can't be read, which is told
		}
		for _, path := range []string{s.home(d), s.goneHome(d)} {
			if _, err := os.Lstat(path); err == nil {
				list = append(list, d)
				break
			}
		}
	}
	return list
}

// goneHome is home while it is being removed: no cell can have this name.
func (s *services) goneHome(d *service.Declaration) string {
	return filepath.Join(s.dataDir, "services", "."+goneMark+d.Name)
}

// pruneWithdrawn removes all roots of a cell that is not declared any more.
func (s *services) pruneWithdrawn(d *service.Declaration) (string, error) {
	is, err := s.condition(d)
	if err == nil && is.life != isDown {
		err = fmt.Errorf("it is not declared any more, and is %s: \"runcell service stop %s\" first", is, d.Name)
	}
	if err != nil {
		return "", err
	}
	if st, err := s.engine.State(d.Name); err == nil && st.Bundle == s.bundle(d) {
		return "", fmt.Errorf("its container is there still: \"runcell delete %s\" first", d.Name)
	}
	data := s.dataSeen(d)
	switch err := os.Rename(s.home(d), s.goneHome(d)); {
	case errors.Is(err, fs.ErrNotExist): // a command that was killed had begun
	case err != nil:
		return "", fmt.Errorf("%w; \"runcell service prune %s\" once more", errors.Join(err, removeAs(s.goneHome(d))), d.Name)
	}
	if err := removeAs(s.goneHome(d)); err != nil {
		return "", err
	}
	says := "removed, with all its roots"
	if len(data) > 0 {
		says += "; its data stays: " + strings.Join(data, " ")
	}
	return says, nil
}

// dataSeen are the data directories that a cell ran with last.
func (s *services) dataSeen(d *service.Declaration) (list []string) {
	cfg, err := oci.LoadFile(filepath.Join(s.bundle(d), "config.json"))
	if err != nil {
		return nil
	}
	for _, m := range cfg.Mounts {
		if filepath.Dir(m.Source) == s.dataDirs() && !slices.Contains(list, m.Source) {
			list = append(list, m.Source)
		}
	}
	return list
}

// goneMark begins the name of what is being removed.
const goneMark = "gone."

// removeTree removes a directory that a cell could write to. Its name goes first.
func removeTree(path string) (err error) {
	dir, name := filepath.Split(path)
	if !strings.HasPrefix(name, goneMark) {
		name = goneMark + name
		if err := os.Rename(path, dir+name); err != nil {
			return err
		}
	}
	return removeAs(dir + name)
}

// removeAs removes one whose name has gone.
func removeAs(path string) error {
	dir, name := filepath.Split(path)
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	t, err := inroot.OpenTree(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return errors.Join(t.Remove(name), t.Close())
}

// choose gives the root that the declaration's image belongs to: the current one,
// or else the newest; 0 = there is none yet.
func choose(d *service.Declaration, r service.Roots) int {
	if x, ok := r.Find(r.Current); ok && x.Image == d.Image {
		return r.Current
	}
	for _, x := range slices.Backward(r.List) {
		if x.Image == d.Image {
			return x.Number
		}
	}
	return 0
}
