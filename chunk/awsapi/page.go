package awsapi

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// pageError is an answer that is not of the service: a page of a web server, of a
// proxy or of a load balancer between.
type pageError struct {
	status int
	server string // what it calls itself, such as "nginx/1.22.1"; or ""
}

func (e *pageError) Error() string {
	from := ""
	if e.server != "" {
		from = " (" + oneLine(e.server) + ")"
	}
	return fmt.Sprintf("%d %s with a page for people, not an answer of the service%s", e.status, http.StatusText(e.status), from)
}

// temporary returns true if the service itself may answer later.
func (e *pageError) temporary() bool {
	return e.status >= 500 && e.status != http.StatusNotImplemented && e.status != http.StatusHTTPVersionNotSupported ||
		e.status == http.StatusTooManyRequests || e.status == http.StatusRequestTimeout
}

func (e *pageError) hint() string {
	switch {
	case e.status == http.StatusRequestEntityTooLarge:
		return "what stands before the service takes no bodies of 10 MiB: raise its limit (nginx: client_max_body_size)"
	case e.temporary():
		return "what stands before the service could not reach it each time: try again later"
	case e.status == http.StatusForbidden, e.status == http.StatusUnauthorized, e.status == http.StatusProxyAuthRequired:
		return "a proxy or firewall between refuses it, or the endpoint is a web site: look at HTTP_PROXY and the endpoint"
	case e.status == http.StatusBadRequest:
		return "look at the endpoint: its port may be one for https:// only, or one that has another service"
	}
	return "look at the endpoint: its name, its port and its path are those of a web site"
}

// content is the operations whose answer is an object, which may be a page.
var content = []string{"GetObject", "HeadObject"}

// noPages makes an error of an answer that is a page instead of one of the service,
// which the SDK takes for an empty list.
func noPages(stack *middleware.Stack) error {
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("NoPages",
		func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
			out, meta, err := next.HandleDeserialize(ctx, in)
			response, ok := out.RawResponse.(*smithyhttp.Response)
			if err != nil || !ok || response.Response == nil {
				return out, meta, err
			}
			if response.StatusCode < 300 && slices.Contains(content, awsmiddleware.GetOperationName(ctx)) || !page(response.Response) {
				return out, meta, nil
			}
			response.Body.Close()
			return out, meta, &pageError{response.StatusCode, response.Header.Get("Server")}
		}), middleware.After)
}

// page returns true if an answer is for people: HTML, or an error in plain text. What
// the head says of the content is not enough, because servers call XML so too.
func page(r *http.Response) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "text/html" && kind != "text/plain" {
		return false
	}
	body := bufio.NewReader(r.Body)
	begin, _ := body.Peek(64) // its error comes again
	r.Body = struct {
		io.Reader
		io.Closer
	}{body, r.Body}
	begin = bytes.ToLower(bytes.TrimSpace(begin))
	if bytes.HasPrefix(begin, []byte("<")) {
		return bytes.HasPrefix(begin, []byte("<!doctype")) || bytes.HasPrefix(begin, []byte("<html"))
	}
	return len(begin) > 0 && (kind == "text/html" || r.StatusCode >= 300)
}
