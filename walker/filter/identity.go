package filter

const (
	machineID  = "machine identity"
	sshHostKey = "SSH host key, made anew at boot"
	randomSeed = "random seed"
	dhcpLease  = "DHCP lease"
	dhcpName   = "DHCP identity"
	networkID  = "network identity"
	cloudInit  = "cloud-init instance state"
	enrolment  = "enrolment of this machine"
	hardware   = "names of this machine's hardware"
	sealed     = "bound to this machine's TPM"
)

// identity lists what only one machine may have: two that share it are taken for one, or one can pass for the other. The host's name and
// /etc/machine-info are not among it.
func identity() []Place {
	return []Place{
		{Identity, Root, Contents, machineID + ": emptied", []string{"etc/machine-id"}},
		{Identity, Root, Regular, machineID, []string{"var/lib/dbus/machine-id"}},
		{Identity, Root, File, machineID, []string{"etc/hostid", "var/lib/systemd/credential.secret"}},
		{Identity, Root, HostKey, sshHostKey, []string{"etc/ssh/ssh_host_*_key", "etc/ssh/ssh_host_*_key.pub", "etc/dropbear/dropbear_*_host_key"}},
		{Identity, Root, File, randomSeed, []string{"var/lib/systemd/random-seed", "var/lib/urandom/random-seed", "var/lib/misc/random-seed", "var/lib/random-seed",
			"var/lib/seedrng/seed.*", "boot/loader/random-seed", "boot/efi/loader/random-seed", "efi/loader/random-seed"}},
		{Identity, Root, File, dhcpLease, []string{"var/lib/dhcp/dhclient*.lease*", "var/lib/dhclient/*.lease*", "var/lib/NetworkManager/*.lease",
			"var/lib/dhcpcd/*.lease*", "var/lib/wicked/lease-*"}},
		{Identity, Root, File, dhcpName, []string{"var/lib/dhcpcd/duid", "var/lib/dhcpcd/secret", "etc/dhcpcd.duid", "etc/dhcpcd.secret", "var/lib/wicked/duid.xml",
			"var/lib/wicked/iaid.xml", "var/lib/dhcpv6/*duid*"}},
		{Identity, Root, File, networkID, []string{"var/lib/NetworkManager/secret_key", "var/lib/NetworkManager/seen-bssids", "var/lib/NetworkManager/timestamps",
			"var/lib/tailscale/tailscaled.state", "var/lib/zerotier-one/identity.secret", "etc/iscsi/initiatorname.iscsi", "etc/nvme/hostnqn", "etc/nvme/hostid"}},
		{Identity, Root, Name, networkID, []string{"var/lib/bluetooth/*"}},
		{Identity, Root, File, hardware, []string{"etc/udev/rules.d/*-persistent-net.rules", "etc/lvm/devices/system.devices"}},
		{Identity, Root, Name, cloudInit, []string{"var/lib/cloud/instance", "var/lib/cloud/instances/*", "var/lib/cloud/seed/*", "var/lib/cloud/data/*",
			"var/lib/cloud/sem/*"}},
		{Identity, Root, Name, enrolment, []string{"var/lib/amazon/ssm/*", "etc/chef/client.pem",
			"etc/puppet/ssl/private_keys/*", "etc/puppetlabs/puppet/ssl/private_keys/*", "var/lib/puppet/ssl/private_keys/*",
			"etc/salt/pki/minion/minion.pem", "var/lib/salt/pki/minion/minion.pem", "var/lib/kubelet/pki/*",
			"var/lib/rancher/k3s/server/node-token", "var/lib/rancher/k3s/server/token", "etc/rancher/node/password",
			"etc/pki/consumer/*", "etc/pki/entitlement/*", "etc/sysconfig/rhn/systemid", "etc/zypp/credentials.d/SCCcredentials",
			"var/lib/ubuntu-advantage/private/*"}},
		{Identity, Root, Name, sealed, []string{"var/lib/systemd/tpm2-*", "var/lib/systemd/pcrlock*", "var/lib/pcrlock.d/*"}},
	}
}
