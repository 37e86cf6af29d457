package main

// Whether a declared cell could be started: asked while it still runs, so that a
// slip in its file takes nothing down.

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/netbsd-cells/runcell/cmd/internal/service"
	"github.com/netbsd-cells/runcell/cmd/internal/supervise"
	"github.com/netbsd-cells/runcell/oci"
)

// fits tells what keeps a cell from being started as it is declared now. An image
// that has no root file system yet is unpacked beside the others; the current one
// stays that.
func (s *services) fits(ctx context.Context, d *service.Declaration) error {
	base, err := s.base(d)
	if err == nil && base == "" {
		base, err = s.unpackBeside(ctx, d)
	}
	if err == nil {
		err = s.fitsOn(d, base)
	}
	if err != nil {
		return fmt.Errorf("%w; what runs is left alone", err)
	}
	return nil
}

func (s *services) unpackBeside(ctx context.Context, d *service.Declaration) (dir string, err error) {
	r, err := s.roots(d)
	if err != nil {
		return "", err
	}
	dir, x, err := s.unpack(ctx, d, r)
	if err != nil {
		return "", err
	}
	now := r.Current
	r = r.Add(x)
	r.Current = now
	return dir, s.setRoots(d, r)
}

// fitsOn is fits on a bundle that is there.
func (s *services) fitsOn(d *service.Declaration, base string) error {
	cfg, err := s.config(d, base)
	if err != nil {
		return err
	}
	plan, err := s.plan(cfg)
	if err != nil {
		return err
	}
	if err := s.found(d, plan); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(s.logFile(d)), 0o700); err != nil {
		return err
	}
	log, _, err := supervise.Append(s.logFile(d))
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	return log.Close()
}

// found looks for the host's directories and files that a plan shows in the cell.
// Data directories are made when it is started.
func (s *services) found(d *service.Declaration, plan *oci.Plan) error {
	made := map[string]bool{}
	for _, name := range dataOf(d) {
		made[filepath.Join(s.dataDirs(), name)] = true
	}
	var errs []error
	for _, m := range plan.Mounts {
		if m.Type != oci.MountBind || made[m.Source] {
			continue
		}
		if _, err := os.Stat(m.Source); errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("%s is not there, which the cell is to see as %s: make it, or take the line away", m.Source, m.Destination))
		} else if err != nil {
			errs = append(errs, fmt.Errorf("look for what the cell is to see as %s: %w", m.Destination, err))
		}
	}
	return errors.Join(errs...)
}
