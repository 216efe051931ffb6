package awsapi

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/smithy-go/logging"

	"purebundle/chunk"
)

// Options of every connection to AWS, or to what speaks its protocols. The zero
// value is the SDK's standard chain: environment, shared files, roles.
type Options struct {
	Keys     Keys   // that go before all others; zero: the standard chain's
	Profile  string // of the shared files; "": AWS_PROFILE, else "default"
	Region   string // "": AWS_REGION, the profile's, else that of the instance
	Endpoint string // URL of the service; "": AWS_ENDPOINT_URL, else that of AWS
	Attempts int    // tries of a request, the first included; 0: 10
	// Patience is for how long a request is tried, beyond Attempts, once 100 MiB have
	// been sent or ten objects fetched; 0: 10 minutes.
	Patience time.Duration
	Stall    time.Duration // a connection on which no byte moves for so long is cut and the request tried again; 0: 30 s
	// Notify, if not nil, is told of each retry, such as
	// "PutObject web.part.003: SlowDown (503): again in 1.4s". It may be called
	// from several goroutines at once.
	Notify func(text string)
}

// Keys are credentials that were given as they are.
type Keys struct{ ID, Secret, SessionToken string }

// provide makes the keys those of a configuration, if there are any.
func (k Keys) provide(o *config.LoadOptions) error {
	if k != (Keys{}) {
		o.Credentials = credentials.NewStaticCredentialsProvider(k.ID, k.Secret, k.SessionToken)
	}
	return nil
}

// Values of Options that are zero.
const (
	defaultAttempts = 10
	defaultPatience = 10 * time.Minute
	defaultStall    = 30 * time.Second
)

// dialTimeout is how long a connection may take to come about.
const dialTimeout = 10 * time.Second

// regionTimeout is how long the metadata service may take to say the region: elsewhere
// than on EC2 its address leads nowhere.
const regionTimeout = 2 * time.Second

// maxIdle is how many connections are kept for the next request.
const maxIdle = 64

// buffer is how much goes to or comes from the kernel at once, in bytes. With Go's
// 4 KiB, sending took a fifth more of our time.
const buffer = 64 << 10

// Load finds configuration and credentials. Requests made with the result are
// retried as Retryer does it: its Retryer returns one *Retryer.
//
// Without credentials it asks the metadata service of an EC2 instance; on a
// machine that is none, that takes the SDK three tries, a few seconds at most.
//
// Shared files that somebody else than root or this user may write are an error.
func Load(ctx context.Context, opt Options) (aws.Config, error) {
	files, err := sharedFiles()
	if err != nil {
		return aws.Config{}, err
	}
	load := func(more ...func(*config.LoadOptions) error) (aws.Config, error) {
		return config.LoadDefaultConfig(ctx, append(more,
			opt.Keys.provide,
			config.WithHTTPClient(client(opt)),
			config.WithLogger(logging.Nop{}), // else the SDK prints
			config.WithSharedConfigProfile(opt.Profile),
			config.WithSharedConfigFiles(files.config),
			config.WithSharedCredentialsFiles(files.credentials),
			config.WithRegion(opt.Region))...)
	}
	if err := checkBundle(); err != nil {
		return aws.Config{}, err
	}
	cfg, err := load()
	if err != nil {
		return aws.Config{}, setup(ctx, err)
	}
	if err := checkRegion(cfg.Region); err != nil {
		return aws.Config{}, err
	}
	creds, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return aws.Config{}, setup(ctx, &credentialsError{err})
	}
	if err := checkKeys(creds); err != nil {
		return aws.Config{}, err
	}
	role := creds.Source == ec2rolecreds.ProviderName
	if cfg.Region == "" && (role || cmp.Or(opt.Endpoint, aws.ToString(cfg.BaseEndpoint)) == "") {
		if cfg.Region, err = instanceRegion(ctx, cfg); err != nil && role {
			return aws.Config{}, setup(ctx, err)
		}
	}
	// From here on, so that it holds for the services that are called and not for
	// those that credentials come from.
	if opt.Endpoint != "" {
		cfg.BaseEndpoint = aws.String(opt.Endpoint)
	}
	if err := CheckEndpoint(aws.ToString(cfg.BaseEndpoint)); err != nil {
		return aws.Config{}, err
	}
	opt.Attempts = cmp.Or(opt.Attempts, cfg.RetryMaxAttempts)
	cfg.RetryMaxAttempts = 0 // else the SDK counts, beside the Retryer
	r := NewRetryer(opt)
	cfg.Retryer = func() aws.Retryer { return r }
	cfg.APIOptions = append(cfg.APIOptions, r.watch, noPages)
	return cfg, nil
}

