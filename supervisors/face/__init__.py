"""What people see of a gateway: tables and lines on a terminal, and the pages about drivers.

standing   a status as rows of words (pure)      panel, top   drawn once, or live
columns    which of them fit (pure)              rates        between two looks (pure)
tail       live values                           probe        one device, read once
manual     the drivers and their settings        wording      numbers and times in words (pure)
"""
