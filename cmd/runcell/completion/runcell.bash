# Completion of runcell(8) for bash. Read it from ~/.bashrc, or let bash-completion
# find it. What is typed is handed over as it is: nothing of it is executed.

_runcell()
{
	local line
	COMPREPLY=()
	while IFS= read -r line; do
		[[ -n $line ]] && COMPREPLY+=("${line%%$'\t'*}")
	done <<<"$(@RUNCELL@ completion words --line="${COMP_LINE:0:COMP_POINT}" --end="$2" 2>/dev/null </dev/null)"
	# The word goes on behind these.
	if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[/:=] ]]; then
		compopt -o nospace
	fi
}

complete -F _runcell runcell
