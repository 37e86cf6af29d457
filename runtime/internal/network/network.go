// Package network holds the addresses of cells (netbsd.cell.addresses). Each is
// added to its interface before the first cell that has it is made, and taken
// away after the last one is gone. An address that was there before is left
// there, and nothing else of an interface is ever changed.
//
//	<root>/@addresses  which addresses there are, and which containers have
//	                   them; changed with the state root flock(2)ed
//
// The file is written before an address is added, and after one was removed:
// a command that is killed in between leaves an entry that can be carried out
// again, never an address that nobody knows of.
package network

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path/filepath"
	"slices"
	"time"

	"github.com/netbsd-cells/runcell/kmod/flock"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime/internal/step"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

// addressFile is not a container's id: those have no @.
const addressFile = "@addresses"

// addressPatience is how long an Ethernet interface may take to find out
// whether another machine has an address, and nothing can be bound to it until
// then: by RFC 5227, 3 probes in up to 5 s, and 2 s for answers.
const addressPatience = 10 * time.Second

// Addresses are the addresses of the cells below one state root.
type Addresses struct {
	root string
	net  hostNet // nil where interfaces are left alone
}

// New gives the addresses of a state root, whose book need not be there.
func New(root string) *Addresses { return &Addresses{root, newHostNet()} }

// hostNet is the host's interfaces.
type hostNet interface {
	has(oci.Address) (bool, error)   // on its interface, usable or not
	usable(netip.Addr) (bool, error) // on any, a program can bind to it
	add(oci.Address) error           //
	remove(oci.Address) (gone error) // nil too if it was not there
}

// addressBook is what the file holds.
type addressBook struct {
	// Boot is the start of process 1: interfaces begin anew with every boot.
	Boot      uint64      `json:"boot"`
	Addresses []bookEntry `json:"addresses"`
}

type bookEntry struct {
	Address oci.Address `json:"address"`
	Ours    bool        `json:"ours"` // runcell adds and removes it
	Users   []string    `json:"users"`
}

// find gives the entry of an address, nil if there is none.
func (b *addressBook) find(a oci.Address) *bookEntry {
	i := slices.IndexFunc(b.Addresses, func(e bookEntry) bool {
		return e.Address.Interface == a.Interface && e.Address.Prefix.Addr() == a.Prefix.Addr()
	})
	if i < 0 {
		return nil
	}
	return &b.Addresses[i]
}

// Needed tells whether there is something to hold: on a system whose
// interfaces are left alone there never is.
func (r *Addresses) Needed(list []oci.Address) bool { return r.net != nil && len(list) > 0 }

// Hold makes a container a user of addresses, and adds those that are missing.
func (r *Addresses) Hold(ctx context.Context, id string, list []oci.Address) error {
	if err := r.add(ctx, id, list); err != nil {
		return err
	}
	step.Done("addresses")
	return r.await(ctx, list)
}

func (r *Addresses) add(ctx context.Context, id string, list []oci.Address) error {
	return r.changeBook(ctx, func(book *addressBook, save func() error) error {
		for _, a := range list {
			if err := r.enlist(book, id, a); err != nil {
				return fmt.Errorf("address %s: %w", a, err)
			}
		}
		if err := save(); err != nil {
			return err
		}
		step.Done("addresses recorded")
		for _, a := range list {
			if err := r.addOurs(book.find(a)); err != nil {
				return fmt.Errorf("add address %s: %w", a, err)
			}
			step.Done("address added")
		}
		return nil
	})
}

// enlist makes a container a user of an address.
func (r *Addresses) enlist(book *addressBook, id string, a oci.Address) error {
	there, err := r.net.has(a)
	if err != nil {
		return err
	}
	e := book.find(a)
	if e == nil {
		elsewhere, err := r.net.usable(a.Prefix.Addr())
		if err != nil {
			return err
		}
		if elsewhere && !there {
			return errors.New("another interface of this host has it: name that one")
		}
		book.Addresses = append(book.Addresses, bookEntry{Address: a})
		e = &book.Addresses[len(book.Addresses)-1]
	}
	switch {
	case !there:
		e.Ours = true
		if len(e.Users) == 0 {
			e.Address = a
		}
	case e.Ours && e.Address.Prefix != a.Prefix:
		return fmt.Errorf("container %q has it as %s: use the same prefix length", e.Users[0], e.Address.Prefix)
	}
	if !slices.Contains(e.Users, id) {
		e.Users = append(e.Users, id)
	}
	return nil
}

