"""``python -m peermesh.cli``: the same as `peer`."""

from peermesh.cli.main import main

if __name__ == "__main__":
    main()
