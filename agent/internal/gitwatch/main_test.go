package gitwatch

import (
	"fmt"
	"log"
	"os"
	"testing"
)

// askVariable makes this test's program the one that git asks, at the socket that it names.
const askVariable = "BANGER_TEST_CHANGES"

func TestMain(m *testing.M) {
	if socket := os.Getenv(askVariable); socket != "" {
		if err := Changes(os.Args[1:], socket, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

type logged struct{ *testing.T }

func (l logged) Write(text []byte) (int, error) {
	l.Errorf("the agent logged: %s", text)
	return len(text), nil
}

func testLog(t *testing.T) *log.Logger { return log.New(logged{t}, "", 0) }
