"""`python -m tiphys.app.cli`, where the `tiphys` program is not on the path."""

from tiphys.app.cli.main import main

main()
