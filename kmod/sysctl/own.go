package sysctl

// What this project's module does by itself: policy, members, signals, counts
// and the exit status, a node for each. See docs/kernel-abi.md.

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/wire"
)

// createOwn makes a cell in two steps: one without ports, then its policy,
// which knows them by address. Nobody can enter a cell whose id nobody has.
func (c *client) createOwn(n *nodes, s *kmod.Spec) (kmod.ID, error) {
	l := &layouts[0]
	id, err := c.createAs(n, l, request(s, false))
	if errors.Is(err, syscall.EEXIST) {
		return 0, kmod.ErrExists
	}
	if err != nil {
		return 0, createError(s, err)
	}
	if err := c.setPolicy(n, id, s); err != nil {
		return 0, errors.Join(err, c.destroy(id))
	}
	return id, nil
}

func (c *client) setPolicy(n *nodes, id kmod.ID, s *kmod.Spec) error {
	_, err := c.kernel.sysctl(n.policy, nil, n.encodePolicy(policyOf(id, s)))
	if errors.Is(err, syscall.EEXIST) {
		return portsTaken(s)
	}
	if err != nil {
		return fmt.Errorf("set policy: %w", nodeError(err))
	}
	return nil
}

// policySize is what the module takes and gives of struct cell_policy.
func (n *nodes) policySize() int {
	if n.version < wire.DevicesSince {
		return wire.PolicySize2
	}
	return binary.Size(wire.Policy{})
}

// encodePolicy leaves out what the module does not know, which CheckFor has
// seen to be empty.
func (n *nodes) encodePolicy(p *wire.Policy) []byte {
	return encode(p, binary.NativeEndian)[:n.policySize()]
}

// portsTaken names the ports of which one is another cell's: the kernel does
// not say which.
func portsTaken(s *kmod.Spec) error {
	ports := make([]string, len(s.Ports))
	for i, p := range s.Ports {
		ports[i] = fmt.Sprint(p.Port)
		if p.Addr.IsValid() {
			ports[i] = netip.AddrPortFrom(p.Addr, p.Port).String()
		}
		if p.Proto != "" {
			ports[i] += "/" + p.Proto
		}
	}
	return fmt.Errorf("reserved ports %s: %w", strings.Join(ports, ", "), kmod.ErrPortInUse)
}

// nodeError says what an errno means that every node of ours gives.
func nodeError(err error) error {
	switch {
	case errors.Is(err, syscall.ENOENT):
		return kmod.ErrNotFound
	case errors.Is(err, syscall.EPERM):
		return fmt.Errorf("only root on the host may (not inside a cell): %w", err)
	}
	return err
}

// cellRequest is the request of the nodes that are asked about a cell.
func cellRequest(id kmod.ID) []byte { return binary.NativeEndian.AppendUint32(nil, uint32(id)) }

// processes lists the members that have not ended.
func (c *client) processes(n *nodes, id kmod.ID) ([]int, error) {
	b, err := readAll(c.kernel, n.procs, cellRequest(id))
	if err != nil {
		return nil, nodeError(err)
	}
	return decodePids(b)
}

// signal signals every member and gives their number.
func (c *client) signal(n *nodes, id kmod.ID, sig int) (uint32, error) {
	request := encode(&wire.Kill{ID: uint32(id), Signal: int32(sig)}, binary.NativeEndian)
	b, err := readFixed(c.kernel, n.kill, request, 4)
	if err != nil {
		return 0, nodeError(err)
	}
	return binary.NativeEndian.Uint32(b), nil
}

// killOwn signals once. With SIGKILL, from which the cell is dying and can't
// fork, it goes on until nobody is left: a fork may have been on its way.
func (c *client) killOwn(n *nodes, id kmod.ID, sig int) error {
	left, err := c.signal(n, id, sig)
	if err != nil || sig != sigKill {
		return err
	}
	deadline := time.Now().Add(c.patience)
	for pause := 100 * time.Microsecond; left > 0; pause = min(2*pause, 20*time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("%d processes still run after %s: %w", left, c.patience, kmod.ErrBusy)
		}
		time.Sleep(pause)
		if left, err = c.signal(n, id, sig); err != nil {
			return err
		}
	}
	return nil
}

func (c *client) statsOwn(n *nodes, id kmod.ID) (kmod.Stats, error) {
	b, err := readFixed(c.kernel, n.stats, cellRequest(id), binary.Size(wire.Stats{}))
	if err != nil {
		return kmod.Stats{}, nodeError(err)
	}
	return decodeStats(b, id)
}

func (c *client) statusOwn(n *nodes, id kmod.ID) (wire.Status, error) {
	b, err := readFixed(c.kernel, n.status, cellRequest(id), binary.Size(wire.Status{}))
	if err != nil {
		return wire.Status{}, nodeError(err)
	}
	return decodeStatus(b, id)
}

// waitOwn waits for the first process. The module keeps the status; that it is
// there now, the process's exit event tells.
func (c *client) waitOwn(ctx context.Context, n *nodes, id kmod.ID) (uint32, error) {
	var giveUp time.Time
	for {
		s, err := c.statusOwn(n, id)
		switch {
		case err != nil:
			return 0, err
		case s.State == wire.StateEnded:
			return s.Status, nil
		case s.State == wire.StateEmpty:
			return 0, fmt.Errorf("it has no process yet: %w", kmod.ErrUnsupported)
		}
		status, err := c.watch(ctx, n, id, s)
		switch {
		case err == nil:
			return status, nil
		case !errors.Is(err, errAskAgain):
			return 0, err
		}
		// The process is just ending, which takes the kernel a moment.
		if now := time.Now(); giveUp.IsZero() {
			giveUp = now.Add(c.patience)
		} else if now.After(giveUp) {
			return 0, fmt.Errorf("process %d has gone, but the module says that it runs", s.Pid)
		}
		if err := sleep(ctx, time.Millisecond); err != nil {
			return 0, err
		}
	}
}

// errAskAgain: the process that ran a moment ago has ended.
var errAskAgain = errors.New("the first process has just ended")

// watch waits for the end of a first process that was seen running. Once the
// event is asked for, the status is read again: had the process ended before,
// its pid could be another one's now.
func (c *client) watch(ctx context.Context, n *nodes, id kmod.ID, was wire.Status) (uint32, error) {
	w, err := c.kernel.watch(int(was.Pid))
	if errors.Is(err, syscall.ESRCH) {
		return 0, errAskAgain
	}
	if err != nil {
		return 0, fmt.Errorf("watch process %d: %w", was.Pid, err)
	}
	defer w.close()
	now, err := c.statusOwn(n, id)
	if err != nil {
		return 0, err
	}
	if now != was {
		return 0, errAskAgain
	}
	status, err := w.wait(ctx)
	if err != nil {
		return 0, err
	}
	now, err = c.statusOwn(n, id)
	switch {
	case errors.Is(err, kmod.ErrNotFound):
		return status, nil // destroyed meanwhile: the event tells it too
	case err != nil:
		return 0, err
	case now.State != wire.StateEnded:
		return 0, errAskAgain
	}
	return now.Status, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
