package beside

import (
	"errors"
	"os"
	"testing"
)

func TestRunReturnsTheErrorOrThePanic(t *testing.T) {
	if err := Run(func() error { return nil })(); err != nil {
		t.Fatal(err)
	}
	if err := Run(func() error { panic("broken") })(); err == nil || err.Error() != "panic: broken" {
		t.Fatalf("got %v", err)
	}
	wait := Run(func() error { return os.ErrExist })
	for range 2 {
		if err := wait(); !errors.Is(err, os.ErrExist) {
			t.Fatalf("got %v", err)
		}
	}
}
