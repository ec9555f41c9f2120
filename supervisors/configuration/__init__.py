"""From the text of a configuration to a tree of children, or every mistake in it.

document, places   the file, and the line of each thing      tables, keeping, levels   what can be written
config             the whole file, checked                   sections, names, claims   its parts, their rules
gateway            what it describes                         tree                      the children of it (pure)
profiles, overlay  devices described once for all
trial              strangers' modules, tried in a process    starter, cautions         a first file, good advice
"""
