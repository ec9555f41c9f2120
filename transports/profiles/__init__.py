"""Profiles: what is public of common meters, drives and sensors, a TOML file each; `holdfast profiles` lists them.

    title = "Eastron SDM630-Modbus"     # what it is
    maker, models                       # for whom it is
    source = "..."                      # the public document and section that has the registers
    driver = "modbus"
    notes = "..."                       # what one should know who commissions it
    example = { ... }                   # what a device table says beside `profile`, for copying

    [settings]                          # keys of the driver, or `period`, as they would stand in [device.NAME]
    [tags]                              # the driver's tags

A file's name without its ending is the profile's. All files keep one language, so that a chart or a rule that is made
for one meter fits the next:

- A quantity has one name and one unit in every file: `voltage_l1` in V, `power` in W, `energy_import` in kW.h. The
  phase stands last: `_l1`, `_l2`, `_l3`, `_n`, between two `_l12`, `_l23`, `_l31`, their mean `_avg`; without one it is
  the whole device. `import` is what the device's owner takes, `export` what is given back.
- Units are UCUM codes, and `var` and `kvar.h`, for which UCUM has none.
- Only what the source says; nothing that makes a machine move can be written.

Facts alone come from the source; the way the house reads them is supervisors/configuration/profiles.py.
"""

from pathlib import Path

FOLDER = Path(__file__).parent
