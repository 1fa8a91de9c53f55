#!/bin/sh
# The command `peer` of the installation that set this plugin up, for the Bash tool of every session.
python=@PYTHON@ root=@ROOT@
if [ ! -x "$python" ] || [ ! -e "$root/peermesh/cli/main.py" ]; then
    echo "peer: its program is gone ($python). Install peermesh again, then run: peer setup" >&2
    exit 1
fi
exec "$python" -I -c 'import sys
root = sys.argv.pop(1)
sys.argv[0] = "peer"
if root not in sys.path:
    sys.path.append(root)
from peermesh.cli.main import main
main()' "$root" "$@"
