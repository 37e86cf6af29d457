package store

// Whom the owner of the store trusts:
//
//	STORE/policy                      the policy, see package trust; none: everything is used
//	STORE/signatures/ALGORITHM-HEX    signatures of the image or index of that digest
//
// Signatures are verified with the keys of the moment whenever an image is used,
// so a key that is taken out of the policy stops what it has signed.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/lock"
	"github.com/netbsd-cells/runcell/image/internal/verify"
	"github.com/netbsd-cells/runcell/image/layout"
	"github.com/netbsd-cells/runcell/image/manifest"
	"github.com/netbsd-cells/runcell/image/trust"
	"github.com/netbsd-cells/runcell/kmod/flock"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	policyFile    = "policy"
	signaturesDir = "signatures"
	kindSignature = "signatures"
)

// Demands gives what the policy demands of the image with a full name: nothing, if
// it is accepted. The error wraps trust.ErrRefused if no signature would help, and a
// policy that can't be read refuses everything.
func (s *Store) Demands(name string) ([]trust.Demand, error) {
	p, err := s.policy()
	if err != nil {
		return nil, fmt.Errorf("image %s: %w: %w", image.Quote(name), trust.ErrRefused, err)
	}
	if p == nil {
		return nil, nil
	}
	rule := p.For(name)
	switch {
	case rule.Accepts():
		return nil, nil
	case rule.Refuses():
		return nil, fmt.Errorf("image %s: %w: %s refuses it: change %s if that is wrong", image.Quote(name), trust.ErrRefused, rule, s.Dir+"/"+policyFile)
	}
	d := trust.Demand{By: rule.String()}
	for _, file := range rule.Keys {
		if !strings.HasPrefix(file, "/") {
			file = s.Dir + "/" + file
		}
		k, err := ReadKey(file)
		if err != nil {
			return nil, fmt.Errorf("image %s: %w: %s: %w", image.Quote(name), trust.ErrRefused, rule, err)
		}
		d.Keys = append(d.Keys, k)
	}
	return []trust.Demand{d}, nil
}

// policy is nil if there is none. What has its name and can't be read is an error,
// a link that leads nowhere too.
func (s *Store) policy() (*trust.Policy, error) {
	if _, err := s.root.Lstat(policyFile); errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // no policy is no error
	}
	data, err := s.ReadFile(policyFile)
	if err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	return trust.ParsePolicy(data)
}

// ReadKey reads the file of a public key.
func ReadKey(path string) (*trust.Key, error) {
	data, err := ReadKeyFile(path)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	return trust.ParseKey(path, data)
}

// ReadKeyFile reads the file of a key, of at most trust.MaxKey bytes.
func ReadKeyFile(path string) ([]byte, error) {
	fi, err := os.Stat(path)                  //nolint:forbidigo // the operator's own path
	if err == nil && !fi.Mode().IsRegular() { // nobody waits for a FIFO
		err = fmt.Errorf("%s is not a regular file", path)
	}
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path) //nolint:forbidigo // the operator's own path
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, trust.MaxKey+1))
}

func signaturesOf(target digest.Digest) string {
	return signaturesDir + "/" + trust.ReferrersTag(target)
}

// Evidence gives what is kept for an image or index.
func (s *Store) Evidence(target digest.Digest) ([]trust.Evidence, error) {
	if err := verify.Digest(target); err != nil {
		return nil, err
	}
	data, err := s.ReadFile(signaturesOf(target))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read signatures of %s: %w", target, err)
	}
	return trust.ParseEvidence(data)
}

// KeepEvidence adds to what is kept. What is there and can't be read is replaced.
func (s *Store) KeepEvidence(ctx context.Context, target digest.Digest, list []trust.Evidence) error {
	err := s.keepEvidence(ctx, target, list)
	if err != nil {
		return fmt.Errorf("keep signatures of %s: %w", target, err)
	}
	return nil
}

// keepEvidence holds the lock of the index: nobody else adds at the same time.
func (s *Store) keepEvidence(ctx context.Context, target digest.Digest, list []trust.Evidence) (err error) {
	held, err := s.root.OpenFile(indexLock, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, held.Close()) }()
	if err := lock.File(ctx, held, flock.Exclusive); err != nil {
		return err
	}
	old, err := s.Evidence(target)
	if err != nil {
		old = nil
	}
	data, err := trust.MarshalEvidence(trust.Merge(old, list))
	if err == nil {
		err = s.root.MkdirAll(signaturesDir, 0o755)
	}
	if err == nil {
		err = s.replaceFile(signaturesOf(target), data)
	}
	return err
}

// trusted tells whether the policy lets an image be used that the store has under a
// name. found are the descriptors that have the name.
func (s *Store) trusted(name string, found []v1.Descriptor, img *layout.Image) error {
	if own := found[0].Annotations[v1.AnnotationRefName]; own != "" {
		name = own // it was named by its digest
	}
	demands, err := s.Demands(name)
	if err != nil || len(demands) == 0 {
		return err
	}
	targets := []digest.Digest{img.Descriptor.Digest}
	for _, d := range found {
		if d.Digest != img.Descriptor.Digest && s.leadsTo(d, img.Descriptor.Digest) {
			targets = append(targets, d.Digest)
		}
	}
	for _, d := range demands {
		if err := s.met(d, targets); err != nil {
			return fmt.Errorf("%s: %w: \"runcell image pull\" gets signatures", name, err)
		}
	}
	return nil
}

// met tells whether what is kept for one of the targets meets a demand.
func (s *Store) met(d trust.Demand, targets []digest.Digest) (err error) {
	for _, t := range targets {
		var list []trust.Evidence
		if list, err = s.Evidence(t); err == nil {
			_, err = d.Met(t, list)
		}
		if err == nil {
			return nil
		}
	}
	return err
}

// leadsTo tells whether an index of the store lists an image, at any depth.
func (s *Store) leadsTo(from v1.Descriptor, want digest.Digest) bool {
	found := false
	enter := func(n *manifest.Node, err error) ([]v1.Descriptor, error) {
		if manifest.IsManifest(n.MediaType) && n.Digest == want {
			found = true
		}
		if err != nil || !manifest.IsIndex(n.MediaType) {
			return nil, nil
		}
		next, err := s.Children(n.Descriptor)
		if err != nil {
			return nil, nil //nolint:nilerr // what can't be read leads nowhere
		}
		return next, nil
	}
	return (&manifest.Walk{Enter: enter}).From(from) == nil && found
}

// staleSignatures lists the signatures of what is not in the store.
func (s *Store) staleSignatures(needed func(digest.Digest) bool) ([]Leftover, error) {
	names, err := s.readDir(signaturesDir)
	var stale []Leftover
	for _, n := range names {
		d := digest.Digest(strings.Replace(n.Name(), "-", ":", 1))
		if verify.Digest(d) == nil && needed(d) {
			continue
		}
		stale = append(stale, Leftover{Name: signaturesDir + "/" + n.Name(), Kind: kindSignature})
	}
	return stale, err
}
