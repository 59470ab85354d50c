"""The command line. Imports stand inside the commands, so that `--help` is quick.

Exit codes: 0 done; 1 a failure; 2 a wrong flag or setting; 3 a manifest with errors; 4 the store; 5 a server that does not answer.
"""

from tiphys.app.cli.main import main

__all__ = ["main"]
