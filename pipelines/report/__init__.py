"""`hopyard report`: a dataset as one HTML file. `sections.py` lists what it shows; a section is a function of one."""
