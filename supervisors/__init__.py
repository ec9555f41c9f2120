"""Who stays alive: the supervisors of the gateway's processes, its configuration, and the command `holdfast`.

plan/            what is decided (pure)              supervisor   the root's loop; births, deaths, errands, vigil ...
configuration/   from the text to a tree             spec         what a child is
reload/          another configuration, live         zygote, host, lifeline, process    how a child comes to be
records/         what is written down                run          the root's beginning and end
face/            what people see                     cli, verbs/  what they can type
demo/            a whole gateway, to look at
"""
