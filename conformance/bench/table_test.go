package main

import (
	"slices"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1, 5}, 5},
		{[]float64{4, 1, 3, 2}, 2.5},
	} {
		if got := median(c.in); got != c.want {
			t.Errorf("median(%v) = %v; want %v", c.in, got, c.want)
		}
	}
	in := []float64{2, 1}
	if median(in); in[0] != 2 {
		t.Error("median sorted its argument: samples lose the order of rounds")
	}
}

// A row gives the ratio to crun's median, and "-" for what was not measured.
func TestRow(t *testing.T) {
	w := &world{samples: map[key][]float64{
		{nameCrun, opRun}:     {20, 20, 20},
		{nameRuncell, opRun}:  {9, 10, 11},
		{nameRuncell, opLeft}: {0, 0, 0},
		{nameRuncell, opKill}: {3},
	}}
	got := w.row(&subject{name: nameRuncell}, operations, median)
	want := []string{"-", "10.0 (0.50)", "-", "-", "-", "-", "-", "-", "-", "3.0", "-", "-", "0"}
	if !slices.Equal(got, want) {
		t.Errorf("row = %q; want %q", got, want)
	}
}

func TestP99(t *testing.T) {
	for n, want := range map[int]float64{1: 1, 2: 2, 50: 50, 99: 99, 100: 99, 101: 100, 200: 198, 1000: 990} {
		var in []float64
		for i := range n {
			in = append(in, float64(n-i))
		}
		if got := p99(in); got != want {
			t.Errorf("p99 of 1 to %d = %v; want %v", n, got, want)
		}
	}
}
