package main

import (
	"encoding/binary"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"purebundle/chunk"
	"purebundle/cmd/purebundle/cli"
	"purebundle/ext2img/imgtest"
)

// Of each database that changes while it is read there is one warning, that
// names it and says what makes it consistent; of one that does not, none.
func TestDatabases(t *testing.T) {
	imgtest.RequireRoot(t)
	at := func(off int, magic uint32) string {
		return string(binary.LittleEndian.AppendUint32(make([]byte, off), magic)) + strings.Repeat("x", 100)
	}
	lite := "SQLite format 3\x00" + strings.Repeat("x", 100)
	files := map[string]string{
		"app.db": lite, "app.db-wal": "wal", "still.db": lite, "notes-wal": "no database", "text": "no database",
		"mail/data.mdb": at(16, 0xbeefc0de), "rpm/Packages": at(12, 0x061561),
		"pg/PG_VERSION": "15", "pg/global/pg_control": "c", "pg/base/5/1234": "rows", "pg/pg_wal/0001": "wal",
		"mysql/ibdata1": "i", "mysql/shop/orders.ibd": "rows", "elsewhere/orders.ibd": "no database",
	}
	changed := []string{"app.db", "app.db-wal", "notes-wal", "text", "mail/data.mdb", "rpm/Packages", "pg/base/5/1234", "pg/pg_wal/0001", "mysql/ibdata1",
		"mysql/shop/orders.ibd", "elsewhere/orders.ibd"}
	want := map[string]string{
		"/late/app.db": "sqlite3", "/late/mail/data.mdb": "mdb_copy", "/late/rpm/Packages": "db_hotbackup", "/late/pg": "pg_dumpall", "/late/mysql": "mysqldump",
	}
	var d *disturbed
	for tries := 0; d == nil || d.changed(t) == 0 && tries < 10; tries++ { // it had read them before
		d = newDisturbed(t)
		late := filepath.Join(d.tree, "late")
		put(t, late, files)
		d.run(t, 5<<20, func(d *disturbed) (err error) {
			for _, path := range changed {
				err = errors.Join(err, appendTo(filepath.Join(late, path), "more"))
			}
			return err
		})
	}
	if d.code != cli.StatusDone {
		t.Errorf("status %d\n%s", d.code, d.stderr)
	}
	b, err := chunk.Load(d.dest, "")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, w := range b.Manifest().Warnings {
		if !strings.Contains(w.Text, "database") {
			continue
		}
		advice, ok := want[string(w.Path)]
		if !ok || !strings.Contains(w.Text, advice) {
			t.Errorf("%s: %s", w.Path, w.Text)
		}
		delete(want, string(w.Path))
	}
	for path := range want {
		t.Errorf("no warning of %s, or it is there twice", path)
	}
}
