package work

// Pages holds bytes, and of pages that are all zero nothing: what a file system has of
// inodes and directories is much of that. Its zero value holds none.
type Pages struct {
	at   []int32 // by page: where data has it, in pages counted from 1; 0: it is all zero
	data []byte
}

const pageSize = 4096 // bytes

// Compact returns a copy of p. Beyond its end, up to the end of the page, are zeros.
func Compact(p []byte) Pages {
	var c Pages
	var zero [pageSize]byte
	count := int32(0)
	page := func(i int) []byte { return p[i*pageSize : min((i+1)*pageSize, len(p))] }
	for i := range (len(p) + pageSize - 1) / pageSize {
		c.at = append(c.at, 0)
		if b := page(i); string(b) != string(zero[:len(b)]) {
			count++
			c.at[i] = count
		}
	}
	c.data = make([]byte, int(count)*pageSize)
	for i, n := range c.at {
		if n > 0 {
			copy(c.data[int(n-1)*pageSize:], page(i))
		}
	}
	return c
}

// Copy fills p from offset off within the bytes, which reach as far.
func (c Pages) Copy(p []byte, off int64) {
	for len(p) > 0 {
		within := int(off % pageSize)
		n := min(len(p), pageSize-within)
		if at := c.at[off/pageSize]; at > 0 {
			copy(p[:n], c.data[int(at-1)*pageSize+within:])
		} else {
			clear(p[:n])
		}
		p, off = p[n:], off+int64(n)
	}
}
