package work_test

import (
	"errors"
	"slices"
	"testing"

	"purebundle/chunk/work"
)

// What was used last is kept, and errors are not.
func TestRecent(t *testing.T) {
	r := work.Recent[int, []byte]{Most: 2}
	var made []int
	get := func(key int) {
		t.Helper()
		b, err := r.Get(key, func() ([]byte, error) { made = append(made, key); return []byte{byte(key)}, nil })
		if err != nil || len(b) != 1 || b[0] != byte(key) {
			t.Errorf("%d: %v, %v", key, b, err)
		}
	}
	for _, key := range []int{1, 2, 1, 3, 1, 2} {
		get(key)
	}
	if !slices.Equal(made, []int{1, 2, 3, 2}) {
		t.Errorf("made %v", made)
	}
	failed := errors.New("failed")
	for range 2 {
		if _, err := r.Get(4, func() ([]byte, error) { made = append(made, 4); return nil, failed }); !errors.Is(err, failed) {
			t.Error(err)
		}
	}
	r.Drop()
	get(2)
	if !slices.Equal(made, []int{1, 2, 3, 2, 4, 4, 2}) {
		t.Errorf("made %v", made)
	}
}
