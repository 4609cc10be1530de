// Package kmsg writes log lines to the kernel's log. dmesg and the journal show them, and the console stays
// as quiet as the kernel command line asks for.
package kmsg

import (
	"bytes"
	"io"
	"os"
	"sync"
)

// maxRecord keeps a record within the kernel's own limit (LOG_LINE_MAX in kernel/printk/printk.c is 1024
// minus a prefix).
const maxRecord = 900

type writer struct {
	mutex sync.Mutex
	out   io.Writer
	tag   string
}

// Open returns a writer. Each line that is written becomes one record of level info with the prefix tag.
func Open(tag string) (io.Writer, error) {
	file, err := os.OpenFile("/dev/kmsg", os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	return newWriter(file, tag), nil
}

func newWriter(out io.Writer, tag string) *writer {
	return &writer{out: out, tag: tag}
}

// Write never fails: a lost log line (the kernel limits the rate) must not stop the work that it reports.
func (w *writer) Write(text []byte) (int, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	for line := range bytes.Lines(text) {
		line = bytes.TrimRight(line, "\n")
		if len(line) == 0 {
			continue
		}
		if len(line) > maxRecord {
			line = line[:maxRecord]
		}
		record := append([]byte("<6>"+w.tag+": "), line...)
		_, _ = w.out.Write(append(record, '\n'))
	}
	return len(text), nil
}
