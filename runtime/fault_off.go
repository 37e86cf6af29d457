//go:build !faultinject

package runtime

// fault marks a point at which a test kills runcell; see fault.go.
func fault(string) {}
