"""The stages of a pipeline, one file each: its name is the file's name.

Each file is a `Settings`, a `make(settings)`, and `LASTING` (actors/stages/catalog.py). They decide only: no I/O.
"""
