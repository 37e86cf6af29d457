package runtime

func makeInterface(t *t, name string) { t.Skipf("%s can't be made on Linux", name) }