// addOurs adds an address that should be there and isn't.
func (r *Addresses) addOurs(e *bookEntry) error {
	there, err := r.net.has(e.Address)
	if err != nil || there {
		return err
	}
	return r.net.add(e.Address)
}

// Drop ends a container's use of its addresses. It can be repeated.
func (r *Addresses) Drop(id string) error {
	_, err := r.dropUsers(func(user string) bool { return user == id })
	return err
}

// dropUsers removes users, and the addresses that have none left, and gives
// the addresses that were taken off their interface.
func (r *Addresses) dropUsers(which func(id string) bool) (removed []oci.Address, err error) {
	if r.net == nil {
		return nil, nil
	}
	// Most hosts have no such file, and then there is nothing to lock.
	var st unix.Stat_t
	if errors.Is(unix.Lstat(r.file(), &st), fs.ErrNotExist) {
		return nil, nil
	}
	// An undo is never cut off.
	err = r.changeBook(context.Background(), func(book *addressBook, save func() error) error {
		var keep []bookEntry
		for _, e := range book.Addresses {
			e.Users = slices.DeleteFunc(e.Users, which)
			if len(e.Users) > 0 {
				keep = append(keep, e)
				continue
			}
			if !e.Ours {
				continue
			}
			if err := r.net.remove(e.Address); err != nil {
				return fmt.Errorf("remove address %s: %w", e.Address, err)
			}
			removed = append(removed, e.Address)
			step.Done("address removed")
		}
		book.Addresses = keep
		return save()
	})
	return removed, err
}

// Recover removes the addresses of containers that are not there any
// more, and tells which. A container's directory is there before its entry.
func (r *Addresses) Recover() (done []string, err error) {
	removed, err := r.dropUsers(func(id string) bool {
		var st unix.Stat_t
		return errors.Is(unix.Lstat(filepath.Join(r.root, id), &st), fs.ErrNotExist)
	})
	for _, a := range removed {
		done = append(done, fmt.Sprintf("address %s: no container has it", a))
	}
	if err != nil {
		return done, fmt.Errorf("recover: %w", err)
	}
	return done, nil
}

// await waits until programs can bind to the addresses.
func (r *Addresses) await(ctx context.Context, list []oci.Address) error {
	deadline := time.Now().Add(addressPatience)
	for _, a := range list {
		for {
			ok, err := r.net.usable(a.Prefix.Addr())
			if err != nil {
				return fmt.Errorf("try address %s: %w", a, err)
			}
			if ok {
				break
			}
			if time.Now().After(deadline) || ctx.Err() != nil {
				return fmt.Errorf("address %s can't be used after %v: another machine has it, or %s has no carrier (`ifconfig %s` tells: duplicated, detached)",
					a, addressPatience, a.Interface, a.Interface)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	return nil
}

func (r *Addresses) file() string { return filepath.Join(r.root, addressFile) }

// changeBook reads the book under the state root's lock for change, which
// saves it. A book of an earlier boot is empty.
func (r *Addresses) changeBook(ctx context.Context, change func(book *addressBook, save func() error) error) error {
	lock, err := sys.Open(r.root, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return fmt.Errorf("lock addresses: %w", err)
	}
	defer sys.CloseFD(lock)
	if err := flock.Lock(ctx, lock, flock.Exclusive); err != nil {
		return fmt.Errorf("lock addresses: %w", err)
	}
	boot, ok, err := sys.StartTime(1)
	if err != nil {
		return fmt.Errorf("lock addresses: %w", err)
	}
	if !ok {
		return errors.New("lock addresses: process 1 can't be seen, so this boot can't be told from the last")
	}
	book := new(addressBook)
	if err := sys.ReadJSON(r.file(), book); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if book.Boot != boot {
		*book = addressBook{Boot: boot}
	}
	return change(book, func() error {
		if len(book.Addresses) == 0 {
			return sys.Remove(r.file())
		}
		return sys.WriteJSON(sys.ReplaceFile, r.file(), book)
	})
}
