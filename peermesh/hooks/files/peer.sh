#!/bin/sh
# The command `peer` of the installation that set this plugin up, for the Bash tool of every session.
if [ "$*" = statusline ]; then
    # Claude Code runs this all the time: the sidecar keeps the line ready, and no interpreter is started.
    [ "${PEER_DISABLE:-0}" = 0 ] || exit 0
    s=$CLAUDE_CODE_SESSION_ID
    if [ -z "$s" ] && [ ! -t 0 ]; then # who runs it says on standard input which session it is for
        while read -r line || [ -n "$line" ]; do
            case $line in *'"session_id"'*)
                s=${line#*'"session_id"'} s=${s#*'"'} s=${s%%'"'*}
                break ;;
            esac
        done
    fi
    case $s in '' | *[!A-Za-z0-9_-]*) exit 0 ;; esac
    d="${PEER_HOME:-${XDG_STATE_HOME:-$HOME/.local/state}/peer}/session/$s"
    [ ! -e "$d/off" ] && { read -r pid <"$d/pid" && kill -0 "$pid" && read -r line <"$d/statusline"; } 2>/dev/null &&
        printf '%s\n' "$line"
    exit 0
fi
python=@PYTHON@ root=@ROOT@
if [ ! -x "$python" ] || [ ! -e "$root/peermesh/cli/main.py" ]; then
    echo "peer: its program is gone ($python). Install peermesh again, then run: peer setup" >&2
    exit 1
fi
# Without the installed packages (-S): the command fetches them itself when it needs any.
exec "$python" -I -S -c 'import sys
root = sys.argv.pop(1)
sys.argv[0] = "peer"
if root not in sys.path:
    sys.path.append(root)
from peermesh.cli.main import main
main()' "$root" "$@"
