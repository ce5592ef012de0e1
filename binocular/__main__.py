"""`python -m binocular` is the `binocular` command."""

from binocular.cli import main

main()
