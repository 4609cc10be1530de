package keeplog

import (
	"fmt"
	"os"
)

// log is a file that keeps the newest of what is written to it.
type log struct {
	path string
	max  int64
	file *os.File
	size int64
	// for copying
	chunk []byte
}

func openLog(path string, max int64) (*log, error) {
	l := &log{path: path, max: max, chunk: make([]byte, longestLine)}
	return l, l.open()
}

func (l *log) open() error {
	file, err := os.OpenFile(l.path, os.O_RDWR|os.O_APPEND|os.O_CREATE|noFollow, 0o600)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		file.Close()
		return fmt.Errorf("%q is no file that could be appended to", l.path)
	}
	if l.file != nil {
		l.file.Close()
	}
	l.file, l.size = file, info.Size()
	return nil
}

// write appends chunk. What cannot be written, for want of space say, is lost: its writer must never
// wait for that.
func (l *log) write(chunk []byte) {
	count, _ := l.file.Write(chunk)
	l.size += int64(count)
	if l.size > l.max {
		l.cut()
	}
}

// cut replaces the file by its newest half, behind a line that says how much is missing. A reader has the one
// or the other.
func (l *log) cut() {
	info, err := l.file.Stat()
	if err != nil {
		return
	}
	if l.size = info.Size(); l.size <= l.max {
		// Somebody else has cut it.
		return
	}
	part := l.path + ".part"
	defer os.Remove(part)
	if err := l.copyNewest(part, info.Size()); err == nil && os.Rename(part, l.path) == nil {
		if l.open() == nil {
			return
		}
	}
	// There is no space for two files.
	if l.file.Truncate(0) == nil {
		l.size = 0
	}
}

func (l *log) copyNewest(part string, size int64) error {
	os.Remove(part)
	file, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	from := size - l.max/2
	from += l.restOfLine(from)
	if _, err := fmt.Fprintf(file, "[%d older bytes cut]\n", from); err != nil {
		return err
	}
	for from < size {
		count, err := l.file.ReadAt(l.chunk, from)
		if count == 0 {
			return err
		}
		if _, err := file.Write(l.chunk[:count]); err != nil {
			return err
		}
		from += int64(count)
	}
	return nil
}

// longestLine, and the size of a chunk that is copied, is what is looked at for the end of a line.
const longestLine = 16 * 1024

// restOfLine is how many bytes from position on belong to a line that began before; 0 when no end is near.
func (l *log) restOfLine(position int64) int64 {
	count, _ := l.file.ReadAt(l.chunk, position)
	for at, value := range l.chunk[:count] {
		if value == '\n' {
			return int64(at) + 1
		}
	}
	return 0
}
