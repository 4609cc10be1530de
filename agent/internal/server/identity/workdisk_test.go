package identity

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestFilesWaitForTheWorkDiskAndOtherStepsDoNot(t *testing.T) {
	system, _ := recorder(t)
	isNamed := make(chan struct{})
	system.SetHostname = func(string) error { close(isNamed); return nil }
	system.SetWorkDisk = func(mode string) error {
		if mode != "mount" {
			t.Errorf("got %q", mode)
		}
		<-isNamed
		if _, err := os.Lstat(filepath.Join(system.Root, "root/key")); err == nil {
			t.Error("a file was written before the work disk was mounted")
		}
		return nil
	}
	p := decode(t, `{"hostname":"web","workDisk":"mount","files":[{"path":"/root/key","mode":384}]}`)
	if _, err := system.Apply(p, time.Now()); err != nil {
		t.Fatal(err)
	}
	if got := read(t, filepath.Join(system.Root, "root/key")); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestAWorkDiskThatCannotBeMountedFailsItsStep(t *testing.T) {
	system, _ := recorder(t)
	broken := errors.New("broken")
	system.SetWorkDisk = func(string) error { return broken }
	p := decode(t, `{"workDisk":"release","files":[{"path":"/root/key","mode":384}]}`)
	_, err := system.Apply(p, time.Now())
	var step *StepError
	if !errors.As(err, &step) || step.Step != "work-disk" || !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	if _, err := os.Lstat(filepath.Join(system.Root, "root/key")); err == nil {
		t.Error("a file was written")
	}
}

func TestApplyReturnsOnlyWhenNothingRunsAnyLonger(t *testing.T) {
	system, _ := recorder(t)
	isDone := false
	system.SetWorkDisk = func(string) error { time.Sleep(20 * time.Millisecond); isDone = true; return nil }
	system.SetHostname = func(string) error { return errors.New("refused") }
	_, err := system.Apply(decode(t, `{"workDisk":"mount","hostname":"web"}`), time.Now())
	if err == nil || !isDone {
		t.Fatalf("got %v, done %v", err, isDone)
	}
}

func TestReadRefusesAnUnknownModeOfTheWorkDisk(t *testing.T) {
	if _, err := Read(strings.NewReader(`{"workDisk":"format"}`)); err == nil {
		t.Fatal("accepted")
	}
}
