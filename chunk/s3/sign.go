package s3

import (
	"context"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// acceptEncoding is the head that the SDK signs though others change it: Google's
// front ends and many proxies.
const acceptEncoding = "Accept-Encoding"

// unsignedEncoding leaves Accept-Encoding out of what is signed. It is sent all the
// same, so that nobody compresses.
func unsignedEncoding(stack *middleware.Stack) error {
	type valueKey struct{}
	err := stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("TakeAcceptEncoding",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			if request, ok := in.Request.(*smithyhttp.Request); ok {
				ctx = context.WithValue(ctx, valueKey{}, request.Header.Get(acceptEncoding))
				request.Header.Del(acceptEncoding)
			}
			return next.HandleFinalize(ctx, in)
		}), "Signing", middleware.Before)
	if err != nil {
		return err
	}
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("GiveAcceptEncoding",
		func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			value, _ := ctx.Value(valueKey{}).(string)
			if request, ok := in.Request.(*smithyhttp.Request); ok && value != "" {
				request.Header.Set(acceptEncoding, value)
			}
			return next.HandleFinalize(ctx, in)
		}), "Signing", middleware.After)
}
