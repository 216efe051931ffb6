package filter

// Reasons as they are reported.
const (
	sshKey     = "private SSH key"
	sshLogin   = "SSH authorized keys"
	cloudLogin = "cloud credentials"
	password   = "stored credentials"
	keyring    = "keyring"
	browser    = "passwords of a browser"
	session    = "key of a desktop session"
	keytab     = "Kerberos keys"
	network    = "key of a network"
	diskKey    = "key of a disk"
	oldShadow  = "password hashes"
	service    = "secret of a service"
)

// secrets lists credentials and private keys.
func secrets() []Place {
	return []Place{
		{Secrets, Any, Nothing, "", []string{".ssh/id_*.pub"}},
		{Secrets, Home, Nothing, "", []string{".ssh/**/*.pub", ".ssh/**/known_hosts*", ".ssh/config", ".ssh/rc", ".ssh/environment"}},
		{Secrets, Any, Login, sshLogin, []string{".ssh/authorized_keys", ".ssh/authorized_keys2"}},
		{Secrets, Any, File, sshKey, []string{".ssh/id_*"}},
		{Secrets, Home, File, sshKey, []string{".ssh/**"}},
		{Secrets, Any, File, cloudLogin, []string{".aws/credentials"}},
		{Secrets, Home, File, cloudLogin, []string{".aws/config", ".boto", ".s3cfg"}},
		{Secrets, Home, Name, cloudLogin, []string{".aws/sso/cache", ".aws/cli/cache", ".config/gcloud", ".azure", ".oci", ".config/doctl", ".config/hcloud",
			".config/rclone", ".fly", ".terraform.d/credentials.tfrc.json", ".terraformrc", ".vault-token"}},
		{Secrets, Any, File, password, []string{".netrc"}},
		{Secrets, Home, Name, password, []string{".docker/config.json", ".config/containers/auth.json", ".kube/config",
			".pgpass", ".my.cnf", ".mylogin.cnf",
			".git-credentials", ".config/git/credentials", ".config/gh/hosts.yml", ".config/hub", ".config/glab-cli",
			"_netrc", ".npmrc", ".yarnrc.yml", ".pypirc", ".gem/credentials", ".cargo/credentials*", ".m2/settings.xml", ".gradle/gradle.properties",
			".composer/auth.json", ".config/composer/auth.json"}},
		{Secrets, Home, Name, keyring, []string{".gnupg/private-keys-v1.d", ".gnupg/secring.gpg", ".local/share/keyrings", ".local/share/kwalletd", ".password-store",
			".config/op"}},
		{Secrets, Home, File, session, []string{".vnc/passwd", ".config/tigervnc/passwd", ".Xauthority", ".ICEauthority"}},
		{Secrets, Home, File, browser, []string{".mozilla/**/logins.json", ".mozilla/**/key4.db", ".thunderbird/**/logins.json", ".thunderbird/**/key4.db",
			"snap/**/.mozilla/**/logins.json", "snap/**/.mozilla/**/key4.db", ".var/app/**/.mozilla/**/logins.json", ".var/app/**/.mozilla/**/key4.db",
			".config/**/Login Data", "snap/**/Login Data", ".var/app/**/Login Data"}},

		{Secrets, Root, File, keytab, []string{"etc/krb5.keytab"}},
		{Secrets, Root, File, network, []string{"etc/ipsec.secrets", "etc/ppp/*-secrets", "etc/wireguard/**",
			"etc/wpa_supplicant*.conf", "etc/wpa_supplicant/*.conf", "var/lib/iwd/**"}},
		{Secrets, Root, Keyfile, network, []string{"etc/NetworkManager/system-connections/**"}},
		{Secrets, Root, File, diskKey, []string{"etc/luks/**", "etc/cryptsetup-keys.d/**"}},
		{Secrets, Root, File, oldShadow, []string{"etc/shadow-", "etc/gshadow-", "etc/opasswd", "etc/security/opasswd"}},
		{Secrets, Root, File, password, []string{"etc/apt/auth.conf*", "etc/apt/auth.conf.d/**", "etc/boto.cfg", "etc/cifs-credentials", "etc/cifs-credentials/**",
			"etc/ldap.secret", "var/cache/debconf/passwords.dat*"}},
		{Secrets, Root, File, service, []string{"etc/samba/smbpasswd", "var/lib/samba/private/**", "etc/credstore*/**", "etc/docker/key.json",
			"var/lib/sss/secrets/**", "var/lib/rabbitmq/.erlang.cookie", "var/lib/tor/*/hs_*secret*"}},
	}
}
