package awsapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
)

// proxyFor returns the proxy of the environment for a request. Addresses of this
// link have none: the metadata service of an instance answers to the instance only,
// and a proxy would answer with credentials of its own.
func proxyFor(r *http.Request) (*url.URL, error) {
	if ip := net.ParseIP(r.URL.Hostname()); ip != nil && (ip.IsLinkLocalUnicast() || ip.Equal(metadataIPv6)) {
		return nil, nil
	}
	return http.ProxyFromEnvironment(r)
}

// metadataIPv6 is the address of the metadata service in IPv6, which is not of the
// link-local range.
var metadataIPv6 = net.ParseIP("fd00:ec2::254")

// proxyError is a proxy that does not make the connection it was asked for.
type proxyError struct {
	proxy  string // its URL, without a password
	status int    // of its answer to CONNECT
}

func (e *proxyError) Error() string {
	return fmt.Sprintf("the proxy %s answers %d %s", e.proxy, e.status, http.StatusText(e.status))
}

// proxyAnswered returns an error if a proxy refuses CONNECT.
func proxyAnswered(_ context.Context, proxy *url.URL, _ *http.Request, response *http.Response) error {
	if response.StatusCode == http.StatusOK {
		return nil
	}
	return &proxyError{proxy.Redacted(), response.StatusCode}
}

// temporary returns true if the proxy may do it later.
func (e *proxyError) temporary() bool {
	return e.status >= 500 || e.status == http.StatusTooManyRequests
}

// proxied returns what to say of a proxy that is in the way; text is "" for other errors.
func proxied(err error) (text, hint string) {
	if refused, ok := errors.AsType[*proxyError](err); ok {
		switch {
		case refused.status == http.StatusProxyAuthRequired:
			return refused.Error(), "put its user and password in HTTPS_PROXY (http://USER:PASSWORD@HOST:PORT)"
		case refused.temporary():
			return refused.Error(), "it was like that each time: is the endpoint right, and can the proxy reach it?"
		}
		return refused.Error(), "let it pass that host, or name the host in NO_PROXY"
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "proxyconnect" {
		return "no connection to the proxy: " + short(err), "look at HTTPS_PROXY and HTTP_PROXY; NO_PROXY names the hosts that are reached without"
	}
	return "", ""
}
