package bootcheck

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// network finds configuration that is bound to this machine's cards: on another machine
// cards have other addresses, and other names unless the kernel gives the old kind of them.
func (c *check) network() {
	for _, s := range []struct {
		dir, suffix string
		judge       func(text string) binding
	}{
		{"/etc/netplan", ".yaml", c.netplan},
		{"/etc/sysconfig/network-scripts", "ifcfg-", ifcfg},
		{"/etc/sysconfig/network", "ifcfg-", ifcfg},
		{"/etc/systemd/network", ".network", networkd},
		{"/etc/systemd/network", ".link", link},
		{"/etc/NetworkManager/system-connections", ".nmconnection", keyfile},
		{"/etc/network/interfaces.d", "", ifupdown},
	} {
		names, _ := c.Names(s.dir)
		for _, name := range names[:min(len(names), maxEntries)] {
			if file := path.Join(s.dir, name); (strings.HasSuffix(name, s.suffix) || strings.HasPrefix(name, s.suffix)) && !c.remade(name) && c.IsFile(file) {
				b := s.judge(c.text(file))
				if s.suffix == "ifcfg-" && b.name == "" && b.mac == "" {
					b.name = strings.TrimPrefix(name, "ifcfg-")
				}
				c.bound(file, b)
			}
		}
	}
	c.bound("/etc/network/interfaces", ifupdown(c.text("/etc/network/interfaces")))
	const rules = "/etc/udev/rules.d/70-persistent-net.rules"
	for line := range strings.Lines(c.text(rules)) {
		if strings.Contains(line, "NAME=") && strings.Contains(line, "address") && !strings.HasPrefix(strings.TrimSpace(line), "#") {
			c.bound(rules, binding{mac: "an address"})
		}
	}
}

// binding is what a configuration is bound to, "" for nothing.
type binding struct {
	mac  string
	name string // of an interface
}

// remade says whether cloud-init writes a file anew on each new machine.
func (c *check) remade(name string) bool {
	return strings.Contains(name, "cloud-init") && c.IsFile("/usr/bin/cloud-init") && c.Kind("/etc/cloud/cloud-init.disabled") == 0
}

func (c *check) bound(file string, b binding) {
	switch {
	case b.mac != "":
		cure := "remove the address from it"
		if plain(file) {
			cure = fmt.Sprintf("sed -i '/%s/Id' %s", macPattern(file), file)
		}
		c.find(Finding{NetworkMAC, Warning, file, "the network configuration " + path.Base(file) + " is bound to a card: " + cite(b.mac),
			"the card of another machine has another address: it gets no network", cure})
	case b.name != "" && !c.stable(b.name):
		c.find(Finding{NetworkInterface, Warning, file, "the network configuration " + path.Base(file) + " is bound to the interface " + cite(b.name),
			"the card of another machine has another name: it gets no network",
			"match by type or driver there, or have old names of interfaces: " + c.files.Distro.addOption(c.View, "net.ifnames=0")})
	}
}

// macPattern is what a line with an address has in a file.
func macPattern(file string) string {
	switch {
	case strings.HasPrefix(path.Base(file), "ifcfg-"):
		return `^\(HWADDR\|MACADDR\)=`
	case strings.HasSuffix(file, ".yaml"):
		return "macaddress:"
	case strings.HasSuffix(file, ".nmconnection"):
		return "^mac-address="
	case strings.HasSuffix(file, ".rules"):
		return "address"
	}
	return "MACAddress="
}

// stable says whether a name of an interface is the same on other machines.
func (c *check) stable(name string) bool {
	old := strings.HasPrefix(name, "eth")
	switch {
	case strings.ContainsAny(name, "*?[!"), name == "lo", name == "all", name == "any", name == "default":
		return true
	case !old && !isPredictable(name): // a bridge, a bond, a tunnel: made here
		return true
	case !old:
		return false
	}
	for _, mask := range []string{"/etc/systemd/network/99-default.link", "/etc/udev/rules.d/80-net-setup-link.rules", "/etc/udev/rules.d/80-net-name-slot.rules"} {
		if strings.HasPrefix(c.Real(mask), "/dev/null") {
			return true
		}
	}
	if len(c.entries) == 0 {
		return true // not known
	}
	return slices.Contains(strings.Fields(c.entries[0].options), "net.ifnames=0")
}

