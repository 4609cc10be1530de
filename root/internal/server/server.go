// Package server answers callers: one request on each connection, from the owner or root only.
package server

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"time"

	"banger.dev/root/internal/helper"
	"banger.dev/root/internal/refusal"
	"banger.dev/root/internal/request"
)

const (
	// ReadDeadline is how long a caller has to send its request, and to read the answer.
	ReadDeadline = 5 * time.Second
	workDeadline = 30 * time.Second
	// Connections at once. Others are refused, so that a caller who opens very many costs no memory.
	maxConnections = 32
)

// Doer carries out operations.
type Doer interface {
	Do(context.Context, request.Operation) (helper.Result, error)
}

// Server is the helper's side of its socket.
type Server struct {
	// Owner is the uid of the user that it works for.
	Owner uint32
	Doer  Doer
	Audit *Audit
	// ReadDeadline is shorter in tests.
	ReadDeadline time.Duration
}

type answer struct {
	OK     bool          `json:"ok"`
	Result helper.Result `json:"result,omitempty"`
	Error  *problem      `json:"error,omitempty"`
}

type problem struct {
	Code    refusal.Code `json:"code"`
	Message string       `json:"message"`
}

// Serve answers callers until the listener is closed.
func (s *Server) Serve(listener *net.UnixListener) error {
	slots := make(chan struct{}, maxConnections)
	for {
		conn, err := listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			// No descriptors are left: wait for connections to end.
			time.Sleep(50 * time.Millisecond)
			continue
		}
		select {
		case slots <- struct{}{}:
			go func() {
				defer func() { <-slots }()
				s.serve(conn)
			}()
		default:
			s.refuse(conn)
		}
	}
}

func (s *Server) serve(conn *net.UnixConn) {
	defer conn.Close()
	began := time.Now()
	caller, err := peerOf(conn)
	entry := Entry{Caller: caller}
	var result helper.Result
	if err == nil && caller.UID != s.Owner && caller.UID != 0 {
		err = refusal.New(refusal.Denied, "only the user %d may use this helper", s.Owner)
	}
	if err == nil {
		entry.Request, result, err = s.handle(conn)
	}
	entry.Duration = time.Since(began)
	s.Audit.Write(entry, err)
	write(conn, result, err)
}

func (s *Server) handle(conn *net.UnixConn) (request.Request, helper.Result, error) {
	line, err := s.readLine(conn)
	if err != nil {
		return request.Request{}, nil, err
	}
	asked, err := request.Parse(line)
	if err != nil {
		return asked, nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), workDeadline)
	defer cancel()
	result, err := s.Doer.Do(ctx, asked.Operation)
	return asked, result, err
}

func (s *Server) refuse(conn *net.UnixConn) {
	defer conn.Close()
	caller, _ := peerOf(conn)
	err := refusal.New(refusal.Busy, "more than %d connections are open", maxConnections)
	s.Audit.Write(Entry{Caller: caller}, err)
	write(conn, nil, err)
}

// readLine reads the request, up to the end of its line or of what the caller sends.
func (s *Server) readLine(conn *net.UnixConn) ([]byte, error) {
	if err := conn.SetReadDeadline(time.Now().Add(s.ReadDeadline)); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(io.LimitReader(conn, request.MaxBytes+1)).ReadBytes('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, refusal.New(refusal.BadRequest, "no whole request came within %v", s.ReadDeadline)
	}
	return line, nil
}

func write(conn *net.UnixConn, result helper.Result, err error) {
	made := answer{OK: err == nil, Result: result}
	if err != nil {
		known := refusal.Of(err)
		made.Error = &problem{known.Code, known.Message}
	}
	if conn.SetWriteDeadline(time.Now().Add(ReadDeadline)) == nil {
		// A caller that has hung up wants no answer.
		_ = json.NewEncoder(conn).Encode(made)
	}
}
