// Command gen writes what is made of the policy table: the reference for
// administrators, and the kernel module's two files.
// go generate ./kmod/policy.
package main

import (
	"fmt"
	"os"
)

// outputs are the files, in the order of the arguments.
var outputs = [...]func() []byte{page, tableHeader, rowsSource}

func main() {
	if len(os.Args) != 1+len(outputs) {
		fmt.Fprintln(os.Stderr, "usage: gen PAGE TABLE-HEADER ROWS-SOURCE")
		os.Exit(1)
	}
	for i, render := range outputs {
		if err := os.WriteFile(os.Args[i+1], render(), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, "gen:", err)
			os.Exit(1)
		}
	}
}