// isPredictable says whether a name is one that systemd.net-naming-scheme(7) makes: en, wl
// or ww, then o, s, p, x, P, v or b, and a number.
func isPredictable(name string) bool {
	for _, kind := range []string{"en", "wl", "ww"} {
		if rest, ok := strings.CutPrefix(name, kind); ok && len(rest) >= 2 {
			return strings.IndexByte("ospxPvb", rest[0]) >= 0
		}
	}
	return false
}

// netplan finds what the interfaces of a netplan are bound to: the address that one matches,
// or its own name if it matches nothing.
func (c *check) netplan(text string) (b binding) {
	var stack []int // indents of the keys around
	var keys []string
	name, matched := "", true
	end := func() {
		if !matched && b.name == "" && !c.stable(name) {
			b.name = name
		}
		matched = true
	}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(strings.TrimRight(line, "\r\n"), " #")
		body := strings.TrimLeft(line, " ")
		key, value, ok := strings.Cut(body, ":")
		if body == "" || body[0] == '#' || !ok {
			continue
		}
		indent := len(line) - len(body)
		for len(stack) > 0 && stack[len(stack)-1] >= indent {
			stack, keys = stack[:len(stack)-1], keys[:len(keys)-1]
		}
		key = strings.Trim(key, `"' -`)
		if len(stack) < maxDepth {
			stack, keys = append(stack, indent), append(keys, key)
		}
		n := len(keys)
		switch {
		case n >= 2 && (keys[n-2] == "ethernets" || keys[n-2] == "wifis"):
			end()
			name, matched = key, strings.Contains(value, "match")
		case key == "match":
			matched = true
			if i := strings.Index(value, "macaddress"); i >= 0 {
				b.mac = strings.Trim(value[i+len("macaddress"):], `"' :{}`)
			}
		case key == "macaddress" && n >= 2 && keys[n-2] == "match":
			b.mac = strings.Trim(value, `"' `)
		case key == "name" && n >= 2 && keys[n-2] == "match":
			if v := strings.Trim(value, `"' `); !c.stable(v) {
				b.name = v
			}
		case n > 0 && !slices.Contains(keys, "ethernets") && !slices.Contains(keys, "wifis"):
			end()
		}
	}
	end()
	return b
}

// maxDepth bounds the depth of a netplan.
const maxDepth = 50

// ifcfg finds what a file ifcfg-… of RHEL or SUSE is bound to.
func ifcfg(text string) binding {
	v := assignments(text)
	switch {
	case v["TYPE"] != "" && v["TYPE"] != "Ethernet" && v["TYPE"] != "Wireless":
		return binding{name: "any"}
	case v["HWADDR"] != "":
		return binding{mac: v["HWADDR"]}
	}
	return binding{name: v["DEVICE"]}
}

// section returns what the lines KEY=VALUE below a section of an INI file say.
func section(text string, names ...string) map[string]string {
	m, in := make(map[string]string), false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			in = slices.Contains(names, strings.Trim(line, "[]"))
			continue
		}
		if key, value, ok := strings.Cut(line, "="); in && ok && len(m) < maxWords && !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, ";") {
			m[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	return m
}

// networkd finds what a file *.network of systemd-networkd matches.
func networkd(text string) binding {
	m := section(text, "Match")
	for _, key := range []string{"MACAddress", "PermanentMACAddress"} {
		if m[key] != "" {
			return binding{mac: m[key]}
		}
	}
	return binding{name: m["Name"]}
}

// link finds what a file *.link of systemd-udevd matches.
func link(text string) binding {
	b := networkd(text)
	b.name = "" // of an interface that comes after it
	return b
}

// keyfile finds what a connection of NetworkManager is bound to.
func keyfile(text string) binding {
	connection, card := section(text, "connection"), section(text, "ethernet", "802-3-ethernet", "wifi", "802-11-wireless")
	switch kind := connection["type"]; {
	case kind != "" && kind != "ethernet" && kind != "802-3-ethernet" && kind != "wifi":
		return binding{}
	case card["mac-address"] != "":
		return binding{mac: card["mac-address"]}
	}
	return binding{name: connection["interface-name"]}
}

// ifupdown finds what a file of interfaces(5) names.
func ifupdown(text string) binding {
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "iface" && (isPredictable(f[1]) || strings.HasPrefix(f[1], "eth")) {
			return binding{name: f[1]}
		}
	}
	return binding{}
}
