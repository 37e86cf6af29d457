package attack

// The sweeps of an emulation.

// systemSweeps has none: an emulation is tried by its system calls.
func systemSweeps() map[string]func() ([]item, error) { return map[string]func() ([]item, error){} }