// instanceRegion asks the metadata service for the region of the instance that this
// may be.
func instanceRegion(ctx context.Context, cfg aws.Config) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, regionTimeout)
	defer cancel()
	out, err := imds.NewFromConfig(cfg).GetRegion(ctx, nil)
	if err != nil {
		return "", err
	}
	return out.Region, nil
}

// CheckEndpoint says why a URL cannot be that of a service; "" can.
func CheckEndpoint(endpoint string) error {
	if endpoint == "" {
		return nil
	}
	u, err := url.Parse(endpoint)
	if err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil && u.RawQuery == "" && u.Fragment == "" {
		return nil
	}
	if err == nil && u.User != nil {
		endpoint = u.Redacted() // a password is not for a log
	}
	return &chunk.Error{Op: "endpoint", Path: strconv.Quote(endpoint), Err: errors.New("is no URL of a service"), Hint: "such as https://s3.example.com or http://127.0.0.1:7070"}
}

// setup explains an error that came before any request.
func setup(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var none config.SharedConfigProfileNotExistError
	if errors.As(err, &none) {
		return &chunk.Error{Op: "profile", Path: none.Profile, Err: cause{"there is no such profile", err},
			Hint: "profiles are in ~/.aws/config and ~/.aws/credentials; aws configure makes one"}
	}
	var role config.SharedConfigAssumeRoleError
	var code config.AssumeRoleTokenProviderNotSetError
	if errors.As(err, &role) || errors.As(err, &code) {
		err = &credentialsError{err} // found while the profile was read
	}
	if _, ok := errors.AsType[*credentialsError](err); ok {
		return Explain("connect", "AWS", err)
	}
	return &chunk.Error{Op: "configure", Path: "AWS", Err: cause{oneLine(err.Error()), err},
		Hint: "look at ~/.aws/config and the AWS_ variables of the environment"}
}

// client makes connections that are cut when they stall. It is the SDK's own
// kind of client, so that the SDK puts the certificates of AWS_CA_BUNDLE in.
func client(opt Options) *awshttp.BuildableClient {
	stall := cmp.Or(opt.Stall, defaultStall)
	dialer := &net.Dialer{Timeout: min(stall, dialTimeout), KeepAlive: 15 * time.Second}
	return awshttp.NewBuildableClient().
		WithReadTimeout(0). // the SDK's does not count bytes that go out
		WithTransportOptions(func(tr *http.Transport) {
			tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				c, err := dialer.DialContext(ctx, network, addr)
				if err != nil {
					return nil, err
				}
				return newConn(c, stall), nil
			}
			tr.Proxy, tr.OnProxyConnectResponse = proxyFor, proxyAnswered
			// Parts in flight are to have a connection each.
			tr.ForceAttemptHTTP2 = false
			tr.Protocols = new(http.Protocols)
			tr.Protocols.SetHTTP1(true)
			tr.MaxIdleConns, tr.MaxIdleConnsPerHost = maxIdle, maxIdle
			tr.IdleConnTimeout = stall / 2 // before it counts as stalled
			tr.WriteBufferSize, tr.ReadBufferSize = buffer, buffer
		})
}
