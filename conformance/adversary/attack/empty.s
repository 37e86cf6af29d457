// For functions without a body that fork.go links to.
