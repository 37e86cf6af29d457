package main

import (
	"bytes"
	"os"
	"testing"
)

func TestOutputsAreCurrent(t *testing.T) {
	for i, file := range []string{
		"../../../docs/policy.md", "../../secmodel_cell/cell_table.h", "../../secmodel_cell/cell_rows.c",
	} {
		have, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(have, outputs[i]()) {
			t.Errorf("%s is stale: run go generate ./kmod/policy", file)
		}
	}
}
