package work

import (
	"slices"
	"sync"
)

// Recent keeps what was used last, up to Most of it. Its zero value but for Most is ready.
type Recent[K comparable, V any] struct {
	Most int

	mu     sync.Mutex
	recent []*kept[K, V] // the last used at the end
}

// kept is a thing that is there or on its way.
type kept[K comparable, V any] struct {
	key  K
	once sync.Once
	data V
	err  error
}

// Get returns the thing with this key, made with get if need be; once, however many ask. An
// error is not kept.
func (r *Recent[K, V]) Get(key K, get func() (V, error)) (V, error) {
	k := r.slot(key)
	k.once.Do(func() { k.data, k.err = get() })
	if k.err != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.recent = slices.DeleteFunc(r.recent, func(other *kept[K, V]) bool { return other == k })
	}
	return k.data, k.err
}

func (r *Recent[K, V]) slot(key K) *kept[K, V] {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at := slices.IndexFunc(r.recent, func(k *kept[K, V]) bool { return k.key == key }); at >= 0 {
		k := r.recent[at]
		r.recent = append(slices.Delete(r.recent, at, at+1), k)
		return k
	}
	k := &kept[K, V]{key: key}
	if len(r.recent) >= r.Most {
		r.recent = slices.Delete(r.recent, 0, 1)
	}
	r.recent = append(r.recent, k)
	return k
}

// Drop lets go of all.
func (r *Recent[K, V]) Drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recent = nil
}
