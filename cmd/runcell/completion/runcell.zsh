#compdef runcell
# Completion of runcell(8) for zsh, as _runcell in a directory of $fpath. What is
# typed is handed over as it is: nothing of it is executed.

_runcell()
{
	local line word
	local -a whole about open openabout
	for line in "${(@f)$(@RUNCELL@ completion words -- "${(@)words[2,CURRENT-1]}" "$QIPREFIX$IPREFIX$PREFIX" 2>/dev/null </dev/null)}"; do
		word=${line%%$'\t'*}
		case $word in
		'') ;;
		*[/:=]) open+=("$word") openabout+=("${line/$'\t'/  -- }") ;;
		*) whole+=("$word") about+=("${line/$'\t'/  -- }") ;;
		esac
	done
	(( $#whole )) && compadd -l -d about -a whole
	(( $#open )) && compadd -l -d openabout -S '' -a open
	(( $#whole + $#open ))
}

if [[ $funcstack[1] == _runcell ]]; then
	_runcell "$@"
else
	compdef _runcell runcell
fi
