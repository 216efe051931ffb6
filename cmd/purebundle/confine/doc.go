// Package confine takes power away from this process for good: capabilities, the
// gaining of new ones, writing to files, running programs, reaching the network.
// A mistake in what reads other people's trees and bundles then stays one of
// reading.
//
// It does not take away reading: what the user may read, the process may. System
// calls are not filtered, and of the network only TCP and abstract Unix sockets
// are closed; UDP, Multipath TCP and Unix sockets that have a path are not, because
// Linux 6.18 cannot.
//
// The kernel keeps all of this by thread, and Go has many: each call is made on all
// of them (syscall.AllThreadsSyscall), which only a program built with CGO_ENABLED=0
// can. In any other nothing is taken, and errors.Is(err, errors.ErrUnsupported).
//
// Sources: capabilities(7), prctl(2), landlock(7).
package confine
