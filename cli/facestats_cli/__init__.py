"""The ``facestats`` command."""
