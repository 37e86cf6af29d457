# Completion of runcell(8) for fish. What is typed is handed over as it is: nothing
# of it is executed.

function __runcell_words
	set -l typed (commandline -opc)
	set -l last (commandline -ct)
	set -e typed[1]
	@RUNCELL@ completion words -- $typed "$last" 2>/dev/null </dev/null
end

complete -c runcell -f -a '(__runcell_words)'
