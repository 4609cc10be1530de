package procnet

import (
	"context"
	"errors"
	"net"
	"slices"
	"testing"
	"time"
)

func TestWatchReportsAPortThatOpensAndThatItCloses(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	changes := make(chan Change)
	ended := make(chan error, 1)
	go func() {
		ended <- Watch(ctx, func(change Change) error {
			select {
			case changes <- change:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	next := func() Change {
		select {
		case change := <-changes:
			return change
		case err := <-ended:
			t.Fatalf("the watch ended: %v", err)
			return Change{}
		}
	}
	next()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := uint16(listener.Addr().(*net.TCPAddr).Port)
	isOurs := func(one Listener) bool { return one.Port == port }
	// Other programs of this machine open and close ports, too.
	for !slices.ContainsFunc(next().Opened, isOurs) {
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	for !slices.ContainsFunc(next().Closed, isOurs) {
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatalf("the watch ended with %v", err)
	}
}

func TestWatchLooksLessOftenWhenNothingChanges(t *testing.T) {
	for since, want := range map[time.Duration]time.Duration{
		0:                400 * time.Millisecond,
		29 * time.Second: 400 * time.Millisecond,
		30 * time.Second: 800 * time.Millisecond,
		time.Hour:        800 * time.Millisecond,
	} {
		if got := pause(since); got != want {
			t.Errorf("%v after a change: %v, want %v", since, got, want)
		}
	}
}
