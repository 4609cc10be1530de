package gitdelta

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// syncIncoming has what was sent on the disk before anything says that it is there. ext4 writes names before
// delayed data: a guest that is killed would otherwise have empty files, and a note that it has others.
func (d *delta) syncIncoming() error {
	var names []string
	for _, folder := range []string{d.incoming, d.meta} {
		err := filepath.WalkDir(folder, func(name string, found fs.DirEntry, err error) error {
			if err == nil && found.Type().IsRegular() {
				names = append(names, name)
			}
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return syncFiles(names)
}

// syncFiles writes files to the disk. All of them are begun before one is waited for, so that they share one
// commit of the journal.
func syncFiles(names []string) error {
	for _, sync := range []func(file *os.File) error{startWriting, (*os.File).Sync} {
		for _, name := range names {
			file, err := os.Open(name)
			if err != nil {
				return err
			}
			if err := errors.Join(sync(file), file.Close()); err != nil {
				return err
			}
		}
	}
	return nil
}

// startWriting begins to write a file to the disk, where the file system can. Waiting for it comes later.
func startWriting(file *os.File) error {
	_ = unix.SyncFileRange(int(file.Fd()), 0, 0, unix.SYNC_FILE_RANGE_WRITE)
	return nil
}
