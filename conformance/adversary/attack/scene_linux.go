package attack

// What a scene has of Linux: nothing of its own.

// systemOpenings are those that only one system has: none here.
func systemOpenings() []opening { return nil }

// unfix has nothing to do: the emulation sets no flags.
func unfix(string) {}
