package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/sys/unix"

	"banger.dev/agent/internal/server/hello"
	"banger.dev/agent/internal/server/identity"
	"banger.dev/agent/internal/server/jobs"
	"banger.dev/agent/internal/server/process"
	"banger.dev/agent/internal/server/procnet"
)

// service answers the host's requests.
type service struct {
	Options
	bootID string
	ports  procnet.Scanner
	width  width
	// exposed are connections that wait for the host.
	exposed exposed
	// personalising allows one personalisation at a time.
	personalising sync.Mutex
	// jobs are commands that no host is connected to.
	jobs jobs.Store
	// commands counts the execs that have not ended completely, except those that outlived their host.
	commands sync.WaitGroup
}

func newService(o Options) *service {
	bootID, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		o.Log.Printf("cannot read the boot id: %v", err)
	}
	return &service{Options: o, bootID: strings.TrimSpace(string(bootID))}
}

func (s *service) waitForCommands(atMost time.Duration) {
	done := make(chan struct{})
	go func() {
		s.commands.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(atMost):
		s.Log.Printf("commands are still ending after %v", atMost)
	}
}

// routes handles all requests. The value or the error that a handler returns is sent as JSON.
func (s *service) routes() http.Handler {
	handlers := map[string]http.HandlerFunc{
		"GET /health":       s.answer(s.health),
		"GET /ready":        s.answer(s.ready),
		"POST /exec":        s.exec,
		"PUT /tar":          s.answer(s.putTar),
		"GET /tar":          s.getTar,
		"GET /stat":         s.answer(s.stat),
		"POST /personalise": s.answer(s.personalise),
		"POST /keep":        s.answer(s.keep),
		"GET /ports":        s.listPorts,
		"POST /tcp":         s.tcp,
		"POST /expose":      s.expose,
		"POST /exposed":     s.takeExposed,
		"GET /stats":        s.answer(s.stats),
		"POST /sync":        s.answer(s.sync),
		"POST /poweroff":    s.answer(s.powerOff),
		"POST /jobs":        s.answer(s.startJob),
		"GET /jobs":         s.answer(s.listJobs),
		"GET /jobs/output":  s.readJob,
		"POST /jobs/end":    s.answer(s.endJob),
		"POST /jobs/signal": s.answer(s.signalJob),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler, known := handlers[r.Method+" "+r.URL.Path]
		if !known {
			sendError(w, &requestError{http.StatusNotFound, fmt.Sprintf("no such request: %s %s", r.Method, r.URL.Path)})
			return
		}
		handler(w, r)
	})
}

type empty struct{}

func (s *service) answer(handle func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		value, err := handle(r)
		if err != nil {
			sendError(w, err)
			return
		}
		sendJSON(w, http.StatusOK, value)
	}
}

func sendJSON(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	w.Header()["Content-Type"] = []string{"application/json"}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// requestError is an error with its HTTP status; every other error has the status 500.
type requestError struct {
	status  int
	message string
}

func (e *requestError) Error() string { return e.message }

func badRequest(format string, args ...any) error {
	return &requestError{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// failure is the body of an error frame, and of every answer with a status other than 2xx.
type failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	// Step is the step at which a personalisation failed.
	Step string `json:"step,omitempty"`
}

var codes = map[int]string{
	http.StatusBadRequest:          "bad_request",
	http.StatusNotFound:            "not_found",
	http.StatusConflict:            "conflict",
	http.StatusInternalServerError: "failed",
}

func sendError(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	if known := new(requestError); errors.As(err, &known) {
		status = known.status
	}
	if refusal := new(process.StartError); errors.As(err, &refusal) {
		sendJSON(w, http.StatusUnprocessableEntity, failure{Code: refusal.Code, Message: oneLine(refusal.Message)})
		return
	}
	step := new(identity.StepError)
	errors.As(err, &step)
	sendJSON(w, status, failure{codes[status], oneLine(err.Error()), step.Step})
}

// oneLine makes a message safe for a terminal and a log: no control or format characters, one line, valid
// UTF-8.
func oneLine(message string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(message, "\uFFFD"))
}

type health struct {
	Generation int    `json:"generation"`
	Version    string `json:"version"`
	BootID     string `json:"bootId"`
	UptimeMs   int64  `json:"uptimeMs"`
	Init       string `json:"init"`
	Ready      bool   `json:"ready"`
}

func (s *service) health(*http.Request) (any, error) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return nil, err
	}
	return health{
		Generation: hello.Generation,
		Version:    s.Version,
		BootID:     s.bootID,
		UptimeMs:   now.Nano() / 1e6,
		Init:       s.Init,
		Ready:      s.isReady(),
	}, nil
}

func (s *service) isReady() bool {
	if s.Ready == nil {
		return true
	}
	select {
	case <-s.Ready:
		return true
	default:
		return false
	}
}

func (s *service) ready(r *http.Request) (any, error) {
	if s.Ready != nil {
		select {
		case <-s.Ready:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	return s.health(r)
}
