// Command init is the first program of the bare VM that measurements compare with: it says one line and then
// does nothing.
package main

import (
	"os"
	"time"
)

func main() {
	os.Stdout.WriteString("BARE-INIT-UP\n")
	for {
		time.Sleep(time.Hour) // an empty select would be a deadlock to the runtime
	}
}
