package decisions

import (
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// file is a file of lines with a limit of its size.
type file struct {
	path     string
	maxBytes int64
	open     *os.File
	bytes    int64
}

func openFile(path string, maxBytes int64) (*file, error) {
	f := &file{path: path, maxBytes: maxBytes}
	return f, f.reopen()
}

func (f *file) reopen() error {
	f.close()
	opened, err := os.OpenFile(f.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	info, err := opened.Stat()
	if err != nil || !info.Mode().IsRegular() {
		opened.Close()
		return fmt.Errorf("%q is not a regular file", f.path)
	}
	f.open, f.bytes = opened, info.Size()
	return nil
}

func (f *file) close() {
	if f.open != nil {
		f.open.Close()
		f.open = nil
	}
}

// write appends one line whole. After an error, the next call tries again with the file as it is then.
func (f *file) write(entry Entry) error {
	line, err := json.Marshal(entry)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	if f.open == nil || !f.isNamed() {
		if err := f.reopen(); err != nil {
			return err
		}
	}
	if f.bytes+int64(len(line)) > f.maxBytes {
		if err := os.Rename(f.path, f.path+".1"); err != nil {
			return err
		}
		if err := f.reopen(); err != nil {
			return err
		}
	}
	count, err := f.open.Write(line)
	if err != nil {
		if count > 0 && f.open.Truncate(f.bytes) != nil {
			f.close()
		}
		return err
	}
	f.bytes += int64(count)
	return nil
}

// isNamed reports whether the file still has a name: lines in a deleted file would be lost.
func (f *file) isNamed() bool {
	var status unix.Stat_t
	return unix.Fstat(int(f.open.Fd()), &status) == nil && status.Nlink > 0
}
