package keeplog

import (
	"fmt"
	"os"
)

// log is a file of bounded size that keeps the newest output.
type log struct {
	path string
	max  int64
	file *os.File
	size int64
	// buffer for copies
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
		return fmt.Errorf("%q is not a regular file", l.path)
	}
	if l.file != nil {
		l.file.Close()
	}
	l.file, l.size = file, info.Size()
	return nil
}

// write appends chunk. If that fails, for example on a full disk, the output is lost, because its writer must
// never wait.
func (l *log) write(chunk []byte) {
	count, _ := l.file.Write(chunk)
	l.size += int64(count)
	if l.size > l.max {
		l.cut()
	}
}

// cut atomically replaces the file by its newest half, after a line that says how much is missing.
func (l *log) cut() {
	info, err := l.file.Stat()
	if err != nil {
		return
	}
	if l.size = info.Size(); l.size <= l.max {
		// Another process has truncated it already.
		return
	}
	part := l.path + ".part"
	defer os.Remove(part)
	if err := l.copyNewest(part, info.Size()); err == nil && os.Rename(part, l.path) == nil {
		if l.open() == nil {
			return
		}
	}
	// There is not enough space for two files.
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

// longestLine is how far to search for the end of a line. It is also the size of the buffer for copies.
const longestLine = 16 * 1024

// restOfLine returns how many bytes from position on belong to a line that began earlier, or 0 when no end is
// near.
func (l *log) restOfLine(position int64) int64 {
	count, _ := l.file.ReadAt(l.chunk, position)
	for at, value := range l.chunk[:count] {
		if value == '\n' {
			return int64(at) + 1
		}
	}
	return 0
}
