"""The composition root: the only place that knows the engines and wires them to the stages.

A module for each thing that is run: the server, its engine, and what builds. None imports what it does not run.
"""
