package server

import (
	"math"
	"net/http"
	"strconv"
	"time"
)

// cutOffAfter is how long a command's output may stay open after all its processes were ended: something
// that is not one of them may hold it.
const cutOffAfter = time.Second

// timeLimit returns the time that a request allows its command, in the parameter timeout in milliseconds; 0
// for any.
func timeLimit(r *http.Request) (time.Duration, error) {
	text := r.URL.Query().Get("timeout")
	if text == "" {
		return 0, nil
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms < 1 || ms > math.MaxInt32 {
		return 0, badRequest("timeout %q is not a number from 1 to %d", text, math.MaxInt32)
	}
	return time.Duration(ms) * time.Millisecond, nil
}

// cutOff ends the command's output soon: its time limit has passed, and its processes have ended.
func (c *command) cutOff() {
	time.AfterFunc(cutOffAfter, func() {
		if !c.finished.Load() {
			c.abandon()
		}
	})
}
