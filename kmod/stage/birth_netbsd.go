package stage

// No Birth: a newcomer is in the cell by a step of its own, and whoever is in a
// cell sees nobody outside of it.

import "syscall"

type birthplace struct{}

//go:nosplit
//go:norace
func (m *machine) birth() syscall.Errno { return syscall.ENOSYS }

func (p *Program) expectBirth(*machine) error { return nil }

func (p *Program) forgetBirth() { p.place = birthplace{} }

// Settle gives the pid itself: what Start forks is what stays.
func (p *Program) Settle(pid int) (int, error) { return pid, nil }

// Arrange leaves the steps as they are.
func (p *Program) Arrange() {}
