"""``python -m facestats_cli``."""

from facestats_cli.main import main

main()
