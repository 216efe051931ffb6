package awsapi

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Options of every connection to AWS, or to what speaks its protocols. The zero
// value is the SDK's standard chain: environment, shared files, roles.
type Options struct {
	Profile  string        // of the shared files; "": AWS_PROFILE, else "default"
	Region   string        // "": AWS_REGION, the profile's, else that of the instance
	Endpoint string        // URL of the service; "": AWS_ENDPOINT_URL, else that of AWS
	Attempts int           // tries of a request, the first included; 0: 10
	Stall    time.Duration // a connection on which no byte moves for so long is cut and the request tried again; 0: 30 s
	// Notify, if not nil, is told of each retry, such as
	// "PutObject web.part.003: SlowDown (503): again in 1.4s". It may be called
	// from several goroutines at once.
	Notify func(text string)
}

// Load finds configuration and credentials.
func Load(ctx context.Context, opt Options) (aws.Config, error) {
	return aws.Config{}, errors.New("not there yet")
}
