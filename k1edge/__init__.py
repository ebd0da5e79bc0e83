"""k1edge: the beat companion of a K1 LED node. Read in the order of the data: audio/, beat/, link/, daemon/, report/."""

__version__ = "0.1.0"
