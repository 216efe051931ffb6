package wrap

import (
	"encoding/binary"
	"sync"
)

// Offsets of the header of a QCOW2, in bytes; all integers are big-endian.
const (
	qcowMagic         = 0   // "QFI" 0xfb
	qcowVersion       = 4   // u32, 3
	qcowClusterBits   = 20  // u32
	qcowSize          = 24  // u64, bytes
	qcowL1Size        = 36  // u32, entries
	qcowL1Offset      = 40  // u64, bytes
	qcowRefOffset     = 48  // u64, bytes
	qcowRefClusters   = 56  // u32
	qcowRefcountOrder = 96  // u32, 4: 16 bits each
	qcowHeaderLength  = 100 // u32, bytes
	qcowHeader        = 104
)

const (
	clusterBits = 16
	clusterSize = 1 << clusterBits
	perL2       = clusterSize / 8 // entries of an L2 table
	perRefBlock = clusterSize / 2 // refcounts of a refcount block
	copied      = 1 << 63         // of an entry: the refcount is exactly one
)

// qcow2 is an image whose clusters lie in the order in which they came; the tables
// follow when all are there.
type qcow2 struct {
	f    File
	size int64 // bytes

	mu   sync.Mutex
	next int64              // the first cluster of the file that is free
	l2   map[int64][]uint64 // by entry of L1
}

func newQcow2(f File, size int64) (Writer, error) {
	q := &qcow2{f: f, size: size, l2: make(map[int64][]uint64)}
	q.next = 1 + ceilDiv(q.l1Entries()*8, clusterSize)
	return q, nil
}

// l1Entries returns how many L2 tables the image has.
func (q *qcow2) l1Entries() int64 { return ceilDiv(q.size, clusterSize*perL2) }

// Write implements Writer.
func (q *qcow2) Write(p []byte, off int64) error {
	for len(p) > 0 {
		n := min(len(p), clusterSize)
		if c := p[:n]; !isZero(c) {
			if err := q.f.WriteSparse(c, q.place(off/clusterSize)*clusterSize); err != nil {
				return err
			}
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}

// place gives a cluster of the image one of the file.
func (q *qcow2) place(cluster int64) int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	at := q.next
	q.next++
	t := q.l2[cluster/perL2]
	if t == nil {
		t = make([]uint64, perL2)
		q.l2[cluster/perL2] = t
	}
	t[cluster%perL2] = uint64(at*clusterSize) | copied
	return at
}

// Close writes the tables and the header.
func (q *qcow2) Close() error {
	l1 := make([]uint64, q.l1Entries())
	for i := range l1 {
		t := q.l2[int64(i)]
		if t == nil {
			continue
		}
		l1[i] = uint64(q.next*clusterSize) | copied
		if err := q.f.WriteSparse(words(t), q.next*clusterSize); err != nil {
			return err
		}
		q.next++
	}
	if err := q.f.WriteSparse(words(l1), clusterSize); err != nil {
		return err
	}
	table, clusters, err := q.refcounts()
	if err != nil {
		return err
	}
	be := binary.BigEndian
	h := make([]byte, qcowHeader+8) // behind it the end of the header extensions
	copy(h[qcowMagic:], "QFI\xfb")
	be.PutUint32(h[qcowVersion:], 3)
	be.PutUint32(h[qcowClusterBits:], clusterBits)
	be.PutUint64(h[qcowSize:], uint64(q.size))
	be.PutUint32(h[qcowL1Size:], uint32(len(l1)))
	be.PutUint64(h[qcowL1Offset:], clusterSize)
	be.PutUint64(h[qcowRefOffset:], uint64(table*clusterSize))
	be.PutUint32(h[qcowRefClusters:], uint32(clusters))
	be.PutUint32(h[qcowRefcountOrder:], 4)
	be.PutUint32(h[qcowHeaderLength:], qcowHeader)
	if err := q.f.WriteSparse(h, 0); err != nil {
		return err
	}
	return q.f.Truncate(q.next * clusterSize)
}

// refcounts writes a refcount of one for each cluster of the file, and returns where
// the refcount table is and how many clusters it has.
func (q *qcow2) refcounts() (table, clusters int64, err error) {
	blocks := int64(0)
	for { // the refcounts count themselves
		all := q.next + blocks + clusters
		b, c := ceilDiv(all, perRefBlock), ceilDiv(ceilDiv(all, perRefBlock)*8, clusterSize)
		if b == blocks && c == clusters {
			break
		}
		blocks, clusters = b, c
	}
	first := q.next
	table = first + blocks
	q.next = table + clusters
	entries := make([]uint64, blocks)
	for i := range blocks {
		entries[i] = uint64((first + i) * clusterSize)
		b := make([]byte, clusterSize)
		for n := range min(perRefBlock, q.next-i*perRefBlock) {
			binary.BigEndian.PutUint16(b[2*n:], 1)
		}
		if err := q.f.WriteSparse(b, (first+i)*clusterSize); err != nil {
			return 0, 0, err
		}
	}
	return table, clusters, q.f.WriteSparse(words(entries), table*clusterSize)
}

// words encodes entries of a table.
func words(list []uint64) []byte {
	b := make([]byte, 0, 8*len(list))
	for _, w := range list {
		b = binary.BigEndian.AppendUint64(b, w)
	}
	return b
}

// zeroCluster is for isZero to compare with: comparing strings is vectorised.
var zeroCluster = string(make([]byte, clusterSize))

// isZero says whether p, at most a cluster, is all zero.
func isZero(p []byte) bool { return string(p) == zeroCluster[:len(p)] }

func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }
