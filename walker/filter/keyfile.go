package filter

import (
	"bytes"
	"strings"
)

// HoldsSecret says whether a keyfile of NetworkManager's (nm-settings-keyfile(5)) holds a secret. What is no such file is taken for one.
func HoldsSecret(keyfile []byte) bool {
	connection := false
	for line := range bytes.Lines(keyfile) {
		line = bytes.TrimSpace(line)
		switch {
		case bytes.Equal(line, []byte("[connection]")):
			connection = true
			continue
		case bytes.HasPrefix(line, []byte("[")):
			if bytes.Contains(line, []byte("secrets")) {
				return true
			}
			continue
		}
		key, value, _ := bytes.Cut(line, []byte("="))
		if len(bytes.TrimSpace(value)) > 0 && isSecretKey(string(bytes.TrimSpace(key))) {
			return true
		}
	}
	return !connection
}

// isSecretKey says whether a property of a connection holds a secret.
func isSecretKey(key string) bool {
	if strings.HasSuffix(key, "-flags") {
		return false
	}
	switch key {
	case "psk", "preshared-key", "pin", "private-key", "password", "password-raw", "mka-cak":
		return true
	}
	return strings.HasSuffix(key, "-password") || strings.HasPrefix(key, "wep-key") && key != "wep-key-type" || strings.Contains(key, "secret")
}
