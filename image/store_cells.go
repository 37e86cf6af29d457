package image

func (s *Store) staleCells() ([]Leftover, map[string]bool, error) { return nil, nil, nil }
