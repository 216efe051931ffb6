package create

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"purebundle/ext2img"
)

// A database is more than its files: each of them may be a state that it was in,
// and all of them together none. Those that changed while they were read are told,
// by what their files begin with and how they are called; that is all.

// databaseKind is a program's way to keep a database.
type databaseKind struct {
	name, advice string
}

var (
	sqlite     = databaseKind{"SQLite", `make a copy with sqlite3's ".backup"`}
	lmdb       = databaseKind{"LMDB", "make a copy with mdb_copy"}
	berkeley   = databaseKind{"Berkeley DB", "make a copy with db_hotbackup"}
	postgresql = databaseKind{"PostgreSQL", "dump it with pg_dumpall, or copy it with pg_basebackup"}
	mysql      = databaseKind{"MySQL", "dump it with mysqldump --single-transaction, or copy it with mariadb-backup"}
)

// databases returns one warning for each database of which a file changed between
// the walk and the end of its reading.
func (r *Run) databases() (warnings []ext2img.Warning) {
	told := make(map[string]bool)
	for _, c := range r.Report.Changes {
		if c.Kind == ext2img.Vanished || c.Kind == ext2img.Unreadable {
			continue
		}
		kind, name := r.databaseOf(c.Path)
		if name == "" || told[name] {
			continue
		}
		told[name] = true
		warnings = append(warnings, ext2img.Warning{Path: name, Text: "this " + kind.name +
			" database changed while it was read: what the image has of it may not be consistent; " + kind.advice + " first, or stop what writes to it"})
	}
	slices.SortFunc(warnings, func(a, b ext2img.Warning) int { return cmp.Compare(a.Path, b.Path) })
	return warnings
}

// databaseOf returns the database that a file of the tree belongs to, by its main
// file or its directory; "" if it is of none that is known.
func (r *Run) databaseOf(file string) (kind databaseKind, name string) {
	dir, base := path.Split(file)
	dir = path.Clean(dir)
	for _, suffix := range []string{"-wal", "-shm", "-journal"} {
		if main, ok := strings.CutSuffix(file, suffix); ok && kindOf(r.head(main)) == sqlite {
			return sqlite, main
		}
	}
	if kind := kindOf(r.head(file)); kind.name != "" {
		return kind, file
	}
	for up, depth := dir, 0; depth < 4 && up != "/"; up, depth = path.Dir(up), depth+1 { // base/OID/, pg_tblspc/OID/PG_VERSION/OID/
		if r.head(up+"/PG_VERSION") != nil && r.head(up+"/global/pg_control") != nil {
			return postgresql, up
		}
	}
	if ofMySQL(base) {
		for _, up := range []string{dir, path.Dir(dir)} {
			if r.head(up+"/ibdata1") != nil || r.head(up+"/aria_log_control") != nil {
				return mysql, up
			}
		}
	}
	return databaseKind{}, ""
}

// ofMySQL says whether MySQL and MariaDB call files of a database so.
func ofMySQL(base string) bool {
	for _, prefix := range []string{"ibdata", "ib_logfile", "#ib_redo", "undo", "aria_log"} {
		if strings.HasPrefix(base, prefix) {
			return true
		}
	}
	return slices.Contains([]string{".ibd", ".MYD", ".MYI", ".MAD", ".MAI"}, path.Ext(base))
}

// kindOf returns the kind of database whose files begin so; the zero value if it
// is none. The magic numbers are those of SQLite's database file, of LMDB's meta
// page (mm_magic behind a page header of 16 bytes) and of Berkeley DB's btree,
// hash, queue and heap (behind 12 bytes, in either byte order).
func kindOf(head []byte) databaseKind {
	switch {
	case bytes.HasPrefix(head, []byte("SQLite format 3\x00")):
		return sqlite
	case len(head) < headSize:
		return databaseKind{}
	case binary.LittleEndian.Uint32(head[16:]) == 0xbeefc0de:
		return lmdb
	}
	for _, magic := range []uint32{0x053162, 0x061561, 0x042253, 0x074582} {
		if binary.LittleEndian.Uint32(head[12:]) == magic || binary.BigEndian.Uint32(head[12:]) == magic {
			return berkeley
		}
	}
	return databaseKind{}
}

// headSize is how many bytes of a file tell its kind.
const headSize = 20

// head returns the first headSize bytes of a file of the tree, fewer if it has
// fewer; nil if it cannot be read.
func (r *Run) head(file string) []byte {
	var st unix.Stat_t
	fd, err := r.Tree.Open(file, &st)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	b := make([]byte, headSize)
	n, err := unix.Pread(fd, b, 0)
	if err != nil {
		return nil
	}
	return b[:n]
}
