package attack

// systemOpenings are those that only one system has: none here.
func systemOpenings() []opening { return nil }

// unfix has nothing to do: the emulation sets no flags.
func unfix(string) {}
