package keeplog

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const max = 256 * 1024

// kept runs a keeper over pipes that write fills.
func kept(t *testing.T, paths []string, write func(pipes []*os.File)) {
	t.Helper()
	var logs []*log
	var ends []*os.File
	// Consecutive numbers, as the keeper of a VMM has them.
	const first = 100
	for at, path := range paths {
		log, err := openLog(path, max)
		if err != nil {
			t.Fatal(err)
		}
		read, end, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Dup2(int(read.Fd()), first+at); err != nil {
			t.Fatal(err)
		}
		read.Close()
		logs, ends = append(logs, log), append(ends, end)
	}
	ended := make(chan error)
	go func() { ended <- keep(logs, first, nil) }()
	write(ends)
	for _, end := range ends {
		end.Close()
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for at := range paths {
		unix.Close(first + at)
	}
}

func content(t *testing.T, path string) []byte {
	t.Helper()
	bytes, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

func TestOutputIsAppendedUnchanged(t *testing.T) {
	dir := t.TempDir()
	paths := []string{filepath.Join(dir, "console"), filepath.Join(dir, "vmm")}
	if err := os.WriteFile(paths[0], []byte("before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	kept(t, paths, func(pipes []*os.File) {
		pipes[1].WriteString("a warning\n")
		pipes[1].Close()
		pipes[0].Write([]byte{0xff, 0, 'x', '\n'})
	})
	if got := content(t, paths[0]); !bytes.Equal(got, []byte("before\n\xff\x00x\n")) {
		t.Errorf("%q", got)
	}
	if got := content(t, paths[1]); string(got) != "a warning\n" {
		t.Errorf("%q", got)
	}
}

func TestAFloodKeepsTheNewestWholeLinesInABoundedFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "console")
	const lines = 200_000
	kept(t, []string{path}, func(pipes []*os.File) {
		for number := range lines {
			fmt.Fprintf(pipes[0], "line %d\n", number)
			if number%1000 != 0 {
				continue
			}
			if info, err := os.Stat(path); err == nil && info.Size() > max+chunkBytes {
				t.Fatalf("the log has %d bytes", info.Size())
			}
		}
	})
	got := content(t, path)
	if len(got) > max || len(got) < max/2 {
		t.Errorf("the log has %d bytes", len(got))
	}
	first, rest, _ := strings.Cut(string(got), "\n")
	if !regexp.MustCompile(`^\[[0-9]+ older bytes cut\]$`).MatchString(first) {
		t.Errorf("it begins with %q", first)
	}
	numbers := strings.Split(strings.TrimSuffix(rest, "\n"), "\n")
	for at, line := range numbers {
		if want := fmt.Sprintf("line %d", lines-len(numbers)+at); line != want {
			t.Fatalf("%q, want %q", line, want)
		}
	}
	if names, _ := os.ReadDir(dir); len(names) != 1 {
		t.Errorf("%v are left", names)
	}
}

func TestAFloodWithoutLineEndsIsBoundedToo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "console")
	kept(t, []string{path}, func(pipes []*os.File) {
		for range 64 {
			pipes[0].Write(bytes.Repeat([]byte("y"), chunkBytes))
		}
	})
	if got := content(t, path); len(got) > max {
		t.Errorf("the log has %d bytes", len(got))
	}
}

func TestAWriterDoesNotFailWhenTheLogCannotBeWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "console")
	log, err := openLog(path, max)
	if err != nil {
		t.Fatal(err)
	}
	log.file.Close()
	log.write([]byte("lost"))
	log.size = max + 1
	log.write(nil)
}

func TestALinkIsNotFollowed(t *testing.T) {
	dir := t.TempDir()
	other, link := filepath.Join(dir, "other"), filepath.Join(dir, "console")
	if err := os.WriteFile(other, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(other, link); err != nil {
		t.Fatal(err)
	}
	if _, err := openLog(link, max); err == nil {
		t.Error("the link is followed")
	}
}

func TestInvalidArgumentsAreRefused(t *testing.T) {
	for _, args := range [][]string{{}, {"--max"}, {"--max", "x"}, {"--max", "1"}, {"--max", "100000", "--keep"}, {"--max", "100000", "/x", "/y"}} {
		if err := Run(args); err == nil {
			t.Errorf("%q was accepted", args)
		}
	}
}
