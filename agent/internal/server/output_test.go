package server

import (
	"errors"
	"os"
	"testing"
	"time"

	"banger.dev/agent/internal/server/process"
)

func TestWhatIsThereIsReadAfterTheDeadline(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	writer.WriteString("late")
	reader.SetReadDeadline(longAgo)
	buffer := make([]byte, 16)
	if _, err := reader.Read(buffer); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("a read after the deadline: %v", err)
	}
	if n, err := process.ReadWhatIsThere(reader, buffer); err != nil || string(buffer[:n]) != "late" {
		t.Fatalf("got %q, %v", buffer[:n], err)
	}
	begun := time.Now()
	if n, err := process.ReadWhatIsThere(reader, buffer); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("nothing there: got %d bytes, %v", n, err)
	}
	writer.Close()
	if n, err := process.ReadWhatIsThere(reader, buffer); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("at the end: got %d bytes, %v", n, err)
	}
	if took := time.Since(begun); took > time.Second {
		t.Fatalf("it waited for %v", took)
	}
}
