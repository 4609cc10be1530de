package confine

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestTheLogKeeperHasNoDescriptorOfTheCaller(t *testing.T) {
	requireWalls(t, 1)
	spare, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer spare.Close()
	told := filepath.Join(t.TempDir(), "console")
	options := []string{"--read", "/proc", "--console", told, "--log", told + ".log", "--max-log", "1000"}
	command, output := start(t, options, "descriptors")
	command.ExtraFiles = []*os.File{spare, spare, spare, spare, spare, spare, spare, spare}
	// Nothing reads the program's output, so a signal may end it.
	if err := command.Run(); err != nil {
		t.Logf("%v: %s", err, output)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		content, err := os.ReadFile(told)
		if err == nil && len(content) > 0 {
			// Its two pipes are the only descriptors beyond the standard ones.
			if string(content) != "0 1 2 3 4" {
				t.Errorf("it has the descriptors %s", content)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the keeper wrote nothing: %v", err)
		}
	}
}
