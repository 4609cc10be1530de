// Package beside runs work in the background.
package beside

import (
	"fmt"
	"sync"
)

// Run runs work in the background. The function that it returns waits for the work and returns its error; it
// may be called more than once. A panic of the work is an error.
func Run(work func() error) (wait func() error) {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if cause := recover(); cause != nil {
				done <- fmt.Errorf("panic: %v", cause)
			}
		}()
		done <- work()
	}()
	return sync.OnceValue(func() error { return <-done })
}
