"""What an uplink is made of, from the spool to the far end.

uplink.py ──> intake.py (lanes.py) ──> departures.py (batching.py, window.py) ──> outward.py (pacing.py) ──> far end
              what is fetched          what waits, what is on its way             what may leave now
what the far end does not bear: poison.py decides, probation.py watches, dead_letters.py keeps it
"""
