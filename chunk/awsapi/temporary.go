package awsapi

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// temporary is the codes of answers that are worth another try though their
// status does not say so: throttling, and bytes that changed on the way.
var temporary = map[string]bool{
	"SlowDown": true, "Throttling": true, "ThrottlingException": true, "ThrottledException": true,
	"RequestThrottled": true, "RequestThrottledException": true, "TooManyRequestsException": true,
	"RequestLimitExceeded": true, "BandwidthLimitExceeded": true, "EC2ThrottledException": true,
	"PriorRequestNotComplete": true, "TransactionInProgressException": true,
	"ProvisionedThroughputExceededException": true, "RequestTimeout": true, "RequestTimeoutException": true,
	"InternalError": true, "InternalFailure": true, "ServiceUnavailable": true, "Unavailable": true, "Busy": true,
	"OperationAborted": true, "ConditionalRequestConflict": true,
	"BadDigest": true, "XAmzContentSHA256Mismatch": true, "XAmzContentChecksumMismatch": true,
	"IncompleteBody":                   true,
	"ConcurrentLimitExceededException": true, "InternalServerException": true, // EBS
}

// brokenError is a body that did not arrive whole.
type brokenError struct{ err error }

func (e *brokenError) Error() string { return e.err.Error() }
func (e *brokenError) Unwrap() error { return e.err }

// Broken marks an error as one of the transfer, so that it is worth another try.
func Broken(err error) error { return &brokenError{err} }

// Temporary says whether a request that failed so may succeed later: throttling,
// errors of the server, broken or stalled connections, bytes that changed on the
// way. Everything else is for people to change.
func Temporary(err error) bool {
	if errors.Is(err, context.Canceled) || untrusted(err) || errors.Is(err, http.ErrSchemeMismatch) {
		return false
	}
	if p, ok := errors.AsType[*pageError](err); ok {
		return p.temporary()
	}
	if p, ok := errors.AsType[*proxyError](err); ok {
		return p.temporary()
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok && temporary[api.ErrorCode()] {
		return true
	}
	if _, ok := errors.AsType[*brokenError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*smithy.DeserializationError](err); ok {
		return true // the answer was cut short, or makes no sense
	}
	switch code := status(err); {
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout:
		return true
	case code >= 500:
		return code != http.StatusNotImplemented && code != http.StatusHTTPVersionNotSupported
	case code >= 300:
		return false
	}
	_, sending := errors.AsType[*smithyhttp.RequestSendError](err)
	return sending
}

// untrusted says that the server could not show who it is.
func untrusted(err error) bool {
	var verify *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var unknown x509.UnknownAuthorityError
	return errors.As(err, &verify) || errors.As(err, &record) || errors.As(err, &unknown)
}

// dialed says that there was no connection, to the server or to a proxy.
func dialed(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && (op.Op == "dial" || op.Op == "proxyconnect")
}

// unknownCode is the code that the SDK gives an answer that has none.
const unknownCode = "UnknownError"

// short says in a few words why a request failed.
func short(err error) string {
	api, isAPI := errors.AsType[smithy.APIError](err)
	stall, isStall := errors.AsType[*StallError](err)
	broken, isBroken := errors.AsType[*brokenError](err)
	page, isPage := errors.AsType[*pageError](err)
	proxy, isProxy := errors.AsType[*proxyError](err)
	var errno syscall.Errno
	var dns *net.DNSError
	var timeout net.Error
	switch code := status(err); {
	case isPage:
		return page.Error()
	case isProxy:
		return proxy.Error()
	case isAPI && code != 0 && api.ErrorCode() != unknownCode:
		return fmt.Sprintf("%s (%d)", api.ErrorCode(), code)
	case isAPI && api.ErrorCode() != unknownCode:
		return api.ErrorCode()
	case isStall:
		return stall.Error()
	case errors.Is(err, syscall.EPIPE):
		return "connection closed"
	case errors.As(err, &errno):
		return errno.Error()
	case errors.As(err, &dns):
		return "look up " + dns.Name + ": " + dns.Err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed in the middle of an answer"
	case errors.Is(err, io.EOF):
		return "connection closed"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timed out"
	case isBroken:
		return broken.Error()
	case code >= 300:
		return fmt.Sprintf("%d %s", code, http.StatusText(code))
	}
	return innermost(err).Error()
}

// innermost returns the error at the end of the chain.
func innermost(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}
