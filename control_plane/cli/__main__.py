"""`python -m control_plane.cli` is `proffer`."""

from control_plane.cli import main

main()
