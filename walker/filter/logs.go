package filter

const (
	log       = "log"
	journal   = "journal of this machine"
	mail      = "mail"
	jobs      = "scheduled job"
	crash     = "memory of a crashed program"
	installer = "answers to the installer"
)

// logs lists what happened on the machine. Directories stay with owner and mode, because services that log do not make them.
func logs() []Place {
	return []Place{
		{Logs, Root, Name, journal, []string{"var/log/journal/*"}},
		{Logs, Root, File, log, []string{"var/log/**", "var/lib/lastlog/**", "var/lib/wtmpdb/**"}},
		{Logs, Root, File, mail, []string{"var/mail/**", "var/spool/mail/**",
			"var/spool/postfix/active/**", "var/spool/postfix/bounce/**", "var/spool/postfix/corrupt/**", "var/spool/postfix/defer/**",
			"var/spool/postfix/deferred/**", "var/spool/postfix/flush/**", "var/spool/postfix/hold/**", "var/spool/postfix/incoming/**",
			"var/spool/postfix/maildrop/**", "var/spool/postfix/saved/**", "var/spool/postfix/trace/**"}},
		{Logs, Root, File, jobs, []string{"var/spool/cron/**", "var/spool/at/**"}},
		{Logs, Root, File, crash, []string{"var/crash/**", "var/lib/systemd/coredump/**", "core", "core.[0-9]*"}},
		{Logs, Home, Regular, crash, []string{"core", "core.[0-9]*"}},
		{Logs, Root, File, installer, []string{"root/*ks.cfg", "root/install.log*", "root/autoinst.xml", "var/adm/autoinstall/**"}},
	}
}
