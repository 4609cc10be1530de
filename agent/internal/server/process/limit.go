package process

import "time"

// LimitGrace is how long the processes of a command may take to end by themselves after its time limit.
const LimitGrace = 5 * time.Second

// Limit is the time limit of a command. A nil Limit never passes.
type Limit struct {
	timer *time.Timer
	ended chan struct{}
	// hadAny: there was something to end.
	hadAny bool
}

// LimitTo ends the whole tree of the command after the time has passed, and then calls after. The time is the
// guest's: it stands still while the guest is suspended. Without a time it returns nil.
func (p *Process) LimitTo(most time.Duration, after func()) *Limit {
	if most <= 0 {
		return nil
	}
	l := &Limit{ended: make(chan struct{})}
	l.timer = time.AfterFunc(most, func() {
		defer close(l.ended)
		l.hadAny = p.EndTree(LimitGrace)
		after()
	})
	return l
}

// Over ends the limit, when the command has ended. It returns true if the limit ended the command, and only
// once nothing of that is left.
func (l *Limit) Over() bool {
	if l == nil || l.timer.Stop() {
		return false
	}
	<-l.ended
	return l.hadAny
}
