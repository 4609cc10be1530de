package decisions

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func openTest(t *testing.T, maxBytes int64) (*Log, *clock, string) {
	t.Helper()
	clock := &clock{at: time.Unix(1e9, 0)}
	path := filepath.Join(t.TempDir(), "log")
	log, err := Open(path, maxBytes, clock.now)
	if err != nil {
		t.Fatal(err)
	}
	return log, clock, path
}

func read(t *testing.T, path string) []Entry {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var entries []Entry
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var entry Entry
		if err := json.Unmarshal(lines.Bytes(), &entry); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		entries = append(entries, entry)
	}
	return entries
}

func refusal(port uint16) Entry {
	return Entry{Kind: "tcp", Address: "192.0.2.1", Port: port, Verdict: Refused, Reason: "no rule", Allow: "192.0.2.1"}
}

func TestTheSameDecisionIsWrittenOnceAndThenCounted(t *testing.T) {
	log, clock, path := openTest(t, MaxFileBytes)
	for range 1000 {
		if err := log.Record(refusal(80)); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Record(refusal(81)); err != nil {
		t.Fatal(err)
	}
	if entries := read(t, path); len(entries) != 2 || entries[0].Count != 0 || entries[0].Reason != "no rule" {
		t.Fatalf("%+v", entries)
	}
	clock.at = clock.at.Add(window)
	if err := log.Flush(); err != nil {
		t.Fatal(err)
	}
	if entries := read(t, path); len(entries) != 3 || entries[2].Count != 999 || entries[2].Port != 80 {
		t.Fatalf("%+v", entries)
	}
	if err := log.Flush(); err != nil || len(read(t, path)) != 3 {
		t.Error("an idle log grows")
	}
}

func TestManyDifferentDecisionsBecomeASummary(t *testing.T) {
	log, clock, path := openTest(t, MaxFileBytes)
	const all = 50_000
	for each := range all {
		if err := log.Record(refusal(uint16(each + 1))); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Record(Entry{Kind: "tcp", Address: "192.0.2.2", Port: 1, Verdict: Allowed, Rule: "db"}); err != nil {
		t.Fatal(err)
	}
	if entries := read(t, path); len(entries) != linesBurst+1 || entries[linesBurst].Verdict != Allowed {
		t.Fatalf("%d lines", len(entries))
	}
	clock.at = clock.at.Add(window)
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	told := 0
	for _, entry := range read(t, path) {
		if entry.Verdict == Refused {
			told += max(1, entry.Count)
		}
		if entry.IsSummary && (entry.Address != "" || entry.Reason != "no rule") {
			t.Errorf("a summary has %+v", entry)
		}
	}
	if told != all {
		t.Errorf("%d of %d refusals are told", told, all)
	}
}

func TestAGuestCannotReplaceTheHistoryQuickly(t *testing.T) {
	log, clock, path := openTest(t, 64<<10)
	first := Entry{Kind: "tcp", Address: "192.0.2.9", Port: 9, Verdict: Allowed, Rule: "first"}
	if err := log.Record(first); err != nil {
		t.Fatal(err)
	}
	for second := range 60 {
		for each := range 1000 {
			kind := []string{"dns", "tcp", "udp"}[each%3]
			entry := Entry{Kind: kind, Name: fmt.Sprintf("%d-%d.test", second, each), Verdict: []string{Allowed, Refused}[each%2]}
			if err := log.Record(entry); err != nil {
				t.Fatal(err)
			}
		}
		clock.at = clock.at.Add(time.Second)
		if err := log.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	found := false
	for _, name := range []string{path, path + ".1"} {
		info, err := os.Stat(name)
		if err != nil {
			continue
		}
		if info.Size() > 64<<10 {
			t.Errorf("%s has %d bytes", name, info.Size())
		}
		for _, entry := range read(t, name) {
			found = found || entry.Rule == "first"
		}
	}
	if !found {
		t.Error("a minute of noise has replaced the history")
	}
	if len(log.counts) > maxCounted || len(log.summaries) > maxCounted {
		t.Error("the counts are not bounded")
	}
}

func TestTheLogKeepsTwoBoundedFiles(t *testing.T) {
	log, clock, path := openTest(t, 4096)
	for each := range 1000 {
		clock.at = clock.at.Add(time.Hour)
		if err := log.Record(refusal(uint16(each + 1))); err != nil {
			t.Fatal(err)
		}
	}
	entries := append(read(t, path+".1"), read(t, path)...)
	if last := entries[len(entries)-1]; last.Port != 1000 {
		t.Errorf("the last entry is %+v", last)
	}
	names, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(names) != 2 {
		t.Errorf("%v, %v", names, err)
	}
	for _, name := range []string{path, path + ".1"} {
		if info, err := os.Stat(name); err != nil || info.Size() > 4096 || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

func TestWhatCannotBeWrittenIsAnErrorUntilItCanBeAgain(t *testing.T) {
	log, _, path := openTest(t, MaxFileBytes)
	if err := log.Record(refusal(80)); err != nil {
		t.Fatal(err)
	}
	away := filepath.Dir(path) + "-away"
	if err := os.Rename(filepath.Dir(path), away); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(away, "log")); err != nil {
		t.Fatal(err)
	}
	if err := log.Record(refusal(81)); err == nil {
		t.Fatal("a line of a deleted file counts as written")
	}
	if err := log.Record(refusal(80)); err == nil {
		t.Fatal("a broken log still counts")
	}
	if err := os.Rename(away, filepath.Dir(path)); err != nil {
		t.Fatal(err)
	}
	if err := log.Record(refusal(80)); err != nil {
		t.Fatal(err)
	}
	if entries := read(t, path); len(entries) != 1 || entries[0].Port != 80 {
		t.Errorf("%+v", entries)
	}
}

func TestAFullDiskLeavesWholeLines(t *testing.T) {
	const full = "/dev/full"
	if _, err := os.Stat(full); err != nil {
		t.Skip("this host has no /dev/full")
	}
	log, _, _ := openTest(t, MaxFileBytes)
	device, err := os.OpenFile(full, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	log.file.close()
	log.file.open = device
	if err := log.Record(refusal(80)); err == nil {
		t.Error("a full disk is no error")
	}
}

func TestALogThatIsALinkIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(dir, "elsewhere"), filepath.Join(dir, "log")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(dir, "log"), MaxFileBytes, time.Now); err == nil {
		t.Error("it was followed")
	}
}

func BenchmarkRecordOfAKnownDecision(b *testing.B) {
	log, err := Open(filepath.Join(b.TempDir(), "log"), MaxFileBytes, time.Now)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := log.Record(refusal(80)); err != nil {
			b.Fatal(err)
		}
	}
}
