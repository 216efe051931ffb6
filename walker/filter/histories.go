package filter

const (
	shellHistory = "shell history"
	history      = "history of commands"
	leftover     = "editor leftover"
	swap         = "editor swap file"
)

// histories lists what people typed, and editors' leftovers, which hold old contents of files.
func histories() []Place {
	return []Place{
		{Histories, Any, File, shellHistory, []string{".bash_history", ".zsh_history", ".zhistory", ".sh_history", ".ash_history", ".ksh_history", ".history",
			"fish/fish_history"}},
		{Histories, Home, File, history, []string{"*_history", ".histfile", ".dbshell", ".lesshst", ".viminfo", ".wget-hsts",
			".config/nushell/history.*"}},
		{Histories, Home, Name, history, []string{".local/share/nvim/shada", ".local/state/nvim/shada", ".local/share/atuin",
			".local/share/powershell/PSReadLine"}},
		{Histories, Any, File, swap, []string{".*.sw[m-p]"}},
		{Histories, Home, File, leftover, []string{"**/*~", "**/#*#", "**/.#*"}},
		{Histories, Root, File, leftover, []string{"etc/**/*~", "etc/**/#*#", "etc/**/.#*"}},
	}
}
