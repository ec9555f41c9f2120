"""What goes wrong between a gateway and its far end, and is mended while it runs: each kind of uplink, each trouble.

    set up wrongly ──> said once, with place and cure ──> tried at most once a second ──> mended ──> all is there

One gateway for each kind has an uplink for each trouble, so that they are lived through side by side (scene.py).
A trouble is a value (trouble.py), made in the room of its kind (*_ends.py): how the far end is wrong, what must be said
of it, how it is mended. Each stands behind a turnstile, which counts who comes.
"""
