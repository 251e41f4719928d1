"""``python -m tatami``, the form that torchrun needs."""

from tatami.cli.main import main

main()
