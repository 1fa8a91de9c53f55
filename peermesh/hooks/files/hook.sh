#!/bin/sh
# The first step of every hook: a file test that ends here when there is nothing to say or to tell.
# Only then, and never otherwise, an interpreter is started. Usage: hook.sh EVENT
[ "${PEER_DISABLE:-0}" = 0 ] || exit 0
d="${PEER_HOME:-${XDG_STATE_HOME:-$HOME/.local/state}/peer}/session/$CLAUDE_CODE_SESSION_ID" said=
# The hook that is called most, before the shell has read the rest: the sidecar lives, and there is nothing to say.
# "busy", "idle" and "wait" are equally long and written over each other (1<>): the sidecar never reads half of
# one, and no file system flushes for a truncated file. Not ":", by whose failure a shell ends.
if [ "$1" = PostToolBatch ] && [ ! -e "$d/due/$1" ] &&
    { read -r pid <"$d/pid" && kill -0 "$pid" && echo busy 1<>"$d/turn"; } 2>&-; then exit 0; fi
# `claude -p` takes part when it first uses peer itself; until then nothing is started, and nobody waited for.
case ${CLAUDE_CODE_ENTRYPOINT:-cli}${CLAUDE_CODE_SESSION_ATTENDED:-1} in
sdk-* | *0)
    case $1 in SessionStart | SessionEnd | Wait | PermissionRequest) exit 0 ;; esac
    [ -e "$d/pid" ] || exit 0 ;;
esac
case $1 in
SessionStart | SessionEnd | PostToolUse) ;;
PermissionRequest) # The person is asked. What comes of it, the next event says, or the sidecar sees.
    [ -e "$d/pid" ] && [ ! -e "$d/off" ] && { echo wait 1<>"$d/turn"; } 2>&-
    exit 0 ;;
Wait) # One that an earlier turn armed still waits.
    [ -e "$d/armed" ] && { read -r pid <"$d/pid" && kill -0 "$pid"; } 2>&- && exit 0
    # A session that just starts needs the processor itself; so does its sidecar.
    [ -e "$d/pid" ] || [ -e "$d/off" ] || sleep 1 ;;
*) # Without a sidecar, or with one that died, the second step starts it.
    [ -e "$d/due/$1" ] || {
        if read -r pid <"$d/pid" && kill -0 "$pid"; then
            case $1 in
            Stop) echo idle 1<>"$d/turn" ;;
            UserPromptSubmit)
                if [ -e "$d/woken" ]; then # the next prompt may be the client's own, with what woke it
                    IFS= read -r said
                    case $said in *'"prompt":"<task-notification>'*) said= ;; esac
                    [ -z "$said" ] && echo busy 1<>"$d/turn"
                else
                    echo busy 1<>"$d/turn" && echo 1<>"$d/typed"
                fi ;;
            esac
            [ -n "$said" ] || exit 0
        fi
    } 2>&- ;;
esac
[ -e "$d/off" ] && exit 0
python=@PYTHON@ root=@ROOT@
[ -x "$python" ] && [ -e "$root/peermesh/hooks/lane.py" ] || exit 0
lane() {
    # What goes wrong from here on is the lane's to note; what it could not, nobody is told of. The lane flushes
    # what it says; an interpreter that tidies up first would cost 1 ms more.
    exec "$python" -I -S -X utf8 -c 'import os, sys
sys.excepthook = lambda *wrong: os._exit(0)
sys.path.append(sys.argv[1])
from peermesh.hooks.lane import main
os._exit(main(sys.argv[2]))' "$root" "$1"
}
[ -z "$said" ] && lane "$1"
# A person's own prompt, whose beginning was read above. Should the lane be killed, a shell would tell of that.
exec 2>/dev/null
{ printf '%s\n' "$said" && cat; } | lane "$1"
exit 0
